"""``skops/1``: scikit-learn estimators and pipelines, without code in the file that loading would run.

The file is skops' own format (a zip of a schema and arrays), which ``skops.io.load`` reads, in one form for equal models (see ``model_form``).
"""

from __future__ import annotations

import sys
import warnings
from typing import Any, BinaryIO

from sematic_airflow_provider.artifacts.codecs.model_form import check_sizes, settled
from sematic_airflow_provider.artifacts.codecs.model_trust import named_in
from sematic_airflow_provider.errors import MissingExtraError, NoCodecError


class SkopsCodec:
    """Models of scikit-learn; types of other libraries inside them are refused."""

    name = "skops/1"
    deterministic = True
    depends_on = (
        "scikit-learn",
        "skops",
        "numpy",
        "scipy",
    )  # their versions, or where their functions live, stand in the file

    def handles(self, value: object) -> bool:
        """Estimators that scikit-learn itself defines."""
        sklearn = sys.modules.get("sklearn.base")
        return (
            sklearn is not None
            and isinstance(value, sklearn.BaseEstimator)
            and type(value).__module__.startswith("sklearn.")
        )

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write the model."""
        sio = _skops()
        try:
            data = settled(sio.dumps(value))
        except NoCodecError:
            raise
        except (TypeError, ValueError, AttributeError, RecursionError) as error:  # skops' own errors are among these
            raise NoCodecError(f"skops cannot store this model: {error}") from error
        found = named_in(data)
        unknown = sio.get_untrusted_types(data=data) if found.others else []
        names = sorted(set(found.refused) | (set(unknown) - set(found.trusted)))
        if names:
            raise NoCodecError(
                f"the model holds types or functions that are not of scikit-learn, NumPy or SciPy, or not safe to load: {', '.join(names)}. "
                "Keep such steps out of the pipeline, register a codec, or set [sematic] allow_pickle"
            )
        file.write(data)

    def decode(self, data: memoryview) -> Any:
        """The model.

        Raises:
            ValueError: it holds types that are not trusted: this file was not written by this codec.
        """
        sio = _skops()
        from skops.io.exceptions import UntrustedTypesFoundException

        content = bytes(data)
        check_sizes(content)
        found = named_in(content)
        if found.refused:
            raise ValueError(f"the model calls what is not trusted: {', '.join(found.refused)}")
        try:
            return sio.loads(content, trusted=found.trusted)
        except UntrustedTypesFoundException as error:
            raise ValueError(f"the model holds types or functions that are not trusted: {error}") from error


def _skops() -> Any:
    try:
        with warnings.catch_warnings():
            # importing it probes every loaded module for ufuncs, deprecated attributes included
            warnings.simplefilter("ignore")
            import skops.io as sio
    except ImportError as error:
        raise MissingExtraError("storing scikit-learn models", "sklearn") from error
    return sio

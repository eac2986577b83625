"""``pickle/1``: anything, by cloudpickle. Loading runs code from the file; the repository asks the settings before it uses this."""

from __future__ import annotations

import pickle
from typing import Any, BinaryIO

from sematic_airflow_provider.errors import NoCodecError


class PickleCodec:
    """Never chosen by itself."""

    name = "pickle/1"
    deterministic = False

    def handles(self, value: object) -> bool:
        """Anything may be tried."""
        return True

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write a pickle; with cloudpickle where it is installed, which knows functions and classes of scripts."""
        try:
            from cloudpickle import dumps
        except ImportError:
            from pickle import dumps
        try:
            file.write(dumps(value))
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise NoCodecError(f"{type(value).__qualname__} cannot even be pickled: {error}") from error

    def decode(self, data: memoryview) -> Any:
        """Run the pickle."""
        return pickle.loads(data)  # noqa: S301 - only where [sematic] allow_pickle says so

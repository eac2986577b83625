"""``npy/1``: NumPy arrays and scalars in NumPy's own format (NEP 1), without pickled objects."""

from __future__ import annotations

import io
import sys
from typing import Any, BinaryIO

from sematic_airflow_provider.errors import MissingExtraError, NoCodecError


class NpyCodec:
    """Dtype, shape and memory order come back as they were; an array that is contiguous in neither order comes back in C order."""

    name = "npy/1"
    deterministic = True

    def handles(self, value: object) -> bool:
        """Arrays and scalars of NumPy itself, not of subclasses."""
        numpy = sys.modules.get("numpy")
        return numpy is not None and (type(value) is numpy.ndarray or isinstance(value, numpy.generic))

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write the array."""
        import numpy as np

        array = np.asarray(value)
        if array.dtype.hasobject:
            raise NoCodecError(
                f"an array of Python objects (dtype {array.dtype}) cannot be stored safely: give it a dtype, for example array.astype(str), or return a list"
            )
        np.lib.format.write_array(file, array, allow_pickle=False)

    def decode(self, data: bytes) -> Any:
        """The array; a zero-dimensional one as the scalar it was."""
        try:
            import numpy as np
        except ImportError as error:
            raise MissingExtraError("reading a NumPy array", "pandas") from error
        array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        return array if array.ndim else array[()]

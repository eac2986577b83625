"""``npy/1``: NumPy arrays and scalars in NumPy's own format (NEP 1), without pickled objects.

A scalar is written as the zero-dimensional array it is to NumPy; a zero-dimensional array is told from it by version 2.0 of the header. Both are read by
``numpy.load``.
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO

from sematic_airflow_provider.errors import MissingExtraError, NoCodecError

_MAX_HEADER = 1 << 20
_LONG_DOUBLES = "gG"


class NpyCodec:
    """Dtype, shape and memory order come back as they were; an array that is contiguous in neither order comes back in C order."""

    name = "npy/1"
    deterministic = True

    def handles(self, value: object) -> bool:
        """Arrays and scalars of NumPy itself, not of subclasses."""
        numpy = sys.modules.get("numpy")
        return numpy is not None and (type(value) is numpy.ndarray or isinstance(value, numpy.generic))

    def buffers(self, value: Any) -> Sequence[memoryview | bytes] | None:
        """Header and data of an array that lies in memory as the file has it; None for any other."""
        import numpy as np

        if type(value) is not np.ndarray or value.dtype.hasobject or _has_gaps(value.dtype):
            return None
        if not value.ndim or not value.dtype.itemsize or not (value.flags.c_contiguous or value.flags.f_contiguous):
            return None
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(value))
        flat = value.reshape(-1) if value.flags.c_contiguous else value.T.reshape(-1)
        return [header.getvalue(), flat.view(np.uint8).data]

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write the array."""
        import numpy as np

        array = np.asarray(value)
        if array.dtype.hasobject:
            raise NoCodecError(
                f"an array of Python objects (dtype {array.dtype}) cannot be stored safely: give it a dtype, for example array.astype(str), or return a list"
            )
        if _has_gaps(array.dtype):
            array = _without_gaps(array)
        for piece in (pieces := self.buffers(array) if type(value) is np.ndarray else None) or ():
            file.write(piece)
        if pieces is None:
            version = (2, 0) if type(value) is np.ndarray and not array.ndim else None
            np.lib.format.write_array(file, array, version=version, allow_pickle=False)

    def decode(self, data: memoryview) -> Any:
        """The array, in the memory that was given when it can be written to."""
        try:
            import numpy as np
        except ImportError as error:
            raise MissingExtraError("reading a NumPy array", "pandas") from error
        header = io.BytesIO(data[:_MAX_HEADER])
        version = np.lib.format.read_magic(header)
        if version not in ((1, 0), (2, 0)):
            return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False, max_header_size=_MAX_HEADER)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, in_fortran_order, dtype = read_header(header, max_header_size=_MAX_HEADER)
        count, start = math.prod(shape), header.tell()
        if dtype.hasobject or min(shape, default=0) < 0 or count * dtype.itemsize != len(data) - start:
            raise ValueError(f"an array of shape {shape} and dtype {dtype} does not have {len(data) - start} bytes")
        if not count or not dtype.itemsize:
            return np.empty(shape, dtype, order="F" if in_fortran_order else "C")
        flat = np.frombuffer(bytearray(data) if data.readonly else data, dtype, count, start)
        array = flat.reshape(shape[::-1]).T if in_fortran_order else flat.reshape(shape)
        return array if array.ndim or version == (2, 0) else array[()]


def _has_gaps(dtype: Any) -> bool:
    """Whether there may be bytes in it that are no part of the value, and that nobody set."""
    return dtype.names is not None or dtype.char in _LONG_DOUBLES


def _without_gaps(array: Any) -> Any:
    """The same values, with zero in bytes between fields and behind the 80 bits of a long double."""
    import numpy as np

    clean = np.zeros(array.shape, array.dtype, order="F" if np.isfortran(array) else "C")
    _fill(clean, array)
    return clean


def _fill(clean: Any, array: Any) -> None:
    import numpy as np

    for name in array.dtype.names or ():
        _fill(clean[name], array[name])
    if array.dtype.names is None:
        clean[...] = array
        if array.dtype.char in _LONG_DOUBLES and array.dtype.isnative and np.finfo(np.longdouble).nmant == 63:
            _zero_behind(clean)


def _zero_behind(reals: Any) -> None:
    """Zero in what an x86 long double has behind its ten bytes; the real and imaginary parts of complex ones too."""
    import numpy as np

    width = np.dtype(np.longdouble).itemsize
    raw = np.ndarray((*reals.shape, reals.itemsize), np.uint8, reals, 0, (*reals.strides, 1))
    for start in range(0, reals.itemsize, width):
        raw[..., start + 10 : start + width] = 0

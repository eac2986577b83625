"""NumPy arrays against ``npt.NDArray[np.float64]`` and ``np.ndarray[tuple[int, int], np.dtype[np.float64]]``."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any


def array_check(arguments: tuple[Any, ...]) -> Callable[[Any], None]:
    """A check of the data type and of the number of dimensions, as far as the arguments of ``ndarray[…]`` say."""
    shape = typing.get_args(arguments[0]) if typing.get_origin(arguments[0]) is tuple else (Any, Ellipsis)
    wanted = typing.get_args(arguments[1]) if len(arguments) > 1 else ()
    scalars = tuple(scalar for scalar in _choices(wanted) if isinstance(scalar, type) and scalar is not Any)

    def check(array: Any) -> None:
        if scalars and not issubclass(array.dtype.type, scalars):
            raise ValueError(f"its dtype is {array.dtype}, not {' or '.join(scalar.__name__ for scalar in scalars)}")
        if Ellipsis not in shape and len(shape) != array.ndim:
            raise ValueError(f"it has {array.ndim} dimensions, not {len(shape)}")
        for axis, (wanted_size, size) in enumerate(zip(shape, array.shape, strict=False)):
            if typing.get_origin(wanted_size) is typing.Literal and size not in typing.get_args(wanted_size):
                raise ValueError(f"its axis {axis} is {size} long, not {typing.get_args(wanted_size)[0]}")

    return check


def _choices(wanted: tuple[Any, ...]) -> tuple[Any, ...]:
    if wanted and typing.get_origin(wanted[0]) in (typing.Union, types.UnionType):
        return typing.get_args(wanted[0])
    return wanted

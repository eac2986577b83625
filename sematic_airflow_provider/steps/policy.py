"""CachePolicy: how the results of a step are cached."""

from __future__ import annotations

import datetime as dt
import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LONGEST_NAME = 200


@dataclass(frozen=True)
class CachePolicy:
    """How the results of a step are cached: ``@sematic_task(cache=CachePolicy(ttl=timedelta(days=7)))``.

    Args:
        namespace: steps of different namespaces share nothing.
        ttl: how long a result may be used after it was computed; None: for as long as it is kept.
        ignore: arguments, also ones that Airflow's context fills, that do not matter for the result.
        version: change it to have everything computed anew.
        packages: whether another version of an imported third-party distribution makes a result unusable.
        files: further files and folders whose contents the result depends on, relative to the folder of the function's file.
        verify: read and verify the outputs before they are used, where else their existence and sizes are looked at.

    Raises:
        TypeError, ValueError: a field has a value that it cannot have.
    """

    namespace: str = ""
    ttl: dt.timedelta | None = None
    ignore: Sequence[str] = ()
    version: str | int = ""
    packages: bool = True
    files: Sequence[str | Path] = ()
    verify: bool = False

    def __post_init__(self) -> None:
        _check("namespace", self.namespace, str, "text")
        if len(self.namespace) > _LONGEST_NAME:
            raise ValueError(
                f"CachePolicy: namespace has more than {_LONGEST_NAME} characters: {_shown(self.namespace)}"
            )
        _check("version", self.version, (str, int), "text or a whole number")
        if self.ttl is not None:
            _check("ttl", self.ttl, dt.timedelta, "a timedelta or None")
            if self.ttl <= dt.timedelta(0):
                raise ValueError(f"CachePolicy: ttl must be longer than nothing, it is {self.ttl}")
        for name in ("packages", "verify"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"CachePolicy: {name} must be True or False, it is {_shown(getattr(self, name))}")
        for name, kinds, example in (("ignore", str, '["log_level"]'), ("files", (str, os.PathLike), '["limits.csv"]')):
            given = getattr(self, name)
            if isinstance(given, (str, bytes, os.PathLike)) or not isinstance(given, Sequence):
                raise TypeError(f"CachePolicy: {name} must be a list such as {example}, it is {_shown(given)}")
            for member in given:
                _check(f"each of {name}", member, kinds, "text")
            object.__setattr__(self, name, tuple(given))  # so that nobody changes it afterwards

    def check(self, function: Callable[..., Any]) -> None:
        """See that it suits a function.

        Raises:
            ValueError: it ignores an argument that the function does not have.
        """
        parameters = inspect.signature(function).parameters
        unknown = [name for name in self.ignore if name not in parameters]
        if unknown:
            raise ValueError(
                f"{getattr(function, '__qualname__', function)}: CachePolicy ignores {', '.join(unknown)}, but the function has "
                + (f"only the arguments {', '.join(parameters)}" if parameters else "no arguments")
            )


def policy_of(given: object) -> CachePolicy | None:
    """The policy that ``cache=…`` stands for; None for none.

    Raises:
        TypeError: it stands for nothing.
    """
    if isinstance(given, CachePolicy):
        return given
    if isinstance(given, bool):
        return CachePolicy() if given else None
    raise TypeError(f"cache must be True, False or a CachePolicy, it is {_shown(given)}")


def _check(what: str, given: object, kinds: type | tuple[type, ...], wanted: str) -> None:
    if not isinstance(given, kinds) or isinstance(given, bool):
        raise TypeError(f"CachePolicy: {what} must be {wanted}, it is {_shown(given)}")


def _shown(given: object) -> str:
    return f"{type(given).__name__} {str(given)[:80]!r}"

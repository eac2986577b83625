"""Digests of run-time values: constants, defaults, what a function closes over.

Values of Python's own types are described here; what else there is, a codec knows or nobody does. Equal values have equal digests on every machine: a path
that is computed from where the code lies counts from there. The order of a dict counts, since a program may iterate over it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path, PurePath
from typing import cast

from sematic_airflow_provider.artifacts.digest import digest_bytes

_SIMPLE = frozenset({type(None), bool, int, float, complex, type(Ellipsis), type(NotImplemented), range, slice})
_SEQUENCES = {list: "list", tuple: "tuple"}
_SETS = {set: "set", frozenset: "frozenset"}
_BY_REPR = frozenset(
    {
        "datetime.date",
        "datetime.datetime",
        "datetime.time",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "fractions.Fraction",
        "re.Pattern",
        "uuid.UUID",
        "zoneinfo.ZoneInfo",
    }
)
_SHARED = frozenset({"/", "/home", "/Users", "/tmp", "/var", "/opt", "/usr", "/mnt", "/srv", "/data"})  # noqa: S108 - names to tell apart, nothing is written there
_MANY = 20_000
_LARGE = 4 << 20


class Describer:
    """Turns values into digests. What is not of a type of Python's own goes to ``leaf``, which may give None: nobody knows.

    ``folder`` is where the code lies, ``text`` the code: a path that is written there as it is counts as it is.
    """

    def __init__(self, leaf: Callable[[object], str | None], folder: str | None, text: str) -> None:
        self._leaf = leaf
        self._folder = folder
        self._text = text
        self._open: set[int] = set()

    def digest(self, value: object) -> str | None:
        """Digest of a value; None where some part of it is unknown."""
        found = self.describe(value)
        return None if found is None else digest_bytes(found.encode("utf-8", "surrogatepass"))

    def describe(self, value: object) -> str | None:
        """The same before it is hashed."""
        kind = type(value)
        if kind in _SIMPLE:
            return f"{kind.__name__}:{value!r}"
        if kind is str:
            return f"str:{self.path(value)}"  # type: ignore[arg-type]
        if kind is bytes or kind is bytearray:
            return f"{kind.__name__}:{sha256(value).hexdigest()}"  # type: ignore[arg-type]
        if f"{kind.__module__}.{kind.__qualname__}" in _BY_REPR:
            return f"{kind.__qualname__}:{value!r}"
        if isinstance(value, PurePath):
            return self._file(value)
        if kind in _SEQUENCES or kind in _SETS or kind is dict:
            return self._container(value)
        return self._leaf(value)

    def _container(self, value: object) -> str | None:
        if id(value) in self._open:
            return "again"
        if len(value) > _MANY:  # type: ignore[arg-type]
            known = self._leaf(value)
            if known is not None:
                return known
        self._open.add(id(value))
        try:
            members: Iterable[object] = value.items() if isinstance(value, dict) else cast("Iterable[object]", value)
            parts: list[str] = []
            for member in members:
                part = self.describe(member)
                if part is None:
                    return None
                parts.append(part)
        finally:
            self._open.discard(id(value))
        kind = type(value)
        if kind in _SETS:
            parts.sort()
        return f"{kind.__name__}[{','.join(f'{len(part)}:{part}' for part in parts)}]"

    def path(self, text: str) -> str:
        """A text; if it is a path that was computed from where the code lies, or from the user's home, the path from there."""
        if not text.startswith(os.sep) or "\n" in text or self._folder is None or text in self._text:
            return text
        home = os.path.expanduser("~")
        if text == self._folder or text.startswith(self._folder + os.sep):
            return f"<code>/{os.path.relpath(text, self._folder)}"
        try:
            shared = os.path.commonpath([text, self._folder])
        except ValueError:
            return text
        if shared not in _SHARED and shared != home:
            return f"<code>/{os.path.relpath(text, self._folder)}"
        return f"<home>/{os.path.relpath(text, home)}" if text == home or text.startswith(home + os.sep) else text

    def _file(self, value: PurePath) -> str:
        """A path counts by its name, and by its content where it is a file."""
        name = f"{type(value).__name__}:{self.path(str(value))}"
        content = digest_of_file(str(value)) if isinstance(value, Path) else None
        return f"{name}={content}" if content else name


def digest_of_file(path: str) -> str | None:
    """SHA-256 of a file; None where there is no file, or none that may be read."""
    try:
        found = os.stat(path)
        if not os.path.isfile(path):
            return None
        if found.st_size < _LARGE:  # two edits within one tick of the clock look the same but for the content
            return _hashed(path)
        return _digest_of_file(os.path.abspath(path), found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=256)
def _digest_of_file(path: str, *_: int) -> str:
    return _hashed(path)


def _hashed(path: str) -> str:
    hasher = sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            hasher.update(piece)
    return hasher.hexdigest()

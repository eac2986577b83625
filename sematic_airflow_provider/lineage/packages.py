"""Which distributions are installed: name and version of each, read from the names of their folders.

Wheels say both in the name of their ``.dist-info`` folder, so that one look into each folder of ``sys.path`` is enough: a process that runs one step cannot
afford to parse hundreds of metadata files. Whatever is named otherwise is read with ``importlib.metadata``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator

_WHEEL = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._]*)-(?P<version>[0-9][0-9A-Za-z.!+]*)\.dist-info")
_SEPARATORS = re.compile(r"[-_.]+")


def installed(path: Iterable[str] | None = None) -> dict[str, str]:
    """Name (normalised as PyPI does, PEP 503) and version of every distribution on this path, ``sys.path`` by default.

    Of two of the same name the first counts, as it does for imports. Custom finders of metadata are not asked.
    """
    found: dict[str, str] = {}
    for entry in sys.path if path is None else path:
        for name, version in _of_entry(entry or "."):
            found.setdefault(_SEPARATORS.sub("-", name).lower(), version)
    return dict(sorted(found.items()))


def _of_entry(entry: str) -> Iterator[tuple[str, str]]:
    if entry.lower().endswith(".egg") or os.path.isfile(entry):
        yield from _parsed(entry)
        return
    try:
        folder = os.open(entry, os.O_RDONLY)
    except OSError:  # sys.path may name what is not there
        return
    others = False
    try:
        for name in sorted(os.listdir(folder)):
            if not name.endswith((".dist-info", ".egg-info", ".egg")):
                continue
            wheel = _WHEEL.fullmatch(name)
            if wheel is None:
                others = True
            elif _is_there(folder, f"{name}/METADATA"):  # a distribution that was half removed has none
                yield wheel["name"], wheel["version"]
    except NotADirectoryError:
        return
    finally:
        os.close(folder)
    if others:
        yield from _parsed(entry, skip_wheels=True)


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder)
    except OSError:
        return False
    return True


def _parsed(entry: str, *, skip_wheels: bool = False) -> Iterator[tuple[str, str]]:
    """From the metadata themselves; ``skip_wheels`` leaves out those whose folder has told already."""
    from importlib.metadata import PathDistribution, distributions

    for distribution in distributions(path=[entry]):
        if skip_wheels and isinstance(distribution, PathDistribution):
            folder = getattr(distribution, "_path", None)
            if folder is not None and _WHEEL.fullmatch(str(folder.name)):
                continue
        metadata = distribution.metadata
        name = metadata["Name"] if metadata else None
        if name:
            yield name, distribution.version or ""

"""Which distributions are installed: name and version of each, read from the names of their folders.

Wheels say both in the name of their ``.dist-info`` folder, so that one look into each folder of ``sys.path`` is enough: a process that runs one step cannot
afford to parse hundreds of metadata files. Whatever is named otherwise is read with ``importlib.metadata``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from sematic_airflow_provider.artifacts.folders import Looks


def installed(path: Iterable[str] | None = None) -> dict[str, str]:
    """Name (normalised as PyPI does, PEP 503) and version of every distribution on this path, ``sys.path`` by default.

    Of two of the same name the first counts, as it does for imports. Custom finders of metadata are not asked.
    """
    found: dict[str, str] = {}
    for entry in sys.path if path is None else path:
        for name, version in _looks(entry or "."):
            found.setdefault(name, version)
    return dict(sorted(found.items()))


def _normalised(name: str) -> str:
    plain = name.lower()
    if plain.isalnum():
        return plain
    plain = plain.replace("_", "-").replace(".", "-")
    while "--" in plain:
        plain = plain.replace("--", "-")
    return plain


def _told_by(folder: str) -> tuple[str, str] | None:
    """Name and version as the name of a wheel's folder tells them: ``some_thing-1.0.dist-info``. None for names that are not of that form."""
    if not folder.endswith(".dist-info"):
        return None
    name, dash, version = folder.removesuffix(".dist-info").partition("-")
    plain = name and version[:1].isdigit() and "-" not in version and "_" not in version
    return (name, version) if dash and plain else None


def _of_entry(entry: str) -> tuple[list[tuple[str, str]], bool]:
    """What is installed in a folder of the path; and whether other distributions would change the folder."""
    if entry.lower().endswith(".egg") or os.path.isfile(entry):
        return _normal(_parsed(entry)), False
    try:
        folder = os.open(entry, os.O_RDONLY)
    except OSError:  # sys.path may name what is not there
        return [], False
    found: list[tuple[str, str]] = []
    others = False
    try:
        for name in sorted(os.listdir(folder)):
            if not name.endswith((".dist-info", ".egg-info", ".egg")):
                continue
            told = _told_by(name)
            if told is None:
                others = True
            elif _is_there(folder, f"{name}/METADATA"):  # a distribution that was half removed has none
                found.append(told)
    except NotADirectoryError:
        return [], False
    finally:
        os.close(folder)
    if others:
        found += _parsed(entry, skip_wheels=True)
    return _normal(found), not others


_looks = Looks(_of_entry)


def _normal(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(_normalised(name), version) for name, version in found]


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
            if folder is not None and _told_by(str(folder.name)) is not None:
                continue
        metadata = distribution.metadata
        name = metadata["Name"] if metadata else None
        if name:
            yield name, distribution.version or ""

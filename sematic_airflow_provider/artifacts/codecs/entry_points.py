"""Entry points of one group, found without reading those of all others.

``importlib.metadata.entry_points`` parses every distribution's file, which costs more than a small step. What does not name the group need not be parsed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import Distribution, EntryPoint, PathDistribution, distributions
from pathlib import Path

from sematic_airflow_provider.artifacts.folders import Looks

_BLOCK, _MOST = 1 << 14, 1 << 24


def entry_points_of(group: str, path: Iterable[str] | None = None) -> list[EntryPoint]:
    """The entry points of a group, of the distributions on this path (``sys.path`` by default); of two distributions of one name the first counts."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in sys.path if path is None else path:
        for distribution in _looks(group)(entry or "."):
            found.setdefault(_name_of(distribution), [e for e in distribution.entry_points if e.group == group])
    return [point for points in found.values() for point in points]


@cache
def _looks(group: str) -> Looks[list[Distribution]]:
    return Looks(lambda entry: _naming(group, entry))


def _naming(group: str, entry: str) -> tuple[list[Distribution], bool]:
    """Distributions in a folder of the path whose entry points may be of the group; and whether others would change the folder."""
    if entry.endswith(".egg") or os.path.isfile(entry):
        return list(distributions(path=[entry])), False
    try:
        opened = os.open(entry, os.O_RDONLY)
    except OSError:  # the path may name what is not there
        return [], False
    wanted = group.encode()
    try:
        names = [name for name in sorted(os.listdir(opened)) if name.endswith((".dist-info", ".egg-info"))]
        found = [PathDistribution(Path(entry, name)) for name in names if wanted in _entry_points_text(opened, name)]
    except NotADirectoryError:
        return [], False
    finally:
        os.close(opened)
    return list(found), not any(
        name.endswith(".egg-info") for name in names
    )  # those of a source tree are written anew in place


def _entry_points_text(folder: int, name: str) -> bytes:
    try:
        file = os.open(f"{name}/entry_points.txt", os.O_RDONLY, dir_fd=folder)
    except OSError:
        return b""
    try:
        text = os.read(file, _BLOCK)
        return text if len(text) < _BLOCK else text + os.read(file, _MOST)
    finally:
        os.close(file)


def _name_of(distribution: Distribution) -> str:
    """Without parsing its metadata, where its folder tells."""
    folder = getattr(distribution, "_path", None)
    name = str(folder.name).partition("-")[0] if folder is not None else ""
    return re.sub(r"[-_.]+", "-", name or distribution.metadata["Name"] or "").lower()

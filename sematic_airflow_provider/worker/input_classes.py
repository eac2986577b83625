"""Which classes the inputs of a step are made of. A step calls their methods without naming them, so they are code of the step."""

from __future__ import annotations

import json
import pickletools
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from sematic_airflow_provider.artifacts.codecs.registry import TREE
from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository

_JSON, _PICKLE = "json/1", "pickle/1"
_HOLDERS = frozenset({"list", "dict", "tuple", "set", "frozenset"})
_CLASS = re.compile(rb'"class":\s*("[^"\\]*(?:\\u[0-9a-f]{4}[^"\\]*)*:[^"\\]*(?:\\u[0-9a-f]{4}[^"\\]*)*")')
_RECALLS = ("BINGET", "LONG_BINGET")
_AT_ONCE = 8
_PIECE, _LONGEST = 1 << 20, 2_000


def classes_in(refs: Iterable[ArtifactRef], repository: Repository) -> set[str]:
    """The classes of these artifacts and of what they hold, as ``module.Class``. What may hold others is read: JSON of collections and objects, manifests.

    Raises:
        ArtifactError and its kinds: something cannot be read.
    """
    found: set[str] = set()
    wave, seen = list(refs), set[str]()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sematic-classes") as pool:
        while wave:
            found.update(ref.type for ref in wave)
            new = {ref.digest: ref for ref in wave if ref.digest not in seen and _may_hold(ref)}
            seen.update(new)
            wave = []
            for names, members in pool.map(lambda ref: _within(ref, repository), new.values()):
                found |= names
                wave += members
    return found - {""}


def _within(ref: ArtifactRef, repository: Repository) -> tuple[set[str], list[ArtifactRef]]:
    """The classes that an artifact names, and its members that are artifacts of their own."""
    if ref.codec == TREE:
        tree = repository.tree(ref)
        return ({tree.of.replace(":", ".")}, [member for _, member in tree.members]) if tree else (set(), [])
    if ref.has_value:
        return set(_in_json([canonical_json(ref.value)])), []
    with repository.opened(ref) as file:
        return set(_in_json(_pieces(file)) if ref.codec_name == _JSON else _in_pickle(file)), []


def _may_hold(ref: ArtifactRef) -> bool:
    if ref.codec_name == _JSON:
        module, _, name = ref.type.rpartition(".")
        return module != "builtins" or name in _HOLDERS
    return ref.codec == TREE or ref.codec_name == _PICKLE


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file in pieces that overlap, so that no name is cut in two."""
    end = b""
    while piece := file.read(_PIECE):
        yield end + piece
        end = piece[-_LONGEST:]


def _in_json(pieces: Iterable[bytes]) -> Iterator[str]:
    for piece in pieces:
        for name in set(_CLASS.findall(piece)):
            yield str(json.loads(name)).replace(":", ".")


def _in_pickle(file: IO[bytes]) -> Iterator[str]:
    """The names that a pickle imports; it is not run."""
    memo: dict[int, str] = {}
    last, before = "", ""
    for code, argument, _ in pickletools.genops(file):
        if code.name == "MEMOIZE":
            memo[len(memo)] = last
        elif code.name == "GLOBAL":
            yield str(argument).replace(" ", ".")
        elif code.name == "STACK_GLOBAL":
            yield f"{before}.{last}"
        else:
            text = memo.get(argument) if isinstance(argument, int) and code.name in _RECALLS else argument
            before, last = last, text if isinstance(text, str) else ""

"""Random seeds of a step: Python's ``random``, NumPy's global generator and PyTorch's, those of libraries that the function itself imports included.

Generators that code makes for itself (``numpy.random.default_rng()``) take a seed of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOST = 2**32 - 1
_SEEDERS = {"numpy.random": ("numpy", "seed"), "torch": ("torch", "manual_seed")}
"""Module, the library it is of, and its function. PyTorch's seeds the CPU and every GPU, those it has not touched yet too."""


def check_seed(seed: object) -> int:
    """The seed.

    Raises:
        TypeError: it is no whole number.
        ValueError: a library that gets it could not take it.
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be a whole number, it is {type(seed).__name__}: {seed!r}")
    if not 0 <= seed <= MOST:
        raise ValueError(f"seed must be between 0 and {MOST}, which is all that NumPy takes, it is {seed}")
    return seed


@contextmanager
def seeded(seed: int | None) -> Iterator[dict[str, int]]:
    """Set the seeds, and give the table of libraries that were given one; a library that is imported while this is entered gets its seed then."""
    table: dict[str, int] = {}
    if seed is None:
        yield table
        return
    import random

    random.seed(seed)
    table["python"] = seed
    for name in _SEEDERS:
        module = sys.modules.get(name)
        if module is not None and hasattr(module, _SEEDERS[name][1]):
            _seed(module, seed, table)
    finder = _SeedingFinder(seed, table)
    sys.meta_path.insert(0, finder)
    try:
        yield table
    finally:
        sys.meta_path.remove(finder)


def _seed(module: ModuleType, seed: int, table: dict[str, int]) -> None:
    library, function = _SEEDERS[module.__name__]
    getattr(module, function)(seed)
    table[library] = seed


class _SeedingFinder(MetaPathFinder):
    """Finds nothing itself: gives the libraries' own loaders something to do at their end."""

    def __init__(self, seed: int, table: dict[str, int]) -> None:
        self._seed, self._table = seed, table

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in _SEEDERS:
            return None
        for finder in sys.meta_path:
            if finder is self or isinstance(finder, _SeedingFinder):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _SeedingLoader(spec.loader, self._seed, self._table)
                return spec
        return None


class _SeedingLoader(Loader):
    """A loader of another, which seeds the module when it has been loaded, and then is that other."""

    def __init__(self, loader: Any, seed: int, table: dict[str, int]) -> None:
        self._loader, self._seed, self._table = loader, seed, table

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _seed(module, self._seed, self._table)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

"""The repository that this process's settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.configured_store import configured_store
from sematic_airflow_provider.settings import Settings, load_settings

_given: Repository | None = None


@contextmanager
def given(repository: Repository) -> Iterator[None]:
    """While this is entered, steps in this process use this repository."""
    global _given
    before, _given = _given, repository
    try:
        yield
    finally:
        _given = before


def repository(settings: Settings | None = None) -> Repository:
    """The repository of ``[sematic] store``, opened once in this process for each set of settings; of those that hold now, if none are given.

    Raises:
        ConfigurationError: an option in ``[sematic]`` is wrong.
        StoreError, MissingExtraError: the store cannot be opened.
    """
    return _given if _given is not None else _open(settings or load_settings())


@lru_cache(maxsize=4)
def _open(settings: Settings) -> Repository:
    return Repository(
        configured_store(settings),
        inline_limit=settings.inline_limit,
        allow_pickle=settings.allow_pickle,
        previews=settings.previews,
        compress=settings.compress,
    )

"""The repository that this process's settings name."""

from __future__ import annotations

from functools import lru_cache

from sematic_airflow_provider.artifacts.repository import Repository, open_repository
from sematic_airflow_provider.settings import Settings, default_store, load_settings


def repository() -> Repository:
    """The repository of ``[sematic] store``, opened once in this process for each set of settings.

    Raises:
        ConfigurationError: an option in ``[sematic]`` is wrong.
        StoreError: the store is not there.
    """
    return _open(load_settings())


@lru_cache(maxsize=4)
def _open(settings: Settings) -> Repository:
    return open_repository(
        settings.store,
        inline_limit=settings.inline_limit,
        allow_pickle=settings.allow_pickle,
        create=settings.store == default_store(),
        previews=settings.previews,
    )

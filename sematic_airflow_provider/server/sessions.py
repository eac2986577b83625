"""The session of the lineage tables, as a dependency of routes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.sessions import lineage_session


def _session() -> Iterator[Session]:
    with lineage_session() as session:
        yield session


# Given back before the answer is sent, where FastAPI can: else a slow reader would hold a connection.
_SCOPE: dict[str, Any] = {"scope": "function"} if "scope" in inspect.signature(Depends).parameters else {}

SessionDep = Annotated[Session, Depends(_session, **_SCOPE)]

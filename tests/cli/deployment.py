"""Rows as Airflow's processes write them, artifacts as steps save them, and the commands on both."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.store import blob_path

DAY = 24 * 3600.0


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit status."""

    status: int
    out: bytes
    err: str

    @property
    def rows(self) -> Any:
        return json.loads(self.out)

    @property
    def text(self) -> str:
        return self.out.decode()


class Deployment:
    """One database and one store. Times are days ago."""

    def __init__(
        self, database: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[bytes]
    ) -> None:
        self.database, self.captured = folder / "airflow.db", captured
        shutil.copy(database, self.database)
        self._monkeypatch = monkeypatch
        self.store = LocalStore(folder / "store", create=True)
        self.repository = Repository(self.store)
        monkeypatch.setenv("AIRFLOW__SEMATIC__STORE", self.store.url)
        self._connect(f"sqlite:///{self.database}")
        self.now = dt.datetime.now(dt.timezone.utc)

    def close(self) -> None:
        """Give the session's database back."""
        self._monkeypatch.undo()
        self._reconfigure()

    def _connect(self, url: str) -> None:
        self._monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", url)
        self._reconfigure()

    def _reconfigure(self) -> None:
        from airflow import settings

        settings.configure_vars()
        settings.reconfigure_orm()

    def session(self) -> Session:
        from airflow.utils.session import create_session

        return create_session(scoped=False)  # type: ignore[no-any-return]

    def command(self, *arguments: str) -> Done:
        """Run a command of ``artifacts`` in this process, as ``python -m sematic_airflow_provider.cli`` does."""
        return self.sematic("artifacts", *arguments)

    def sematic(self, *arguments: str) -> Done:
        """Run any command of ours in this process."""
        from sematic_airflow_provider.cli.__main__ import main

        self.captured.readouterr()
        status: Any = 0
        try:
            main(list(arguments))
        except SystemExit as error:
            status = error.code
        out, err = self.captured.readouterr()
        message = status if isinstance(status, str) else ""
        return Done(1 if message else int(status or 0), out, err.decode() + message)

    def days_ago(self, days: float) -> dt.datetime:
        return self.now - dt.timedelta(days=days)

    def run(
        self, dag_id: str, run_id: str, *, began: float = 1, state: str = "success", tasks: Sequence[str] = ()
    ) -> None:
        """A Dag run that ended an hour after it began, unless its state says that it has not; its tasks have its state."""
        ended = None if state in ("running", "queued") else self.days_ago(began) + dt.timedelta(hours=1)
        times = {"start_date": self.days_ago(began), "end_date": ended}
        self.add(
            "dag_run",
            dag_id=dag_id,
            run_id=run_id,
            run_type="manual",
            state=state,
            run_after=self.days_ago(began),
            **times,
        )
        for task in tasks:
            self.task(dag_id, run_id, task, state=state, **times)

    def task(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1, **columns: Any) -> None:
        """A task instance."""
        names = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
        self.add("task_instance", id=uuid.uuid4(), pool="default_pool", **names, **columns)

    def xcom(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        value: Any,
        *,
        key: str = "return_value",
        map_index: int = -1,
        days_old: float = 5,
    ) -> None:
        """As the API server writes what a worker pushes."""
        from airflow.models.xcom import XComModel

        names = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
        with self.session() as session:
            XComModel.set(key, value, **names, serialize=False, session=session)
            session.query(XComModel).filter_by(key=key, **names).update({"timestamp": self.days_ago(days_old)})

    def add(self, table: str, **values: Any) -> Any:
        """A row of any of Airflow's tables; its key."""
        from airflow.models import import_all_models
        from airflow.models.base import Base

        import_all_models()
        with self.session() as session:
            return session.execute(insert(Base.metadata.tables[table]).values(**values)).inserted_primary_key[0]  # type: ignore[attr-defined]

    def tell(self, *events: dict[str, Any], days_old: float = 5) -> None:
        """Lineage events that arrived so many days ago."""
        from sematic_airflow_provider.db.event_store import ingest
        from sematic_airflow_provider.db.models import EventRow
        from sematic_airflow_provider.lineage.events import parse_event

        parsed = [parse_event(event) for event in events]
        with self.session() as session:
            ingest(session, parsed)
            told = session.query(EventRow).filter(EventRow.digest.in_([event.digest for event in parsed]))
            told.update({"received_at": self.days_ago(days_old)})

    def save(self, value: Any, name: str = "", *, days_old: float = 10) -> ArtifactRef:
        """An artifact that was saved so many days ago, with all that it consists of."""
        before = {digest for digest, _ in self.store.blobs()}
        ref = self.repository.save(value, name)
        for digest, _ in list(self.store.blobs()):
            if digest not in before:
                self.age(digest, days_old)
        return ref

    def age(self, digest: str, days: float) -> None:
        path = Path(self.store.url) / blob_path(Digest(digest))
        moment = path.stat().st_mtime - days * DAY
        os.utime(path, (moment, moment))

    def blobs(self) -> set[str]:
        return {digest for digest, _ in self.store.blobs()}

    def collect(self, *arguments: str) -> set[str]:
        """Collect, which must succeed; what is left."""
        done = self.command("gc", "--delete", *arguments)
        assert done.status == 0, done.err
        return self.blobs()

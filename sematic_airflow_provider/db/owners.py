"""Owners: which Airflow deployments use a store, as documents ``owners/<id>.json``. Nobody can see from here what another deployment's database needs.

A deployment is told by where its database is. The API server registers it when it first looks for waiting events, and so do the commands that collect.
"""

from __future__ import annotations

import datetime as dt
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy.engine import make_url

from sematic_airflow_provider.artifacts.digest import canonical_json, digest_record
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import CollectionRefusedError

_FOLDER = "owners"
_told: set[tuple[str, str]] = set()
_HERE = (None, "", "localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Owner:
    """A deployment; ``database`` is where its database is, without user and password."""

    id: str
    database: str
    registered_at: str


def this_deployment() -> Owner:
    """The deployment that this process is of."""
    from airflow.configuration import conf

    url = make_url(conf.get("database", "sql_alchemy_conn"))
    backend = url.get_backend_name()
    host = url.host
    if backend == "sqlite" or host in _HERE:
        host = socket.gethostname()
    port = f":{url.port}" if url.port else ""
    database = f"{backend}://{host}{port}/{(url.database or '').lstrip('/')}"
    identity = digest_record("deployment", {"database": database})[:16]
    return Owner(identity, database, dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"))


def register(store: Store) -> None:
    """Write down that this deployment uses the store, once in this process."""
    owner = this_deployment()
    path = f"{_FOLDER}/{owner.id}.json"
    if (store.url, owner.id) not in _told and store.read_document(path) is None:
        store.write_document(path, canonical_json({"database": owner.database, "registered_at": owner.registered_at}))
    _told.add((store.url, owner.id))


def owners(store: Store) -> Iterator[Owner]:
    """All deployments that are registered in a store."""
    for path in store.list_documents(_FOLDER):
        try:
            record = json.loads(store.read_document(path) or b"")
            yield Owner(
                path.rpartition("/")[2].removesuffix(".json"), str(record["database"]), str(record["registered_at"])
            )
        except (ValueError, KeyError, TypeError):
            yield Owner(path.rpartition("/")[2].removesuffix(".json"), "unknown", "unknown")


def forget(store: Store, identity: str) -> bool:
    """Forget a deployment that does not use the store any more; whether it was known. One that still does registers again when it starts."""
    found = any(owner.id == identity for owner in owners(store))
    if found:
        store.delete_document(f"{_FOLDER}/{identity}.json")
    return found


def check_sole_owner(store: Store) -> None:
    """See that no other deployment uses the store.

    Raises:
        CollectionRefusedError: one does.
    """
    mine = this_deployment().id
    others = [owner for owner in owners(store) if owner.id != mine]
    if others:
        names = "; ".join(
            f"{owner.id} (database {owner.database}, since {owner.registered_at})" for owner in others[:5]
        )
        raise CollectionRefusedError(
            f"another Airflow uses the store {store.url}, and what its database needs cannot be told from here: {names}. Give each Airflow a store of its "
            "own. If it is gone, or is this one under the former address of its database: --forget-owner ID"
        )

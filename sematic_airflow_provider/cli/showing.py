"""``artifacts show`` and ``artifacts ls``: what is known of artifacts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts import pointers, previews
from sematic_airflow_provider.artifacts.codecs.registry import FILES, TREE
from sematic_airflow_provider.artifacts.deletions import deleted_at
from sematic_airflow_provider.artifacts.digest import Digest, short
from sematic_airflow_provider.artifacts.files import load_listing
from sematic_airflow_provider.artifacts.parts import Part, all_parts, direct_parts
from sematic_airflow_provider.artifacts.references import Reference, holds_others, references
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.artifacts.trees import load_tree
from sematic_airflow_provider.cli.addresses import Found
from sematic_airflow_provider.cli.printing import Progress, sized
from sematic_airflow_provider.db import artifacts, queries
from sematic_airflow_provider.db.models import RunRow
from sematic_airflow_provider.db.roots import named
from sematic_airflow_provider.errors import ArtifactError, ArtifactNotFoundError, StoreError

_SHOWN: Final = 10
_LOOKED_FOR: Final = 1000
_PREVIEW_FACTS: Final = (
    "rows",
    "column_count",
    "shape",
    "dtype",
    "library",
    "width",
    "height",
    "characters",
    "lines",
    "count",
    "entries",
)


def list_rows(session: Session, wanted: artifacts.Filter, *, short_digests: bool) -> list[dict[str, Any]]:
    """What ``ls`` prints."""
    return [
        {
            "digest": short(one.ref.digest) if short_digests else one.ref.digest,
            "type": one.ref.type,
            "codec": one.ref.codec,
            "size": sized(one.ref.size) if short_digests else one.ref.size,
            "name": one.ref.name,
            "made by": _run_name(one.writer) if one.writer else "",
            "when": f"{one.first_seen:%Y-%m-%d %H:%M:%S}" if short_digests else one.first_seen.isoformat(),
        }
        for one in artifacts.listed(session, wanted)
    ]


def describe(session: Session, store: Store, found: Found) -> dict[str, Any]:
    """What ``show`` prints, but for why it is needed.

    Raises:
        StoreError: the store fails.
    """
    ref, node_id = found.ref, f"artifact:{found.digest}"
    known: dict[str, Any] = {"digest": found.digest}
    if ref is not None:
        known |= {"codec": ref.codec, "type": ref.type, "size": ref.size, "name": ref.name}
        if ref.has_value:
            known["value"] = ref.value
    known["state"] = state_of(store, found)
    known |= _content(store, found)
    known["written by"] = [_run_name(row) for row in queries.runs_that_touched(session, node_id, "write", _SHOWN)]
    known["read by"] = [_run_name(row) for row in queries.runs_that_touched(session, node_id, "read", _SHOWN)]
    known["pointers"] = list(_pointers(store, found.digest))
    preview = previews.read(store, found.digest)
    if preview is not None:
        facts = {name: value for name, value in asdict(preview).items() if name in _PREVIEW_FACTS}
        known["preview"] = {"kind": preview.kind, **facts}
    return known


def state_of(store: Store, found: Found) -> str:
    """Whether it is stored, and if not, what became of it."""
    stat = store.stat(found.digest)
    if stat is not None:
        moment = dt.datetime.fromtimestamp(stat.modified, dt.timezone.utc)
        return f"stored, {stat.size} bytes, written or last found by a put {moment:%Y-%m-%d %H:%M} UTC"
    gone = deleted_at(store, found.digest)
    if gone is not None:
        return f"deleted by a collection on {dt.datetime.fromtimestamp(gone, dt.timezone.utc):%Y-%m-%d %H:%M} UTC; run the step that wrote it again"
    if found.ref is not None and found.ref.has_value:
        return "not stored: its value stands in the reference itself"
    return f"missing from {store.url}: it was lost, or is in another store"


def reasons(store: Store, digest: Digest, progress: Progress, most: int = _SHOWN) -> list[str]:
    """Where an artifact is named, itself or what it is a part of: all that is recorded is searched.

    Raises:
        StoreError, SQLAlchemyError: the store or the database fails.
    """
    found: list[str] = []
    followed: dict[Reference, bool] = {}
    for number, (reference, where) in enumerate(named(store), start=1):
        progress("searched", number)
        if reference.digest == digest:
            found.append(where)
        elif holds_others(reference.codec) and _leads_to(store, reference, digest, followed):
            found.append(f"{where}, as a part of {reference.digest}")
        if len(found) == most:
            break
    return list(dict.fromkeys(found))


def _leads_to(store: Store, start: Reference, digest: Digest, followed: dict[Reference, bool]) -> bool:
    """Whether a manifest names it, or one that names it; what was answered before is remembered."""
    if start in followed:
        return followed[start]
    followed[start] = False
    try:
        below = references(store, *start)
    except StoreError:
        raise
    except ArtifactError:
        return False
    followed[start] = any(
        one.digest == digest or (holds_others(one.codec) and _leads_to(store, one, digest, followed)) for one in below
    )
    return followed[start]


def _content(store: Store, found: Found) -> dict[str, Any]:
    """Members, files or chunks of what is made of such."""
    try:
        part = found.part(store)
        if not part.is_manifest:
            return {}
        if part.codec == TREE:
            return _members(store, part)
        told: dict[str, Any] = {"chunks": len(direct_parts(store, part))}
        if part.codec == FILES:
            entries = load_listing(store, part.digest).entries
            told["files"] = len(entries)
            told["first files"] = [f"{entry.path} ({sized(entry.size)})" for entry in entries[:_SHOWN]]
        return told
    except StoreError:
        raise
    except ArtifactNotFoundError:
        return {}
    except ArtifactError as error:
        return {"problem": str(error)}


def _members(store: Store, part: Part) -> dict[str, Any]:
    tree = load_tree(store, part.digest)
    first = [
        f"{key}: {ref.type} {ref.digest if not ref.has_value else '(in place)'} {ref.codec} {sized(ref.size)}"
        for (_, ref), key in zip(tree.members[:_SHOWN], tree.labels()[:_SHOWN], strict=True)
    ]
    return {"members": len(tree.members), "first members": first, **_parts(store, part)}


def _parts(store: Store, whole: Part) -> dict[str, Any]:
    """How many blobs it takes, and whether the first thousand are there; ``verify`` looks at all."""
    count = -1  # itself is none of its parts
    try:
        for part in all_parts(store, [whole]):
            count += 1
            if count <= _LOOKED_FOR and store.stat(part.digest) is None:
                return _not_whole(part.digest)
    except ArtifactNotFoundError as error:
        return _not_whole(error.digest)
    return {"parts": count}


def _not_whole(missing: str) -> dict[str, Any]:
    return {"problem": f"it is not whole: artifact {missing} is missing"}


def _pointers(store: Store, digest: Digest) -> Iterator[str]:
    for pointer in pointers.pointers(store):
        for number, version in enumerate(pointer.versions):
            if version.ref.digest == digest:
                yield (
                    pointer.name
                    if number == 0
                    else f"{pointer.name} (before, from {version.set_at:%Y-%m-%d %H:%M} UTC)"
                )


def _run_name(row: RunRow) -> str:
    if row.task_id is None:
        return row.name
    index = f"[{row.map_index}]" if row.map_index >= 0 else ""
    return f"{row.dag_id}/{row.dag_run_id}/{row.task_id}{index}"

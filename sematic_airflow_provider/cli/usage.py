"""``artifacts du``: what artifacts take, and what is saved because equal bytes are stored once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.parts import Part, direct_parts, part_of
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.cli.printing import Progress, note, sized
from sematic_airflow_provider.db.artifacts import Written, written
from sematic_airflow_provider.errors import ArtifactError, StoreError

GROUPS: Final = ("dag", "type", "codec", "name")
_AT_ONCE = 8


@dataclass(slots=True)
class _Group:
    artifacts: set[bytes] = field(default_factory=set)
    blobs: set[bytes] = field(default_factory=set)
    writes: int = 0
    logical: int = 0


def usage(session: Session, store: Store, by: str, progress: Progress) -> list[dict[str, Any]]:
    """Rows for each group and in all, the largest first.

    ``written`` is what all writes would take if each was stored for itself, ``stored`` what their blobs take, those shared with other groups included.

    Raises:
        StoreError, SQLAlchemyError: the store or the database fails.
    """
    told = list(written(session))
    sizes = {bytes.fromhex(digest): stat.size for digest, stat in store.blobs()}
    below = _all_below(store, {part_of(one.ref) for one in told}, sizes, progress)
    progress.close()
    groups: dict[str, _Group] = defaultdict(_Group)
    total = _Group()
    logical: dict[Part, int] = {}
    for one in told:
        part = part_of(one.ref)
        blobs = _blobs(part, below, sizes)
        size = _logical(part, below, sizes, logical)
        for group in (groups[_group(one, by)], total):
            group.artifacts.add(bytes.fromhex(part.digest))
            group.blobs |= blobs
            group.writes += one.times
            group.logical += one.times * size
    rows = [_row(name, group, sizes) for name, group in groups.items()]
    rows.sort(key=lambda row: -row["stored"])
    rows.append(_row("(all of these)", total, sizes))
    rest = sizes.keys() - total.blobs
    if rest:
        size = sum(sizes[raw] for raw in rest)
        rows.append(
            _as_row(
                "(in no lineage)",
                0,
                0,
                0,
                size,
                len(rest),
            )
        )
    rows.append(_as_row("(the store)", 0, 0, 0, sum(sizes.values()), len(sizes)))
    return rows


def readable(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, with sizes as people read them."""
    return [
        {name: sized(value) if name in ("written", "stored", "saved") else value for name, value in row.items()}
        for row in rows
    ]


def _group(one: Written, by: str) -> str:
    return {"dag": one.dag_id or "(no Dag)", "type": one.ref.type, "codec": one.ref.codec, "name": one.name}[by]


def _all_below(
    store: Store, start: Iterable[Part], sizes: dict[bytes, int], progress: Progress
) -> dict[Part, list[Part]]:
    """What each manifest names, all the way down. Manifests that are gone or damaged name nothing."""
    below: dict[Part, list[Part]] = {}
    damaged: list[Digest] = []

    def read(part: Part) -> list[Part]:
        try:
            return direct_parts(store, part)
        except StoreError:
            raise
        except ArtifactError:
            damaged.append(part.digest)
            return []

    wave = [part for part in start if part.is_manifest and bytes.fromhex(part.digest) in sizes]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sematic-du") as pool:
        while wave:
            below.update(zip(wave, pool.map(read, wave), strict=True))
            progress("manifests", len(below))
            wave = list(
                {
                    found
                    for part in wave
                    for found in below[part]
                    if found.is_manifest and found not in below and bytes.fromhex(found.digest) in sizes
                }
            )
    if damaged:
        note(f"{len(damaged)} manifests cannot be read, such as {damaged[0]}: see airflow sematic artifacts verify")
    return below


def _blobs(part: Part, below: dict[Part, list[Part]], sizes: dict[bytes, int]) -> set[bytes]:
    found: set[bytes] = set()
    pending, seen = [part], {part}
    while pending:
        one = pending.pop()
        raw = bytes.fromhex(one.digest)
        if raw in sizes:
            found.add(raw)
        new = [member for member in set(below.get(one, ())) if member not in seen]
        seen.update(new)
        pending += new
    return found


def _logical(part: Part, below: dict[Part, list[Part]], sizes: dict[bytes, int], known: dict[Part, int]) -> int:
    """Bytes of a part and all below it, as often as they are named."""
    pending = [part]
    while pending:
        one = pending[-1]
        missing = [member for member in below.get(one, ()) if member not in known]
        if missing and one not in known:
            pending += missing
            continue
        known.setdefault(
            one, sizes.get(bytes.fromhex(one.digest), 0) + sum(known[member] for member in below.get(one, ()))
        )
        pending.pop()
    return known[part]


def _row(name: str, group: _Group, sizes: dict[bytes, int]) -> dict[str, Any]:
    stored = sum(sizes[raw] for raw in group.blobs)
    return _as_row(name, len(group.artifacts), group.writes, group.logical, stored, len(group.blobs))


def _as_row(name: str, artifacts: int, writes: int, logical: int, stored: int, blobs: int) -> dict[str, Any]:
    return {
        "group": name,
        "artifacts": artifacts,
        "writes": writes,
        "written": logical,
        "blobs": blobs,
        "stored": stored,
        "saved": max(0, logical - stored),
    }

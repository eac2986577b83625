"""How people say which artifact they mean: a digest, the beginning of one, a ref, a pointer, or the output of a task instance."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts import pointers
from sematic_airflow_provider.artifacts.codecs.registry import FILES
from sematic_airflow_provider.artifacts.digest import Digest, parse_digest
from sematic_airflow_provider.artifacts.parts import Part
from sematic_airflow_provider.artifacts.ref import IN_CHUNKS, ArtifactRef
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.db import artifacts
from sematic_airflow_provider.errors import ArtifactError, InvalidRefError, NodeNotFoundError
from sematic_airflow_provider.lineage.naming import RETURN_KEY

HELP = (
    "a digest or a beginning of one that only one artifact has, a reference in JSON, a pointer (models/flight-delay@production), "
    "or dag_id/run_id/task_id, followed by :key where it is not return_value and by [map_index] for a mapped task"
)
_SHOWN = 5
_PREFIX = re.compile(r"[0-9a-f]{4,63}")
_OUTPUT = re.compile(r"(?P<task>[^:\[\]/]+)(?::(?P<key>[^\[\]]+))?(?:\[(?P<index>\d{1,9})\])?")
_MANIFESTS = {"files/1": FILES, "chunks/1": f"{IN_CHUNKS}bytes/1"}
_LARGEST_GUESS = 64 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """An artifact that was meant. ``ref`` is None where only the store knows it: a member or chunk of another, or one that no event told of."""

    digest: Digest
    ref: ArtifactRef | None

    def part(self, store: Store) -> Part:
        """Its blob, with its codec; where that is not known, by what the blob itself says.

        Raises:
            ArtifactNotFoundError, ArtifactCorruptedError, StoreError: it cannot be read.
        """
        return Part(self.digest, self.ref.codec if self.ref is not None else _guessed(store, self.digest))


def find(session: Session, store: Store, text: str) -> Found:
    """The artifact that is meant.

    Raises:
        NodeNotFoundError: there is none, or there are several; the message says which.
        ArtifactError: the text has none of the forms, or what it leads to is no artifact.
    """
    text = text.strip()
    if text.startswith("{"):
        return _of_ref(text)
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return Found(Digest(text), artifacts.recorded(session, text))
    if _PREFIX.fullmatch(text):
        return _of_prefix(session, store, text)
    if pointers.is_pointer_name(text):
        pointer = pointers.read_pointer(store, text)
        if pointer is None:
            raise NodeNotFoundError(f"there is no pointer {text} in the store {store.url}")
        return Found(pointer.ref.digest, pointer.ref)
    parts = text.split("/", 2)
    output = _OUTPUT.fullmatch(parts[2]) if len(parts) == 3 else None
    if output is None:
        raise ArtifactError(f"{text[:100]!r} says no artifact: give {HELP}")
    return _of_output(
        session,
        artifacts.TaskOutput(
            parts[0],
            parts[1],
            output["task"],
            output["key"] or RETURN_KEY,
            int(output["index"] if output["index"] else -1),
        ),
    )


def _of_ref(text: str) -> Found:
    try:
        ref = ArtifactRef.from_json(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise InvalidRefError(f"this is no reference to an artifact: {error}") from error
    return Found(ref.digest, ref)


def _of_prefix(session: Session, store: Store, prefix: str) -> Found:
    """By lineage where it knows one, else by what is stored: most people mean an output, not a chunk."""
    known: Sequence[Digest] = artifacts.digests_beginning_with(session, prefix, _SHOWN + 1)
    if not known:
        known = _stored_beginning_with(store, prefix)
    if not known:
        raise NodeNotFoundError(
            f"no artifact's digest begins with {prefix}, in the lineage or in the store {store.url}"
        )
    if len(known) > 1:
        shown = ", ".join(known[:_SHOWN]) + (", …" if len(known) > _SHOWN else "")
        raise NodeNotFoundError(f"several artifacts' digests begin with {prefix}: {shown}. Give more of it")
    return Found(known[0], artifacts.recorded(session, known[0]))


def _stored_beginning_with(store: Store, prefix: str) -> list[Digest]:
    found: list[Digest] = []
    for digest, _ in store.blobs():
        if digest.startswith(prefix):
            found.append(digest)
        if digest[: len(prefix)] > prefix or len(found) > _SHOWN:
            break
    return found


def _of_output(session: Session, output: artifacts.TaskOutput) -> Found:
    value, is_there = artifacts.output_of(output)
    if is_there and ArtifactRef.is_json(value):
        ref = ArtifactRef.from_json(value)
        return Found(ref.digest, ref)
    told = artifacts.told_output(session, output)
    if told is not None:
        return Found(told.digest, told)
    where = f"task {output.task_id} in run {output.run_id} of {output.dag_id}"
    if is_there:
        raise ArtifactError(
            f"the XCom {output.key} of {where} is no artifact: its value stands in Airflow's database itself"
        )
    others = artifacts.other_outputs(output)
    names = ", ".join(f":{other.key}" + (f"[{other.map_index}]" if other.map_index >= 0 else "") for other in others)
    raise NodeNotFoundError(
        f"no XCom {output.key}{f'[{output.map_index}]' if output.map_index >= 0 else ''} of {where}, and no lineage of it; there "
        + (f"are {names}" if names else "are none of this task at all")
    )


def _guessed(store: Store, digest: Digest) -> str | None:
    """The codec of a blob that says itself what it is: a listing of files, or of chunks."""
    found = store.stat(parse_digest(digest))
    if found is None or found.size > _LARGEST_GUESS:
        return None
    data = bytes(store.get(digest))
    if not data.startswith(b"{"):
        return None
    try:
        layout = json.loads(data).get("layout")
    except (ValueError, RecursionError):
        return None
    return _MANIFESTS.get(layout) if isinstance(layout, str) else None

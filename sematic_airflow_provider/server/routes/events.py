"""Where OpenLineage events come in."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from sematic_airflow_provider.db.event_store import ingested
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.errors import EventRejectedError
from sematic_airflow_provider.lineage.events import MAX_BYTES, Event, json_of_text, parse_event
from sematic_airflow_provider.lineage.pausing import no_collections
from sematic_airflow_provider.server.access import PosterDep, check_may_post, check_may_send
from sematic_airflow_provider.server.documented import BATCH_BODY, BATCH_TAKEN, EVENT_BODY, REFUSALS
from sematic_airflow_provider.server.gathering import Gatherer
from sematic_airflow_provider.server.schemas import AcceptedAnswer, BatchAnswer

router = APIRouter(tags=["events"])
T = TypeVar("T")

_MAX_BATCH_BYTES = 32 << 20
_MAX_BATCH = 10_000


@router.post("/lineage", status_code=201, openapi_extra=EVENT_BODY, responses=REFUSALS)
async def post_event(request: Request, user: PosterDep) -> AcceptedAnswer:
    """Take one event in. An event that is known already is accepted again and changes nothing."""

    def take(record: Any) -> bool:
        event = parse_event(record)
        check_may_send(request, user, 1)
        check_may_post(user, [event])
        return _GATHERER.take(event)

    return AcceptedAnswer(new=await _of_body(request, MAX_BYTES, take))


@router.post("/lineage/batch", response_model=BatchAnswer, openapi_extra=BATCH_BODY, responses=REFUSALS | BATCH_TAKEN)
async def post_batch(request: Request, user: PosterDep) -> Any:
    """Take an array of events in; those that are no events are named, the others are stored all the same."""

    def take(records: Any) -> Any:
        if not isinstance(records, list):
            raise HTTPException(422, "the body must be a JSON array of events")
        if len(records) > _MAX_BATCH:
            raise HTTPException(413, f"the array has {len(records)} events, the most is {_MAX_BATCH}: send several")
        check_may_send(request, user, len(records))
        events, failed = _parsed(records)
        check_may_post(user, events)
        if events:
            _store(events)
        return _told(len(records), failed) if failed else Response(status_code=204)

    return await _of_body(request, _MAX_BATCH_BYTES, take)


def _parsed(records: list[Any]) -> tuple[list[Event], list[dict[str, Any]]]:
    events: list[Event] = []
    failed: list[dict[str, Any]] = []
    for index, record in enumerate(records):
        try:
            events.append(parse_event(record))
        except EventRejectedError as error:
            failed.append({"index": index, "reason": str(error), "retriable": False})
    return events, failed


def _told(received: int, failed: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "status": "partial_success",
        "summary": {
            "received": received,
            "successful": received - len(failed),
            "failed": len(failed),
            "retriable": 0,
            "non_retriable": len(failed),
        },
        "failed_events": failed,
    }


def _store(events: Sequence[Event]) -> set[str]:
    with lineage_session() as session:
        return ingested(session, events)


_GATHERER = Gatherer(_store)


async def _of_body(request: Request, limit: int, take: Callable[[Any], T]) -> T:
    """What ``take`` makes of the JSON of a request, gzipped or not, of at most ``limit`` bytes unpacked.

    All of it is done in one other thread: the loop only receives, and goes on to answer others.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise HTTPException(415, f"the body is encoded as {encoding[:40]!r}: send it plain, or as gzip")
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > limit:
            raise HTTPException(413, f"the body has more than {limit} bytes")

    def work() -> T:
        data = b"".join(parts)
        with no_collections():
            return take(json_of_text(_unzipped(data, limit) if encoding.endswith("gzip") else data))

    return await run_in_threadpool(work)


def _unzipped(data: bytes, limit: int) -> bytes:
    unpacked = b""
    while data:  # several files in a row are a gzip file too
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            unpacked += unpacker.decompress(data, limit + 1 - len(unpacked))
        except zlib.error as error:
            raise HTTPException(422, f"the body is no gzip: {error}") from error
        if len(unpacked) > limit:
            raise HTTPException(413, f"the body has more than {limit} bytes, unpacked")
        if not unpacker.eof:
            raise HTTPException(422, "the body is no gzip: its end is missing")
        data = unpacker.unused_data
    return unpacked

"""Where OpenLineage events come in."""

from __future__ import annotations

import zlib
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.errors import EventRejectedError
from sematic_airflow_provider.lineage.events import MAX_BYTES, Event, json_of_text, parse_event
from sematic_airflow_provider.server.access import PosterDep, check_may_post
from sematic_airflow_provider.server.schemas import AcceptedAnswer, BatchAnswer

router = APIRouter(tags=["events"])

_MAX_BATCH_BYTES = 32 << 20


@router.post("/lineage", status_code=201)
async def post_event(request: Request, user: PosterDep) -> AcceptedAnswer:
    """Take one event in. An event that is known already is accepted again and changes nothing."""
    record = await _body(request, MAX_BYTES)
    event = parse_event(record)
    await run_in_threadpool(check_may_post, user, [event])
    return AcceptedAnswer(new=bool(await run_in_threadpool(_store, [event])))


@router.post("/lineage/batch", response_model=BatchAnswer)
async def post_batch(request: Request, user: PosterDep) -> Any:
    """Take an array of events in; those that are no events are named, the others are stored all the same."""
    records = await _body(request, _MAX_BATCH_BYTES)
    if not isinstance(records, list):
        raise HTTPException(422, "the body must be a JSON array of events")
    events: list[Event] = []
    failed: list[dict[str, Any]] = []
    for index, record in enumerate(records):
        try:
            events.append(parse_event(record))
        except EventRejectedError as error:
            failed.append({"index": index, "reason": str(error), "retriable": False})
    await run_in_threadpool(check_may_post, user, events)
    await run_in_threadpool(_store, events)
    if not failed:
        return Response(status_code=204)
    return {
        "status": "partial_success",
        "summary": {
            "received": len(records),
            "successful": len(events),
            "failed": len(failed),
            "retriable": 0,
            "non_retriable": len(failed),
        },
        "failed_events": failed,
    }


def _store(events: list[Event]) -> int:
    with lineage_session() as session:
        return ingest(session, events)


async def _body(request: Request, limit: int) -> Any:
    """The JSON of a request, gzipped or not, of at most ``limit`` bytes unpacked."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > limit:
            raise HTTPException(413, f"the body has more than {limit} bytes")
    if "gzip" in request.headers.get("content-encoding", ""):
        data = await run_in_threadpool(_unzipped, bytes(data), limit)
    return json_of_text(bytes(data))


def _unzipped(data: bytes, limit: int) -> bytearray:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = bytearray(unpacker.decompress(data, limit + 1))
    except zlib.error as error:
        raise HTTPException(422, f"the body is no gzip: {error}") from error
    if len(unpacked) > limit:
        raise HTTPException(413, f"the body has more than {limit} bytes, unpacked")
    return unpacked

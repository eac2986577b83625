"""What the OpenAPI document says of errors, and of bodies that are read by hand."""

from __future__ import annotations

from typing import Any, Final

from sematic_airflow_provider.server.schemas import DetailAnswer

Responses = dict[int | str, dict[str, Any]]


def _error(description: str) -> dict[str, Any]:
    return {"model": DetailAnswer, "description": description}


ERRORS: Final[Responses] = {
    401: _error("nobody is signed in: send the session cookie or a bearer token"),
    403: _error("the token is wrong, or the user may not read what was asked for"),
    404: _error("there is no lineage of it; the reason says of what"),
    422: _error("a parameter or the body is wrong; the reason says which and why"),
    503: _error("the database does not answer, or its tables are of another version; the reason says what to do"),
}

REFUSALS: Final[Responses] = {
    413: _error("the body, or the batch, is too large"),
    415: _error("the body is encoded in a way that is not known here"),
    503: _error(
        "too much is sent, or the database does not answer: try again, after `Retry-After` seconds where that is told"
    ),
}

BATCH_TAKEN: Final[Responses] = {204: {"description": "all events were taken in"}}


def _body(schema: dict[str, Any], description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "description": description, "content": content}}


_EVENT: Final = {"type": "object", "description": "an OpenLineage RunEvent, JobEvent or DatasetEvent"}
EVENT_BODY: Final = _body(_EVENT, "one event, as JSON; may be gzipped (Content-Encoding)")
BATCH_BODY: Final = _body(
    {"type": "array", "items": _EVENT}, "events, as a JSON array; may be gzipped (Content-Encoding)"
)

"""The API server, as those see it who post events to it."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from sematic_airflow_provider.delivery.deadline import within
from sematic_airflow_provider.errors import DeliveryError

ENDPOINT: Final = "/sematic/api/v1/lineage/batch"
_LARGEST_ANSWER: Final = 1 << 20


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect of a POST would become a GET of a login page, and look like success."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


class Answer(NamedTuple):
    """What came of a post, by the places of the events: those the server refuses for good, and those it could not take now, each with its reason.

    All others are stored there.
    """

    refused: Mapping[int, str]
    failed: Mapping[int, str]


class Server(NamedTuple):
    """Where events are posted, with which key, and how many seconds one post may take in all."""

    url: str
    key: str
    timeout: float

    def post(self, events: Sequence[bytes]) -> Answer:
        """Post events, each a JSON text.

        Raises:
            DeliveryError: it is not known that they are stored: try again later. ``unfit`` where the server refuses what was posted as a whole.
        """
        url = self.url + ENDPOINT
        if not url.startswith(("http://", "https://")):
            raise DeliveryError(f"[sematic] lineage_url is no http or https URL: {self.url!r}", status=404)
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            url,
            data=b"[" + b",".join(events) + b"]",
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"},
            method="POST",
        )
        try:
            status, body, retry_after = within(self.timeout, lambda: _exchange(request, self.timeout))
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise DeliveryError(f"{url}: {str(reason) or type(reason).__name__}") from error
        if not 200 <= status < 300:
            raise _refusal(url, status, body, retry_after)
        return _understood(url, status, body, len(events))


@cache
def _opener() -> urllib.request.OpenerDirector:
    """With the proxies and certificates that the environment names."""
    return urllib.request.build_opener(_NoRedirect)


def _exchange(request: urllib.request.Request, timeout: float) -> tuple[int, bytes, str | None]:
    """Status, body and the header Retry-After of the answer."""
    try:
        answer = _opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.read(_LARGEST_ANSWER), answer.headers.get("Retry-After")


def _understood(url: str, status: int, body: bytes, count: int) -> Answer:
    """Only an answer that can be none but our server's means that the events are stored: proxies answer too."""
    if status == 204 and not body:
        return Answer({}, {})
    try:
        answer = json.loads(body)
        told = {int(one["index"]): (str(one["reason"]), bool(one["retriable"])) for one in answer["failed_events"]}
        stored = int(answer["summary"]["successful"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DeliveryError(f"{url} answered {status} with what no API server of ours says: {body[:80]!r}") from error
    if stored + len(told) != count:
        raise DeliveryError(f"{url} says that it took {stored} of {count} events, and nothing of the others")
    return Answer(
        {index: reason for index, (reason, again) in told.items() if not again},
        {index: reason for index, (reason, again) in told.items() if again},
    )


def _refusal(url: str, status: int, body: bytes, retry_after: str | None) -> DeliveryError:
    detail = _detail(body)
    hint = {
        401: ": [sematic] lineage_api_key differs from the API server's",
        403: ": [sematic] lineage_api_key differs from the API server's",
        404: ": is [sematic] lineage_url right, and this provider installed there?",
        413: ": the server, or a proxy before it, takes no request of that size",
    }.get(status, "")
    return DeliveryError(
        f"{url} answered {status}{hint}" + (f" ({detail})" if detail else ""),
        status=status,
        wait=_seconds(retry_after),
        unfit=status == 413 or (status == 422 and bool(detail)),
    )


def _detail(body: bytes) -> str:
    """What our server says of a refusal; empty where it was another's."""
    try:
        return str(json.loads(body)["detail"])[:500]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.strip().isdigit() and len(header) < 8 else None

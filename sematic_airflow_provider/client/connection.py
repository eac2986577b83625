"""The way to an API server: sign in, ask, try again, and say what went wrong."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx

from sematic_airflow_provider.errors import LineageRequestError

API: Final = "/sematic/api/v1"
_AGAIN: Final = (429, 502, 503, 504)
_LONGEST_PAUSE: Final = 30.0
_SHOWN: Final = 300


class Connection:
    """Requests to one server, with a token, or with one that a name and password get. Can be used by several threads.

    Every request may be sent again: reads change nothing, and events that are known already are not taken twice.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        timeout: float = 30.0,
        attempts: int = 5,
        verify: bool | str = True,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"the URL of an Airflow API server begins with http:// or https://, this is {url!r}")
        if (username is None) != (password is None):
            raise ValueError("give both username and password, or a token")
        if attempts < 1:
            raise ValueError(f"attempts must be 1 at least, it is {attempts}")
        self.url = url.rstrip("/")
        self._token, self._username, self._password = token, username, password
        self._attempts = attempts
        self._http = httpx.Client(timeout=timeout, verify=verify, headers={"User-Agent": "sematic-lineage-client"})

    def close(self) -> None:
        """Close what is open."""
        self._http.close()

    def ask(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, content: bytes | None = None
    ) -> httpx.Response:
        """The answer to a request, read whole.

        Args:
            method: of HTTP.
            path: after ``/sematic/api/v1``, each part of it quoted.
            params: of the query; those that are None are left out.
            content: JSON to send.

        Raises:
            LineageRequestError: the server refused, or could not be reached in all attempts.
        """
        url = self.url + API + path
        query = {name: _text(value) for name, value in (params or {}).items() if value is not None}
        signed_in_again = False
        while True:
            headers = {"Accept": "application/json"}
            if content is not None:
                headers["Content-Type"] = "application/json"
            if token := self._signed_in():
                headers["Authorization"] = f"Bearer {token}"
            answer = self._sent(method, url, params=query, content=content, headers=headers)
            # A token that has run out is answered with 401, by some auth managers with 403.
            if answer.status_code in (401, 403) and self._username is not None and not signed_in_again:
                signed_in_again, self._token = True, None
                continue
            return _checked(answer)

    def _signed_in(self) -> str | None:
        if self._token is None and self._username is not None:
            body = json.dumps({"username": self._username, "password": self._password}).encode()
            headers = {"Content-Type": "application/json"}
            answer = _checked(self._sent("POST", f"{self.url}/auth/token", content=body, headers=headers))
            token = _json(answer).get("access_token")
            if not isinstance(token, str):
                raise LineageRequestError(f"{answer.url} answered without a token", str(answer.url), answer.status_code)
            self._token = token
        return self._token

    def _sent(self, method: str, url: str, **request: Any) -> httpx.Response:
        """The answer of the last attempt; sent again while the server is away or busy, with longer and longer pauses."""
        for attempt in range(1, self._attempts + 1):
            try:
                answer = self._http.request(method, url, **request)
            except httpx.HTTPError as error:
                if attempt == self._attempts:
                    reason = str(error) or type(error).__name__
                    raise LineageRequestError(
                        f"{url} cannot be reached, in {attempt} attempt{'s' if attempt > 1 else ''}: {reason}", url
                    ) from error
                _pause(attempt)
                continue
            if answer.status_code not in _AGAIN or attempt == self._attempts:
                return answer
            _pause(attempt, answer.headers.get("Retry-After"))
        raise AssertionError("unreachable")


def _pause(attempt: int, asked: str | None = None) -> None:
    wait = 0.25 * 2**attempt * random.uniform(0.5, 1.0)  # noqa: S311 - so that clients do not come back together
    if asked is not None and asked.strip().isdigit():
        wait = max(wait, float(asked))
    time.sleep(min(wait, _LONGEST_PAUSE))


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    url, status = str(answer.url), answer.status_code
    hint = {
        401: ": sign in with a token, or with username and password",
        404: "" if "detail" in answer.text else ": is this an Airflow API server with this provider?",
    }.get(status, "")
    if answer.is_redirect:
        hint = f", it leads to {answer.headers.get('Location', 'nowhere')[:_SHOWN]}: give that URL if you trust it"
    reason = _reason(answer)
    raise LineageRequestError(f"{url} answered {status}{hint}" + (f" ({reason})" if reason else ""), url, status)


def _reason(answer: httpx.Response) -> str:
    detail = _json(answer).get("detail")
    return detail[:_SHOWN] if isinstance(detail, str) else (json.dumps(detail)[:_SHOWN] if detail else "")


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)

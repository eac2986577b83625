"""Pages of lists: how long they are, and cursors, which say where the next one begins."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple, TypeVar

from fastapi import Depends, HTTPException, Query

from sematic_airflow_provider.db.scans import After

T = TypeVar("T")

_RUN: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DATA: Final = re.compile(r"(artifact|dataset):[0-9a-f]{64}")


class Page(NamedTuple):
    """Which page of a list is asked for."""

    limit: int
    cursor: str | None

    def of_counted(self, items: Sequence[T]) -> tuple[Sequence[T], str | None]:
        """This page of items that are all there, and the cursor of the next one.

        Raises:
            HTTPException: 422: the cursor is none of such a list.
        """
        start = _offset_of(self.cursor)
        end = start + self.limit
        return items[start:end], _text([end]) if len(items) > end else None


def _page(
    limit: Annotated[int, Query(ge=1, le=200, description="how many items at most")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=400, description="`next` of the page before: the answer goes on where that ended")
    ] = None,
) -> Page:
    return Page(limit, cursor)


PageDep = Annotated[Page, Depends(_page)]


def cursor_of(after: After | None) -> str | None:
    """A cursor that says where a page ended."""
    return None if after is None else _text([after.at.isoformat(), after.id])


def run_cursor(cursor: str | None) -> After | None:
    """Where a page of runs ended.

    Raises:
        HTTPException: 422: it is no cursor of such a list.
    """
    return _after(cursor, _RUN)


def data_cursor(cursor: str | None) -> After | None:
    """Where a page of artifacts or data sets ended.

    Raises:
        HTTPException: 422: it is no cursor of such a list.
    """
    return _after(cursor, _DATA)


def _offset_of(cursor: str | None) -> int:
    if cursor is None:
        return 0
    content = _content(cursor)
    if len(content) != 1 or type(content[0]) is not int or not 0 <= content[0] < 2**31:
        raise _wrong()
    return content[0]


def _after(cursor: str | None, form: re.Pattern[str]) -> After | None:
    if cursor is None:
        return None
    content = _content(cursor)
    if len(content) != 2 or not all(isinstance(one, str) for one in content) or not form.fullmatch(content[1]):
        raise _wrong()
    try:
        at = dt.datetime.fromisoformat(content[0])
        return After(at.astimezone(dt.timezone.utc), content[1])
    except (ValueError, OverflowError) as error:
        raise _wrong() from error


def _text(content: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _content(cursor: str) -> list[Any]:
    try:
        found = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise _wrong() from error
    if not isinstance(found, list):
        raise _wrong()
    return found


def _wrong() -> HTTPException:
    return HTTPException(422, "cursor: is none of this list; give `next` of the page before, or leave it out")

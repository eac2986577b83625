"""Lists that are fetched page by page, while somebody goes through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sematic_airflow_provider.client.graph import frame_of
from sematic_airflow_provider.client.models import Model

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T", bound=Model)
T_co = TypeVar("T_co", bound=Model, covariant=True)


class Page(Protocol[T_co]):
    """Some items, and the cursor of the next page; None after the last one."""

    @property
    def next(self) -> str | None:
        """The cursor."""

    @property
    def items(self) -> Sequence[T_co]:
        """The items."""


class Listing(Generic[T]):
    """Items that a server lists, latest first. Nothing is fetched until it is gone through; each time, it is fetched anew."""

    def __init__(self, page: Callable[[str | None], Page[T]], what: str) -> None:
        self._page = page
        self._what = what

    def __iter__(self) -> Iterator[T]:
        """All items, however many there are."""
        for page in self.pages():
            yield from page.items

    def __repr__(self) -> str:
        """Without fetching anything."""
        return f"<{self._what}, latest first: go through it, or ask for .first(n) or .frame(n)>"

    def pages(self) -> Iterator[Page[T]]:
        """The pages as they come; one may be empty, and still not be the last."""
        cursor: str | None = None
        while True:
            page = self._page(cursor)
            yield page
            if page.next is None or page.next == cursor:
                return
            cursor = page.next

    def first(self, count: int) -> list[T]:
        """So many of them at most."""
        return list(islice(self, count))

    def frame(self, most: int = 1000) -> pd.DataFrame:
        """So many of them at most, as a frame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        records: list[dict[str, Any]] = [item.model_dump() for item in self.first(most)]
        return frame_of(records, ["id"])

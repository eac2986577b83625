"""The form of previews: plain dataclasses, told apart by ``kind``.

Numbers are JSON numbers where every reader of JSON gets the same number; whole numbers beyond 2**53 are their digits as text, and what JSON has no number for
is ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``. ``null`` is a missing value. Nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

Cell = bool | int | float | str | None

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts in bins of equal width from ``low`` to ``high``."""

    low: float
    high: float
    counts: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A value, and how often it is there."""

    value: Cell
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that has a name."""

    name: str
    value: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Of the finite values of a sample; ``quantiles`` are those of QUANTILES."""

    mean: Cell = None
    std: Cell = None
    quantiles: list[Cell] | None = None
    histogram: Histogram | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. ``exact``: whether nulls, min and max are of all rows, or of the sample only; all else is of the sample."""

    name: str
    dtype: str
    exact: bool
    nulls: int | None = None
    min: Cell = None
    max: Cell = None
    statistics: Statistics | None = None
    distinct: int | None = None
    top: list[Count] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePreview:
    """``head`` are the first rows, of the columns that are told; ``index`` their labels, where they have any."""

    rows: int
    column_count: int
    columns: list[Column]
    head: list[list[Cell]]
    sample_rows: int
    index: list[Cell] | None = None
    type: str = ""
    kind: Literal["table"] = "table"

    def narrowed(self, step: int) -> TablePreview:
        """The same with less in it."""
        columns = self.columns[: max(2, int(len(self.columns) * 0.85**step))]
        rows, text = max(5, 20 - 4 * step), max(16, int(200 * 0.6**step))
        return replace(
            self,
            columns=[
                replace(
                    c,
                    name=_shorter(c.name, text),
                    top=c.top and [replace(t, value=_shorter(t.value, text)) for t in c.top],
                )
                for c in columns
            ],
            head=[[_shorter(cell, text) for cell in row[: len(columns)]] for row in self.head[:rows]],
            index=self.index and [_shorter(cell, text) for cell in self.index[:rows]],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayPreview:
    """``exact``: whether nan, inf, min and max are of all elements, or of the sample only."""

    shape: list[int]
    dtype: str
    nbytes: int
    exact: bool
    sample_size: int
    first: list[Cell]
    nan: int | None = None
    inf: int | None = None
    min: Cell = None
    max: Cell = None
    statistics: Statistics | None = None
    top: list[Count] | None = None
    stored: int | None = None
    """Of a sparse matrix: how many elements it holds."""
    device: str = ""
    type: str = ""
    kind: Literal["array"] = "array"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One of several; ``norm`` is the Euclidean norm, None where it was not reckoned."""

    name: str
    shape: list[int]
    dtype: str
    norm: Cell = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorsPreview:
    """Named tensors: the state of a network."""

    count: int
    elements: int
    tensors: list[Tensor]
    type: str = ""
    kind: Literal["tensors"] = "tensors"

    def narrowed(self, step: int) -> TensorsPreview:
        """The same with less in it."""
        return replace(self, tensors=_share(self.tensors, step))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A step of a pipeline."""

    name: str
    type: str
    params: list[Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPreview:
    """``importances``: the features that matter most, as the model itself counts."""

    library: str
    params: list[Fact]
    steps: list[Part]
    fitted: list[Fact]
    feature_count: int | None = None
    feature_names: list[str] | None = None
    trees: int | None = None
    importances: list[Fact] | None = None
    importance_type: str = ""
    type: str = ""
    kind: Literal["model"] = "model"

    def narrowed(self, step: int) -> ModelPreview:
        """The same with less in it."""
        return replace(
            self,
            params=_share(self.params, step),
            steps=[replace(part, params=_share(part.params, step)) for part in _share(self.steps, step)],
            fitted=_share(self.fitted, step),
            feature_names=self.feature_names and _share(self.feature_names, step),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePreview:
    """An image or a drawn figure; the picture itself is a document of its own."""

    width: int
    height: int
    shown_width: int
    shown_height: int
    mode: str = ""
    frames: int = 1
    title: str = ""
    type: str = ""
    kind: Literal["image"] = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One trace of a figure."""

    name: str
    type: str
    points: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FigurePreview:
    """A figure that browsers draw: its parts, and its JSON where that is small."""

    title: str
    traces: list[Trace]
    trace_count: int
    size: int
    json: str | None = None
    type: str = ""
    kind: Literal["figure"] = "figure"

    def narrowed(self, step: int) -> FigurePreview:
        """The same with less in it."""
        return replace(self, json=None, traces=_share(self.traces, step - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonPreview:
    """Indented JSON, cut where ``complete`` is false; ``entries`` of the outermost list or dict."""

    text: str
    complete: bool
    entries: int | None = None
    entries_shown: int | None = None
    type: str = ""
    kind: Literal["json"] = "json"

    def narrowed(self, step: int) -> JsonPreview:
        """The same with less in it."""
        return replace(self, text=self.text[: len(self.text) >> step], complete=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPreview:
    """How a text begins. The lines of very long ones are not counted."""

    head: str
    characters: int
    lines: int | None
    type: str = ""
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class BytesPreview:
    """How bytes begin, in hex, and as text where they are text; ``media_type`` is guessed from them."""

    head: str
    size: int
    media_type: str
    text: str | None = None
    type: str = ""
    kind: Literal["bytes"] = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One of the files, folders and links; ``target`` is where a link leads."""

    path: str
    entry: Literal["file", "executable", "folder", "link"]
    size: int
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesPreview:
    """A file or folder."""

    name: str
    of: Literal["file", "folder"]
    count: int
    size: int
    entries: list[FileEntry]
    type: str = ""
    kind: Literal["files"] = "files"

    def narrowed(self, step: int) -> FilesPreview:
        """The same with less in it."""
        return replace(self, entries=_share(self.entries, step))


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An artifact in a collection; ``value`` is the JSON of one that stands in the manifest itself."""

    key: str
    type: str
    codec: str
    size: int
    digest: str
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TreePreview:
    """A collection of artifacts; ``of`` is list, tuple, dict, map, object or batches."""

    of: str
    count: int
    size: int
    members: list[Member]
    type: str = ""
    kind: Literal["tree"] = "tree"

    def narrowed(self, step: int) -> TreePreview:
        """The same with less in it."""
        return replace(self, members=_share(self.members, step))


Preview = (
    TablePreview
    | ArrayPreview
    | TensorsPreview
    | ModelPreview
    | ImagePreview
    | FigurePreview
    | JsonPreview
    | TextPreview
    | BytesPreview
    | FilesPreview
    | TreePreview
)


def _share(members: Sequence[_T], step: int) -> list[_T]:
    return list(members[: max(2, len(members) >> max(step, 0))])


def _shorter(value: Any, limit: int) -> Any:
    if not isinstance(value, str) or len(value) <= limit:
        return value
    return f"{value[:limit]}…"

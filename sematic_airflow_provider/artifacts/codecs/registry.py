"""Which codec writes a value, and which one reads an artifact."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint
from itertools import chain
from typing import Any, BinaryIO, Protocol

from sematic_airflow_provider.artifacts.codecs.entry_points import entry_points_of
from sematic_airflow_provider.errors import NoCodecError

GROUP = "sematic_airflow_provider.codecs"
_NAME = r"[a-z0-9][a-z0-9_.+-]{0,60}/[0-9]{1,6}"


class Codec(Protocol):
    """What a codec is. Third parties register an instance, or a class without arguments, by entry point.

    Besides what stands here as attributes and methods, a codec may have those that the comment lists.
    """

    name: str
    """Such as ``json/1``: stored in every ref, so it is never given another meaning."""

    deterministic: bool
    """Whether equal values always get equal bytes (where ``depends_on`` says nothing else: for ever, on every machine)."""

    # Optional, read with their defaults where they are missing:
    #
    # ``depends_on: tuple[str, ...] = ()``: distributions that the bytes depend on; equal values get equal bytes for equal versions of these.
    # ``chunked: bool = False``: whether large values are stored in chunks (see ``chunks``): for bytes that grow at the end, or change in places.
    # ``compressed: bool = False``: whether the bytes are compressed by the format already, so that ``[sematic] compress`` leaves them alone.
    # ``buffers(value) -> Sequence[bytes | memoryview] | None``: what ``encode`` would write, where it lies in memory already; None: it does not.
    # ``decode_columns(file, columns) -> Any``: those columns of a table, from a seekable file; all of them for None.
    # ``advice(value) -> str | None``: what to do with a value that it does not handle, but knows: the error of the step that returned it says so.
    # ``preview(value) -> Any``: what the Lineage tab shows of a value that nothing else knows how to show: anything with a JSON form.

    def handles(self, value: object) -> bool:
        """Whether it can write this value. Must be cheap, and not import what the value's type cannot have come from."""

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write the value; the file cannot seek.

        Raises:
            NoCodecError: it cannot after all; the message says which part of the value stands in the way.
        """

    def decode(self, data: memoryview) -> Any:
        """The value. The value may keep the data, and write to it where it is not read-only; ``bytes(data)`` is a copy.

        Raises:
            ValueError: these bytes were not written by this codec.
            MissingExtraError: a package it needs is not installed.
        """


# The order in which values are offered; pickle is not among them, the repository asks for it by name.
_BUILT_IN = (
    ("bytes/1", "text:BytesCodec"),
    ("text/1", "text:TextCodec"),
    ("json/1", "json:JsonCodec"),
    ("npy/1", "arrays:NpyCodec"),
    ("safetensors/1", "tensors:SafetensorsCodec"),
    ("parquet/1", "tables:ParquetCodec"),
    ("polars-parquet/1", "polars_frames:PolarsCodec"),
    ("xgboost/1", "xgboost_models:XgboostCodec"),
    ("lightgbm/1", "lightgbm_models:LightgbmCodec"),
    ("picture/1", "figures:PictureCodec"),
    ("plotly/1", "figures:PlotlyCodec"),
    ("png/1", "images:PngCodec"),
    ("skops/1", "sklearn_models:SkopsCodec"),
    ("pickle/1", "pickled:PickleCodec"),
)
JSON = "json/1"
PICKLE = "pickle/1"
TREE = "tree/1"
FILES = "files/1"
_WITHOUT_CODEC = frozenset({TREE, FILES, "chunks/1"})  # names of layouts: the repository itself reads and writes them


def built_in_names() -> list[str]:
    """The names of our own codecs."""
    return [name for name, _ in _BUILT_IN]


def codec_for(value: object) -> Codec | None:
    """The codec that writes this value: third parties' first, then ours. None: no safe codec does."""
    built_in = (
        _built_in(name) for name, _ in _BUILT_IN if name != PICKLE
    )  # one after another: the modules of most are never needed
    return next((codec for codec in chain(_third_party().values(), built_in) if codec.handles(value)), None)


def advice_for(value: object) -> str | None:
    """What a codec knows to do with a value that none can store (its optional method ``advice``)."""
    codecs = [*_third_party().values(), *(_built_in(name) for name, _ in _BUILT_IN)]
    found = (codec.advice(value) for codec in codecs if hasattr(codec, "advice"))
    return next((text for text in found if text), None)


def is_chunked(codec: Codec) -> bool:
    """Whether its bytes are opaque to us and may be large and grow at the end, so that what two artifacts share is worth finding (``chunked = True``)."""
    return bool(getattr(codec, "chunked", False))


def is_compressed(codec: Codec) -> bool:
    """Whether its format compresses by itself (``compressed = True``)."""
    return bool(getattr(codec, "compressed", False))


def depends_on(codec: Codec) -> tuple[str, ...]:
    """Distributions whose versions the bytes depend on: equal values have equal digests under equal versions of these. Empty: for ever."""
    return tuple(getattr(codec, "depends_on", ()))


def codec_named(name: str) -> Codec:
    """The codec of this name, as a ref has it.

    Raises:
        NoCodecError: it is not known here.
    """
    if name in dict(_BUILT_IN):
        return _built_in(name)
    found = _third_party().get(name)
    if found is None:
        known = ", ".join(sorted([*dict(_BUILT_IN), *_third_party()]))
        raise NoCodecError(
            f"no codec {name[:80]!r} is known here (known: {known}). Install the package that brings it, or upgrade sematic-airflow-provider"
        )
    return found


@cache
def _built_in(name: str) -> Codec:
    module, _, attribute = dict(_BUILT_IN)[name].partition(":")
    codec: Codec = getattr(import_module(f"sematic_airflow_provider.artifacts.codecs.{module}"), attribute)()
    return codec


@lru_cache(maxsize=1)
def _third_party() -> dict[str, Codec]:
    return registered(entry_points_of(GROUP))


def registered(entries: Iterable[EntryPoint]) -> dict[str, Codec]:
    """The codecs behind these entry points, by name.

    Raises:
        NoCodecError: one cannot be loaded, is none, or takes a name that is taken: values would be written by one codec and read by another.
    """
    found: dict[str, Codec] = {}
    for entry in sorted(entries, key=lambda e: (e.name, e.value)):
        where = f"the codec that the entry point {entry.name} = {entry.value} registers"
        try:
            loaded = entry.load()
        except (ImportError, AttributeError) as error:
            raise NoCodecError(f"{where} cannot be loaded: {error}") from error
        codec = loaded() if isinstance(loaded, type) else loaded
        name = getattr(codec, "name", None)
        if not isinstance(name, str) or not re.fullmatch(_NAME, name) or not hasattr(codec, "handles"):
            raise NoCodecError(f"{where} is none: it needs a name such as mine/1, handles, encode and decode")
        if name in found or name in _WITHOUT_CODEC or name in dict(_BUILT_IN):
            raise NoCodecError(f"{where} takes the name {name}, which is taken")
        found[name] = codec
    return found

"""Chunks compressed with Zstandard (RFC 8878), where ``[sematic] compress`` asks for it and where it pays.

A compressed chunk is a blob like any other: its name is the SHA-256 of what is stored. So digests of large values then depend on the version of zstd, and are
others than those of the same values stored as they are.
"""

from __future__ import annotations

from typing import Any

from sematic_airflow_provider.errors import MissingExtraError

LEVEL = 3
_SAMPLE = 64 << 10
_PAYS = 0.9
"""Of its size, at most, a chunk must have when it is compressed: what is compressed already is left as it is."""


def compressed(data: bytes | memoryview) -> bytes | None:
    """The compressed bytes; None where that does not pay.

    Raises:
        MissingExtraError: zstandard is not installed.
    """
    zstd = _zstd("compressing values ([sematic] compress)").ZstdCompressor(level=LEVEL)
    sample = data[:_SAMPLE]
    if len(zstd.compress(sample)) > _PAYS * len(sample):
        return None
    made: bytes = zstd.compress(data)
    return made if len(made) <= _PAYS * len(data) else None


def expanded(data: bytes | memoryview, size: int) -> bytes:
    """What was compressed, of just this size: no more is ever made.

    Raises:
        ValueError: these bytes are not compressed so, or stand for another size.
        MissingExtraError: zstandard is not installed.
    """
    zstandard = _zstd("reading compressed values")
    try:
        if zstandard.frame_content_size(data) != size:
            raise ValueError(f"compressed bytes do not stand for {size} bytes")
        made: bytes = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompress(
            data, max_output_size=size, read_across_frames=False, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise ValueError(f"not compressed bytes: {error}") from error
    if len(made) != size:
        raise ValueError(f"{len(made)} bytes came out, not {size}")
    return made


def _zstd(what: str) -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtraError(what, "zstd") from error
    return zstandard

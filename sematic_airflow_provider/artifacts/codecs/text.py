"""``bytes/1`` and ``text/1``: bytes as they are, and long text as UTF-8, so that ``cat`` and ``sha256sum`` work on what is stored.

Text of up to 1 KiB stays JSON, which a ref can carry.
"""

from __future__ import annotations

from typing import Any, BinaryIO

from sematic_airflow_provider.errors import NoCodecError

_SHORT = 1024
_PIECE = 1 << 20


class BytesCodec:
    """Exactly ``bytes``: of a bytearray or a memoryview nothing would tell the type."""

    name = "bytes/1"
    deterministic = True
    chunked = True

    def handles(self, value: object) -> bool:
        """Bytes."""
        return type(value) is bytes

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write them."""
        file.write(value)

    def decode(self, data: memoryview) -> bytes:
        """The bytes."""
        return bytes(data)


class TextCodec:
    """Exactly ``str``, of more than 1 KiB."""

    name = "text/1"
    deterministic = True
    chunked = True

    def handles(self, value: object) -> bool:
        """Text that takes more than 1 KiB."""
        return type(value) is str and (len(value) > _SHORT or len(value.encode(errors="replace")) > _SHORT)

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write it, piece by piece."""
        try:
            for start in range(0, len(value), _PIECE):
                file.write(value[start : start + _PIECE].encode())
        except UnicodeEncodeError as error:
            raise NoCodecError(f"text with a lone surrogate cannot be stored: {error.reason}") from error

    def decode(self, data: memoryview) -> str:
        """The text."""
        return str(data, "utf-8")

"""Characters that are not what they seem: those that XML cannot hold, and those that turn the order of others around."""

from __future__ import annotations

from typing import Final

_NOT_XML: Final = [
    *(code for code in range(32) if code not in (9, 10, 13)),
    0x7F,
    *range(0xD800, 0xE000),
    0xFFFE,
    0xFFFF,
]
_TURNING: Final = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SHOWN: Final = dict.fromkeys(_NOT_XML, "�") | {code: f"⟨U+{code:04X}⟩" for code in _TURNING}


def visible(text: str) -> str:
    """The text with such characters made visible: a name or a source must not read as another than it is."""
    return text.translate(_SHOWN)

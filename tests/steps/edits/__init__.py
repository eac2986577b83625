"""Edits of small projects, as text. ``####`` starts a case, ``----`` a file, ``<<<<`` the text that is replaced in a file, ``>>>>`` what replaces it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple


class Edit(NamedTuple):
    """Files of a project by path, and what is replaced in one of them."""

    name: str
    files: dict[str, str]
    file: str
    old: str
    new: str


def edits(name: str) -> list[Edit]:
    """The cases of one file beside this one."""
    text = Path(__file__).with_name(f"{name}.txt").read_text(encoding="utf-8")
    return [_edit(part) for part in re.split(r"^#### ", text, flags=re.MULTILINE)[1:]]


def _edit(text: str) -> Edit:
    before, _, change = text.partition("\n<<<< ")
    name, *files = re.split(r"^---- ", before + "\n", flags=re.MULTILINE)
    file, _, replaced = change.partition("\n")
    old, _, new = replaced.partition("\n>>>>\n")
    contents = {path: content for path, _, content in (part.partition("\n") for part in files)}
    return Edit(name.strip(), contents, file, old.rstrip("\n"), new.rstrip("\n"))

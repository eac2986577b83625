"""Codecs of third parties."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any, BinaryIO

import pytest

from sematic_airflow_provider.artifacts.codecs.registry import GROUP, codec_named, registered
from sematic_airflow_provider.errors import NoCodecError


class Mine:
    """A codec as a third party writes one."""

    name = "mine/1"
    deterministic = True

    def handles(self, value: object) -> bool:
        return isinstance(value, Mine)

    def encode(self, value: Any, file: BinaryIO) -> None:
        file.write(b"mine")

    def decode(self, data: memoryview) -> Any:
        return Mine()


class Thief(Mine):
    name = "json/1"


class Nameless(Mine):
    name = "no version"


NOT_A_CODEC = 5
AN_INSTANCE = Mine()


def _entry(attribute: str, module: str = __name__) -> EntryPoint:
    return EntryPoint(attribute.lower(), f"{module}:{attribute}", GROUP)


@pytest.mark.parametrize("attribute", ["Mine", "AN_INSTANCE"])
def test_a_class_or_an_instance_may_be_registered(attribute: str) -> None:
    assert isinstance(registered([_entry(attribute)])["mine/1"], Mine)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([_entry("Thief")], "json/1, which is taken"),
        ([_entry("Mine"), _entry("AN_INSTANCE")], "mine/1, which is taken"),
        ([_entry("Nameless")], "needs a name such as"),
        ([_entry("NOT_A_CODEC")], "needs a name such as"),
        ([_entry("Absent")], "cannot be loaded"),
        ([_entry("Mine", "no_such_package")], "no_such_package:Mine registers cannot be loaded"),
    ],
)
def test_what_would_mix_up_codecs_is_refused_by_name(entries: list[EntryPoint], words: str) -> None:
    with pytest.raises(NoCodecError, match=words):
        registered(entries)


def test_an_unknown_name_says_what_is_known() -> None:
    with pytest.raises(NoCodecError, match=r"martian/7.*json/1.*parquet/1"):
        codec_named("martian/7")

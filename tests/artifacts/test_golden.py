"""Digests that must never change: one that does is a format change, and needs a new version of its codec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sematic_airflow_provider.artifacts.digest import digest_record
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from tests.artifacts.test_codecs import TestNpy
from tests.artifacts.test_codecs_json import TestBytes, TestDeclared, TestForeignScalars, TestJson, TestText

_GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "digests.json").read_text())
_TREES: dict[str, Any] = {
    "list": [1, np.arange(3)],
    "tuple": (np.arange(3), "x" * 300),
    "dict": {"b": [np.float64(1.5)], "a": None, "c": {"d": (np.zeros(2),)}},
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path))


_CONTRACTS = (TestJson, TestDeclared, TestForeignScalars, TestBytes, TestText, TestNpy)


@pytest.mark.parametrize("contract", _CONTRACTS)
def test_values_keep_their_digests(repository: Repository, contract: Any) -> None:
    digests = {source: repository.save(contract().make(source)).digest for source in contract.sources}
    assert digests == {source: _GOLDEN[contract.codec].get(source) for source in contract.sources}


def test_manifests_keep_their_digests(repository: Repository) -> None:
    assert {name: repository.save(value).digest for name, value in _TREES.items()} == _GOLDEN["tree/1"]


def test_records_keep_their_digests() -> None:
    assert digest_record("kind", {"b": [1, 2.5, None], "a": "ü"}) == _GOLDEN["record"]


def test_a_ref_keeps_its_form(repository: Repository) -> None:
    assert repository.save({"auc": 0.7}, name="dag.task.return_value").to_json() == _GOLDEN["ref"]
    assert repository.load(ArtifactRef.from_json(_GOLDEN["ref"])) == {"auc": 0.7}

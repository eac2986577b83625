"""What is masked in what is recorded, and what is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk._shared.secrets_masker import _secrets_masker
from airflow.sdk.log import mask_secret

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.worker.redaction import redacted, redacted_event, redacted_text
from tests.events import ref, task_event


@pytest.fixture(autouse=True)
def fresh_masker() -> Iterator[None]:
    masker = _secrets_masker()
    before = set(masker.patterns), masker.replacer
    masker.reset_masker()
    yield
    masker.patterns, masker.replacer = before


@pytest.mark.parametrize(
    "secret", ["hunter2-é", "with \"quotes\" and 'more'", "back\\slash", "tab\tin it", "a b/c?d=e&f", "line one is long\nline two is long"]
)  # fmt: skip
def test_a_secret_is_masked_however_it_is_written_down(secret: str) -> None:
    mask_secret(secret)
    from urllib.parse import quote, quote_plus

    for written in (
        secret,
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        repr(secret),
        quote(secret, safe=""),
        quote_plus(secret),
    ):
        text = redacted_text(f"before {written} after")
        assert "***" in text
        assert not any(word in text for word in ("hunter2", "quotes", "slash", "in it", "d=e", "d%3De", "is long")), (
            written
        )
        assert text.startswith("before ")


def test_each_line_of_a_secret_of_many_lines_is_masked_in_a_patch() -> None:
    mask_secret("-----BEGIN KEY-----\nMIIEabcdefgh\nxy\n-----END KEY-----")
    assert redacted_text("+-----BEGIN KEY-----\n+MIIEabcdefgh\n+xy\n") == "+***\n+***\n+xy\n"


def test_what_is_masked_later_is_masked_from_then_on() -> None:
    assert redacted_text("hunter2-a hunter2-b") == "hunter2-a hunter2-b"
    mask_secret("hunter2-a")
    assert redacted_text("hunter2-a hunter2-b") == "*** hunter2-b"
    mask_secret("hunter2-b")
    assert redacted_text("hunter2-a hunter2-b") == "*** ***"


def test_values_keys_and_numbers_are_masked_and_the_rest_is_as_it_was() -> None:
    mask_secret("hunter2")
    mask_secret("123456")
    given = {"a": ["x hunter2", 1, None, True, 2.5], "hunter2": 1, "n": 123456, "m": 1234567}
    assert redacted(given) == {"a": ["x ***", 1, None, True, 2.5], "***": 1, "n": "***", "m": 1234567}


def test_text_under_sensitive_names_is_hidden_and_numbers_are_not() -> None:
    given = {"password": "x", "tokens": 512, "apiKey": {"a": "x", "n": [1, "y"]}, "region": "eu", "token": None}
    assert redacted(given) == {
        "password": "***",
        "tokens": 512,
        "apiKey": {"a": "***", "n": [1, "***"]},
        "region": "eu",
        "token": None,
    }


def test_airflows_own_list_of_sensitive_names_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert redacted({"codeword": "x"}) == {"codeword": "x"}
    monkeypatch.setattr(_secrets_masker(), "sensitive_variables_fields", ["codeword"])
    assert redacted({"codeword": "x"}) == {"codeword": "***"}


def test_a_large_artifact_under_a_sensitive_name_keeps_its_ref_and_a_small_one_does_not() -> None:
    large = ArtifactRef("ab" * 32, "skops/1", "Tokenizer", 50_000).to_json()
    small = ArtifactRef("ab" * 32, "json/1", "builtins.str", 12).to_json()
    assert redacted({"tokenizer": large, "token": small}) == {"tokenizer": large, "token": "***"}


def test_identifiers_that_hold_a_short_secret_by_chance_stay_and_one_that_is_the_secret_does_not() -> None:
    digest = "12345" + "a" * 59
    mask_secret("12345")
    mask_secret("b" * 64)
    given = {
        "digest": digest,
        "uuid": "01234567-1234-1234-1234-123456789abc",
        "time": "2026-11-24T12:12:34.512345+00:00",
        "secret": "b" * 64,
    }
    assert redacted(given) == given | {"secret": "***"}
    assert redacted({"text": f"{digest} 12345"}) == {"text": "***" + "a" * 59 + " ***"}


def test_an_event_keeps_the_names_that_it_is_found_by() -> None:
    mask_secret("flow1")
    event = task_event(
        "COMPLETE",
        "flow1_task",
        dag_id="flow1",
        dag_run_id="flow1_run",
        reads={"x": ref("flow1.a.return_value")},
        facets={"note": {"_producer": "flow1", "text": "flow1"}},
    )
    found: dict[str, Any] = redacted_event(event)
    assert found["job"] == event["job"]
    assert found["run"]["runId"] == event["run"]["runId"]
    assert [entry["name"] for entry in found["inputs"]] == ["flow1.a.return_value"]
    airflow, before = found["run"]["facets"]["airflow"], event["run"]["facets"]["airflow"]
    assert airflow["dagRun"]["run_id"] == before["dagRun"]["run_id"]
    assert airflow["dag"]["dag_id"] == before["dag"]["dag_id"]
    assert found["run"]["facets"]["note"] == {"_producer": "flow1", "text": "***"}
    assert event["run"]["facets"]["note"]["text"] == "flow1"


def test_a_configuration_cannot_pass_a_secret_as_an_identifier() -> None:
    mask_secret("hunter2")
    facets = {"airflow": {"dagRun": {"run_id": "r", "conf": {"dag_id": "hunter2", "run_id": "hunter2"}}}}
    found = redacted_event({"run": {"runId": "x", "facets": facets}, "job": {}})
    assert found["run"]["facets"]["airflow"]["dagRun"] == {"run_id": "r", "conf": {"dag_id": "***", "run_id": "***"}}

"""Canaries: secrets of every kind go through a Dag run, and are looked for in every event, and in all that the run has put into the store."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_home import run_airflow

pytestmark = pytest.mark.thorough

DAG_FILE = """
import os
from airflow.sdk import DAG, BaseHook, Param, Variable
from airflow.sdk.log import mask_secret
from sematic_airflow_provider import sematic_task

WAREHOUSE = "postgresql://reader:canary-in-url@db/x"
SERVICE_TOKEN = "canary-assigned"
PLAIN = "canary-connection"  # the password of a connection, copied into the code

@sematic_task(seed=7)
def reads(password: str, tokenizer: str) -> int:
    found = BaseHook.get_connection("warehouse")
    mask_secret(os.environ["TOLD_AT_RUN_TIME"])
    Variable.get("api_token")
    return len(found.password)

@sematic_task
def fails(n: int) -> int:
    found = BaseHook.get_connection("warehouse")
    Variable.get("api_token")
    mask_secret(os.environ["TOLD_AT_RUN_TIME"])
    raise ValueError(f"{os.environ['TOLD_AT_RUN_TIME']!r}: cannot log in at {found.get_uri()} with {found.password} and {Variable.get('api_token')}")

with DAG("leaky", params={"db_password": Param("canary-parameter"), "month": "2024-01"}):
    fails(reads(password="canary-argument", tokenizer="bpe"))
"""

CANARY = "canary"


class Run:
    """What a run has left behind."""

    def __init__(self, store: Path) -> None:
        self.events = [json.loads(path.read_text()) for path in sorted((store / "spool").glob("*.json"))]
        self.files = {path.relative_to(store): path.read_bytes() for path in store.rglob("*") if path.is_file()}

    def of(self, task: str, kind: str) -> dict[str, Any]:
        """The facets of the run in the event of this kind."""
        (event,) = [e for e in self.events if e["eventType"] == kind and e["job"]["name"] == f"leaky.{task}"]
        facets: dict[str, Any] = event["run"]["facets"] | {"job": event["job"].get("facets", {})}
        return facets


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("leaky")
    dags = home / "dags"
    dags.mkdir()
    (dags / "leaky.py").write_text("x = 1\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for arguments in (("init", "-b", "trunk"), ("add", "."), ("commit", "-m", "one")):
        subprocess.run(["git", *who, *arguments], cwd=dags, check=True, capture_output=True)
    subprocess.run(
        ["git", "remote", "add", "origin", "https://me:canary-remote@git.example.com/a/flows.git"], cwd=dags, check=True
    )
    (dags / "leaky.py").write_text(DAG_FILE)
    (dags / "helper.py").write_text("api_key = 'canary-helper'\n")
    environment = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__SEMATIC__RECORD_ENV": "MODEL_*, AIRFLOW_CONN_WAREHOUSE, EXTRA_TOKEN",
        "AIRFLOW_CONN_WAREHOUSE": json.dumps(
            {
                "conn_type": "postgres",
                "host": "db",
                "login": "reader",
                "password": "canary-connection",
                "extra": {"private_key": "canary-extra"},
            }
        ),
        "AIRFLOW_VAR_API_TOKEN": "canary-variable é",
        "TOLD_AT_RUN_TIME": "canary 'with' quotes/\\ and\ta tab",
        "MODEL_REGION": "eu",
        "MODEL_NOTE": "it is canary-connection",
        "EXTRA_TOKEN": "canary-environment",
    }
    run_airflow("db", "migrate", **environment)
    conf = {"nested": {"api_key": "canary-conf"}, "month": "2024-02"}
    run_airflow("dags", "test", "leaky", "--conf", json.dumps(conf), check=False, **environment)
    return Run(home / "sematic")


def test_the_run_has_told_what_it_did(run: Run) -> None:
    assert {e["eventType"] for e in run.events if e["job"]["name"] == "leaky.reads"} == {"START", "COMPLETE"}
    assert {e["eventType"] for e in run.events if e["job"]["name"] == "leaky.fails"} == {"START", "FAIL"}


def test_no_event_has_a_canary(run: Run) -> None:
    found = [_where(event, event["eventType"]) for event in run.events]
    assert [place for places in found for place in places] == []


def _where(value: Any, path: str) -> list[str]:
    if isinstance(value, dict):
        return [
            place for key, member in value.items() for place in [*_where(key, path), *_where(member, f"{path}.{key}")]
        ]
    if isinstance(value, list):
        return [place for member in value for place in _where(member, f"{path}[]")]
    return [f"{path}: {value}"] if CANARY in str(value) else []


def test_nothing_in_the_store_but_the_code_itself_has_a_canary(run: Run) -> None:
    code = {ref["digest"] for task in ("reads", "fails") if (ref := _last(run, task)["sematic_step"]["code"])}
    found = {str(path): data for path, data in run.files.items() if CANARY.encode() in data and path.name not in code}
    assert found == {}


def _last(run: Run, task: str) -> dict[str, Any]:
    return run.of(task, "COMPLETE" if task == "reads" else "FAIL")


def test_the_error_is_told_without_its_secrets(run: Run) -> None:
    error = _last(run, "fails")["errorMessage"]
    assert "cannot log in at postgres://reader:***@db" in error["message"]
    assert "with *** and ***" in error["message"]
    assert "raise ValueError" in error["stackTrace"]


def test_arguments_under_sensitive_names_are_hidden_and_others_are_not(run: Run) -> None:
    facets = _last(run, "reads")
    assert facets["sematic_step"]["arguments"]["password"] == "***"
    assert facets["sematic_step"]["contextArguments"] == []


def test_parameters_and_configuration_are_told_without_secrets(run: Run) -> None:
    facets = _last(run, "reads")
    parameters = {one["key"]: one["value"] for one in facets["executionParameters"]["parameters"]}
    assert parameters == {"db_password": "***", "month": "2024-02", "nested": '{"api_key": "***"}'}
    assert facets["airflow"]["dagRun"]["conf"]["nested"] == {"api_key": "***"}
    assert facets["airflow"]["dagRun"]["conf"]["month"] == "2024-02"


def test_listed_variables_are_told_without_secrets(run: Run) -> None:
    told = {v["name"]: v["value"] for v in _last(run, "reads")["environmentVariables"]["environmentVariables"]}
    assert told == {"MODEL_NOTE": "it is ***", "MODEL_REGION": "eu"}


def test_the_difference_is_in_the_store_without_secrets(run: Run) -> None:
    git = _last(run, "fails")["sematic_provenance"]["git"]
    text = run.files[Path("blobs", git["diff"]["digest"][:2], git["diff"]["digest"])].decode()
    assert git["diffRedacted"] is True
    assert "+def reads(password: str, tokenizer: str) -> int:" in text
    assert '+SERVICE_TOKEN = "***"' in text
    assert '+PLAIN = "***"' in text
    assert 'postgresql://db/x"' in text
    assert "+api_key = '***'" in text


def test_where_the_code_is_kept_is_told_as_openlineage_has_it(run: Run) -> None:
    facets = _last(run, "reads")
    git = facets["sematic_provenance"]["git"]
    location = facets["job"]["sourceCodeLocation"]
    assert location["repoUrl"] == git["remote"] == "https://git.example.com/a/flows.git"
    assert (location["version"], location["path"], location["branch"]) == (git["commit"], "leaky.py", "trunk")


def test_seeds_executor_and_pool_are_told(run: Run) -> None:
    assert _last(run, "reads")["sematic_provenance"]["seeds"]["python"] == 7
    assert _last(run, "fails")["sematic_provenance"].get("seeds") is None
    assert _last(run, "reads")["sematic_provenance"]["executor"] == "in process"
    assert _last(run, "reads")["sematic_provenance"]["pool"] == "default_pool"

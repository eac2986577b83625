"""What changed between two runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sematic_airflow_provider.lineage.run_difference import RunSide, dag_run_difference, definitions, difference

SOURCE = "import numpy\nRATE = 0.1\ndef train(table):\n    return fit(table, RATE)\n\ndef fit(table, rate):\n    return rate\n"
FACETS: dict[str, Any] = {
    "job": {"sourceCode": {"sourceCode": SOURCE}},
    "executionParameters": {"parameters": [{"key": "depth", "value": "3"}]},
    "environmentVariables": {"environmentVariables": [{"name": "REGION", "value": "eu"}]},
    "processing_engine": {"name": "Airflow", "version": "3.3.2"},
    "airflow": {"dagRun": {"conf": {"sample": 1}}},
    "sematic_metrics": {"metrics": {"auc": 0.7}},
    "sematic_provenance": {
        "git": {"commit": "a" * 40, "branch": "main", "dirty": False},
        "image": "img:1",
        "cpuModel": "x86",
        "gpus": {"devices": [{"name": "H100"}]},
        "seeds": {"numpy": 1},
        "packages": {"digest": "d1"},
        "python": "3.11",
    },
}
RUN = RunSide(
    "success",
    5.0,
    "flow.train",
    (("table", "1" * 64),),
    (("return_value", "2" * 64),),
    FACETS,
    {"numpy": "1.0", "pandas": "2.0"},
)


def _changed(*path: str, to: Any) -> RunSide:
    def change(holder: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        first, *rest = names
        return {**holder, first: change(holder[first], tuple(rest)) if rest else to}

    return replace(RUN, facets=change(dict(FACETS), path))


def test_equal_runs_have_no_difference() -> None:
    assert difference(RUN, RUN) == []


@pytest.mark.parametrize(
    ("after", "what", "name", "values"),
    [
        (replace(RUN, inputs=(("table", "3" * 64),)), "input", "table", ("1" * 64, "3" * 64)),
        (replace(RUN, inputs=()), "input", "table", ("1" * 64, None)),
        (replace(RUN, inputs=(("table", "1" * 64), ("table", "9" * 64))), "input", "table", ("1" * 64, ["1" * 64, "9" * 64])),
        (replace(RUN, outputs=(("return_value", "4" * 64),)), "output", "return_value", ("2" * 64, "4" * 64)),
        (replace(RUN, state="failed"), "state", "state", ("success", "failed")),
        (replace(RUN, duration_s=7.5), "duration", "seconds", (5.0, 7.5)),
        (replace(RUN, job="flow.other"), "job", "name", ("flow.train", "flow.other")),
        (replace(RUN, packages={"numpy": "1.1", "pandas": "2.0"}), "package", "numpy", ("1.0", "1.1")),
        (_changed("executionParameters", "parameters", to=[{"key": "depth", "value": "4"}]), "parameter", "depth", ("3", "4")),
        (_changed("environmentVariables", "environmentVariables", to=[]), "environment", "REGION", ("eu", None)),
        (_changed("airflow", "dagRun", "conf", to={"sample": 2}), "configuration", "conf.sample", (1, 2)),
        (_changed("processing_engine", "version", to="3.4"), "configuration", "Airflow", ("3.3.2", "3.4")),
        (_changed("sematic_metrics", "metrics", to={"auc": 0.8}), "metric", "auc", (0.7, 0.8)),
        (_changed("sematic_provenance", "git", "commit", to="b"), "git", "commit", ("a" * 40, "b")),
        (_changed("sematic_provenance", "image", to="img:2"), "image", "image", ("img:1", "img:2")),
        (_changed("sematic_provenance", "cpuModel", to="arm"), "hardware", "cpuModel", ("x86", "arm")),
        (_changed("sematic_provenance", "gpus", "devices", to=[]), "hardware", "gpus", (["H100"], None)),
        (_changed("sematic_provenance", "seeds", to={"numpy": 2}), "seed", "numpy", (1, 2)),
        (replace(RUN, facets={**FACETS, "errorMessage": {"message": "boom"}}), "error", "message", (None, "boom")),
    ],
)  # fmt: skip
def test_each_thing_that_changed_is_told_once_with_both_values(
    after: RunSide, what: str, name: str, values: tuple[Any, Any]
) -> None:
    assert [(d.what, d.name, (d.before, d.after)) for d in difference(RUN, after)] == [(what, name, values)]


def test_code_is_compared_definition_by_definition_without_comments_and_layout() -> None:
    quiet = SOURCE.replace("    return rate", "    # as is\n\n    return (rate)")
    assert difference(RUN, _changed("job", "sourceCode", "sourceCode", to=quiet)) == []
    loud = SOURCE.replace("return rate", "return rate * 2").replace("0.1", "0.2")
    found = difference(RUN, _changed("job", "sourceCode", "sourceCode", to=loud))
    assert [(d.what, d.name) for d in found] == [("code", "RATE"), ("code", "fit")]
    assert found[1].after == "def fit(table, rate):\n    return rate * 2"


def test_recorded_code_of_several_modules_counts_before_the_source() -> None:
    record = {"format": 2, "main": "def f(): ...", "modules": {"lib": "def g(): return 1"}}
    other = {**record, "modules": {"lib": "def g(): return 2"}}
    assert [d.name for d in difference(replace(RUN, code=record), replace(RUN, code=other))] == ["lib.g"]


def test_packages_that_were_not_read_are_compared_by_digest() -> None:
    other = replace(_changed("sematic_provenance", "packages", to={"digest": "d2"}), packages=None)
    assert [(d.what, d.name, d.before, d.after) for d in difference(RUN, other)] == [
        ("package", "all packages", "d1", "d2")
    ]


@pytest.mark.parametrize("text", ["def (", "\0", "(" * 5000, "x = 1\n" * 3, "SELECT 1"])
def test_what_is_no_python_is_one_definition(text: str) -> None:
    assert definitions(text)


@pytest.mark.parametrize(
    "facets",
    [
        {},
        {"job": 3},
        {"sematic_provenance": {"gpus": [], "git": "x"}},
        {"executionParameters": {"parameters": [1, {}]}},
    ],
)
def test_facets_of_any_form_are_compared(facets: dict[str, Any]) -> None:
    assert isinstance(difference(RUN, replace(RUN, facets=facets)), list)


def test_dag_runs_are_compared_task_by_task() -> None:
    found = dag_run_difference(
        {"a": RUN, "b": RUN, "gone": RUN}, {"a": RUN, "b": replace(RUN, state="failed"), "new": RUN}
    )
    assert [(d.task, d.what, d.before, d.after) for d in found] == [
        ("b", "state", "success", "failed"),
        ("gone", "task", "success", None),
        ("new", "task", None, "success"),
    ]

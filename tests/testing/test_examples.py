"""The example Dags in the kit, with their real data. ``tests/test_dags_examples.py`` runs some of them through ``airflow dags test`` as well."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from dags_examples import (
    cached_steps,
    data_of_all_kinds,
    flight_delays,
    flight_delays_inference,
    many_at_once,
    mixed_with_plain_tasks,
)
from sematic_airflow_provider.errors import DagRunFailedError
from sematic_airflow_provider.testing import DagResult, MemoryStore, run_dag


def edges(result: DagResult) -> set[tuple[str, str, str, str]]:
    """Task, direction, label, and the name of what was read or written without the Dag's."""
    return {
        (str(record.task_id), data.direction, data.label, data.name.partition(".")[2])
        for record in result.records.values()
        for data in record.data
    }


@pytest.fixture(scope="module")
def delays() -> DagResult:
    """A run that learns from a few flights of January, and finds the model good whatever it is."""
    return run_dag(
        flight_delays.flight_delays,
        logical_date=dt.datetime(2013, 3, 1, tzinfo=dt.timezone.utc),
        fakes={
            "train": lambda training: flight_delays.train(training.iloc[::50]),
            "evaluate": lambda model, test: {"auc": 0.7, "late_share": float(test["late"].mean())},
        },
    )


def test_a_stream_a_dataclass_and_a_folder_stand_in_the_lineage_and_only_what_was_touched_was_read() -> None:
    result = run_dag(data_of_all_kinds.data_of_all_kinds)
    assert edges(result) == {
        ("readings", "write", "return_value", "readings.return_value"),
        ("split", "read", "batches", "readings.return_value"),
        ("split", "write", "return_value", "split.return_value"),
        ("mean_temperature", "read", "data", "split.return_value"),
        ("mean_temperature", "write", "return_value", "mean_temperature.return_value"),
        ("export", "read", "data", "split.return_value"),
        ("export", "write", "return_value", "export.return_value"),
        ("count_lines", "read", "folder", "export.return_value"),
        ("count_lines", "write", "return_value", "count_lines.return_value"),
    }
    assert result["readings"].ref.codec == result["split"].ref.codec == "tree/1"
    assert result["export"].ref.codec == "files/1"
    assert result["count_lines"].value == 2 * 24 + 1
    assert len(result["split"].value.train) == 8 * 24


def test_mapped_steps_and_their_reduction_and_a_second_run_that_stores_nothing() -> None:
    store = MemoryStore()
    result = run_dag(many_at_once.many_at_once, store=store)
    assert result["mean_delay"].states == ["success"] * 3
    assert result["worst"].value == max(result["mean_delay"].values)
    assert result.ancestors("worst") == {"carriers", "mean_delay[0]", "mean_delay[1]", "mean_delay[2]"}
    blobs = dict(store.blobs())
    run_dag(many_at_once.many_at_once, store=store)
    assert dict(store.blobs()) == blobs


def test_cached_steps_are_computed_once() -> None:
    store = MemoryStore()
    first = run_dag(cached_steps.cached_steps, store=store)
    second = run_dag(cached_steps.cached_steps, store=store, run_id="second")
    assert {step.cache for step in first.instances} == {"miss"}
    assert {step.cache for step in second.instances} == {"hit"}
    assert edges(second) == edges(first)


def test_plain_tasks_and_sematic_tasks_stand_in_one_lineage() -> None:
    result = run_dag(mixed_with_plain_tasks.mixed_with_plain_tasks)
    assert edges(result) == {
        ("airports", "write", "return_value", "airports.return_value"),
        ("highest", "read", "table", "airports.return_value"),
        ("highest", "write", "latitude", "highest.latitude"),
        ("highest", "write", "longitude", "highest.longitude"),
        ("describe", "read", "", "highest.latitude"),
        ("describe", "read", "", "highest.longitude"),
        ("describe", "write", "return_value", "describe.return_value"),
    }
    assert result["highest"].metrics["altitude_ft"] > 1000


def test_an_approved_model_is_traced_to_all_raw_tables(delays: DagResult) -> None:
    assert delays["month_to_test"].value == 2
    raw = {"ingest_flights", "ingest_weather", "ingest_planes", "ingest_airports"}
    assert delays.ancestors("approve") == {"train", "evaluate", "split", "featurise", "month_to_test", *raw}
    assert set(delays["predict"].value["month"]) == {3}


def test_the_other_dag_scores_with_the_model_that_was_approved(delays: DagResult) -> None:
    scored = run_dag(flight_delays_inference.flight_delays_inference, assets=delays.assets, store=delays.store)
    assert scored["score"].inputs["model"].digest == delays["approve"].ref.digest
    assert scored["score"].value["chance_late"].between(0, 1).all()
    assert isinstance(scored["worst_carrier"].value, str)


def test_a_model_that_is_not_good_enough_is_neither_approved_nor_used(delays: DagResult) -> None:
    fakes: dict[str, Any] = {"train": delays["train"].value, "split": delays["split"].value}
    fakes["evaluate"] = {"auc": 0.5, "late_share": 0.2}
    with pytest.raises(DagRunFailedError, match=r"approve raised GateFailedError: the gate is closed: auc") as caught:
        run_dag(flight_delays.flight_delays, upto="predict", fakes=fakes)
    result: Any = caught.value.result
    assert result.states["predict"] == "upstream_failed"
    assert result.assets == {}

"""What the running step reads, writes and measures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sematic_airflow_provider import log_metric
from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.lineage import capture
from sematic_airflow_provider.lineage.capture import StepKey

REF = ArtifactRef(digest_bytes(b"x"), "json/1", "builtins.int", 1, "d.t.return_value")


@pytest.fixture(autouse=True)
def _nothing_left_over() -> Iterator[None]:
    capture.forget()
    yield
    capture.forget()


def test_a_step_keeps_what_it_read_before_its_try_number_was_known() -> None:
    capture.for_step(StepKey("d", "r", "t")).note_read(REF)
    assert list(capture.for_step(StepKey("d", "r", "t", -1, 1)).reads) == [REF.digest]


def test_the_next_try_starts_empty() -> None:
    capture.for_step(StepKey("d", "r", "t", -1, 1)).note_read(REF)
    assert capture.for_step(StepKey("d", "r", "t", -1, 2)).reads == {}


def test_the_next_task_and_the_next_map_index_start_empty() -> None:
    capture.for_step(StepKey("d", "r", "t", 0, 1)).note_write("return_value", REF)
    assert capture.for_step(StepKey("d", "r", "t", 1, 1)).writes == {}
    assert capture.for_step(StepKey("d", "r", "u", -1, 1)).writes == {}


def test_the_last_value_of_a_metric_counts() -> None:
    step = capture.for_step(StepKey("d", "r", "t", -1, 1))
    log_metric("loss", 2)
    log_metric("loss", np.float64(0.25))
    assert step.metrics == {"loss": 0.25}
    assert type(step.metrics["loss"]) is float


def test_metrics_that_json_cannot_hold_are_kept_as_text() -> None:
    step = capture.for_step(StepKey("d", "r", "t", -1, 1))
    log_metric("loss", float("nan"))
    log_metric("gain", float("-inf"))
    assert step.metrics == {"loss": "nan", "gain": "-inf"}


@pytest.mark.parametrize("value", ["0.5", None, [1, 2], np.array([1, 2])])
def test_a_metric_that_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="loss"):
        log_metric("loss", value)  # type: ignore[arg-type]


def test_a_metric_needs_a_name() -> None:
    with pytest.raises(ValueError, match="needs a name"):
        log_metric(" ", 1)


def test_outside_a_step_a_metric_is_only_checked() -> None:
    log_metric("loss", 1.0)
    assert capture.current() is None

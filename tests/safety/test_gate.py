"""Bounds and the gate."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from sematic_airflow_provider import Bounds, GateFailedError, check_bounds


def test_values_on_the_bounds_pass() -> None:
    check_bounds({"auc": 0.7, "loss": 1.0}, {"auc": Bounds(min=0.7), "loss": Bounds(min=0, max=1.0)})


def test_every_violation_is_named() -> None:
    with pytest.raises(GateFailedError) as caught:
        check_bounds({"auc": 0.6, "loss": 2.0}, {"auc": Bounds(min=0.7), "loss": Bounds(max=1), "f1": Bounds(min=0)})
    assert len(caught.value.failures) == 3
    for words in ("auc is 0.6, below", "loss is 2.0, above", "f1 is missing (there are: auc, loss)"):
        assert words in str(caught.value)
    assert caught.value.permanent


def test_nan_never_passes() -> None:
    with pytest.raises(GateFailedError, match="NaN"):
        check_bounds({"auc": math.nan}, {"auc": Bounds(min=0)})


def test_what_passed_is_reported_as_plain_json() -> None:
    report = check_bounds(
        {"loss": 1, "auc": np.float32(0.75), "other": 5}, {"auc": Bounds(min=0.7), "loss": Bounds(max=2)}
    )
    assert json.loads(json.dumps(report.to_json())) == [
        {"name": "auc", "value": 0.75, "bounds": {"min": 0.7, "max": None}, "passed": True},
        {"name": "loss", "value": 1.0, "bounds": {"min": None, "max": 2}, "passed": True},
    ]


@pytest.mark.parametrize("value", [None, "0.9", b"1", [0.9], {}, np.ones(2), 10**400])
def test_what_is_no_number_does_not_pass(value: Any) -> None:
    with pytest.raises(GateFailedError, match="auc is no number but"):
        check_bounds({"auc": value}, {"auc": Bounds(min=0)})


@pytest.mark.parametrize("limits", [{}, {"min": 2, "max": 1}, {"min": math.nan}])
def test_impossible_bounds_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - three different messages
        Bounds(**limits)

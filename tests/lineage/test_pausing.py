"""The collector is paused, and runs again."""

from __future__ import annotations

import gc
import threading

import pytest

from sematic_airflow_provider.lineage import pausing
from sematic_airflow_provider.lineage.pausing import no_collections


def test_the_collector_runs_again_when_the_last_pause_ends() -> None:
    assert gc.isenabled()
    inner, go_on = threading.Event(), threading.Event()

    def pause() -> None:
        with no_collections():
            inner.set()
            go_on.wait(10)

    thread = threading.Thread(target=pause)
    with no_collections():
        thread.start()
        inner.wait(10)
        assert not gc.isenabled()
    assert not gc.isenabled()
    go_on.set()
    thread.join()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with no_collections():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_pauses_that_overlap_without_end_do_not_keep_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pausing, "_LONGEST", 0.0)

    class Node:
        gone = 0

        def __init__(self) -> None:
            self.own = self

        def __del__(self) -> None:
            Node.gone += 1

    with no_collections():
        with no_collections():
            Node()
        assert Node.gone == 1

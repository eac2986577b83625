"""What the asker may not read stays locked, in whatever form it goes out."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable

import pytest

from sematic_airflow_provider.db import queries
from sematic_airflow_provider.db.exporting import event_lines, exported_runs
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.lineage.exports.picture import svg
from sematic_airflow_provider.lineage.exports.prov_json import prov_json
from sematic_airflow_provider.lineage.exports.report import report
from sematic_airflow_provider.lineage.exports.ro_crate import write_zip
from sematic_airflow_provider.lineage.exports.subgraph import Subgraph
from tests.events import ref
from tests.lineage.exports.parts import part_of, told, two_dags

MODEL = ref("x", "secret weights").digest


def _open_only(dag_id: str | None) -> bool:
    return dag_id == "open_shop"


def _crate(part: Subgraph) -> bytes:
    file = io.BytesIO()
    write_zip(part, [], file)
    with zipfile.ZipFile(file) as packed:
        return b"\n".join(packed.read(name) for name in packed.namelist())


FORMS: list[Callable[[Subgraph], bytes]] = [
    prov_json,
    _crate,
    lambda part: report(part).encode(),
    lambda part: svg(part.graph).encode(),
]


@pytest.mark.parametrize("form", FORMS, ids=["prov", "ro-crate", "report", "svg"])
def test_no_detail_of_a_locked_run_or_artifact_goes_out(form: Callable[[Subgraph], bytes]) -> None:
    part = part_of(two_dags(), "open_shop", _open_only)
    assert sorted(node.kind for node in part.graph.nodes if node.locked) == ["artifact", "run", "run"]
    data = form(part)
    shown = data.replace(b"secret_factory.train.return_value", b"")  # the reader's own run told that it read this
    assert b"secret" not in shown
    assert b"locked" in data
    assert b"secret" in form(part_of(two_dags(), "open_shop")).replace(b"secret_factory.train.return_value", b"")


def test_exported_events_are_those_of_readable_runs_and_name_no_hidden_one() -> None:
    with told(two_dags()) as session:
        seeds = queries.artifact_seed(session, MODEL)
        graph = queries.graph(session, seeds, Extent(20), _open_only)
        assert len(graph.nodes) == 6
        (line,) = event_lines(session, exported_runs(session, graph, _open_only), _open_only)
    event = json.loads(line)
    assert b"secret" not in line.replace(b"secret_factory.train.return_value", b"")
    assert event["run"]["facets"]["parent"]["job"] == {"namespace": "locked", "name": "locked"}
    assert event["run"]["facets"]["sematic_cache"]["computedBy"] is None


def test_a_parent_that_no_event_was_of_is_named_to_those_who_may_read_its_dag() -> None:
    events = [event for event in two_dags() if event["job"]["name"] == "open_shop.predict"]
    with told(events) as session:
        graph = queries.graph(session, queries.dag_run_seeds(session, "open_shop", "run1"), Extent(1))
        (hidden,) = event_lines(session, exported_runs(session, graph), _open_only)
        (open_,) = event_lines(session, exported_runs(session, graph))
    assert b'"secret_factory.train"' not in hidden
    assert b'"secret_factory.train"' in open_

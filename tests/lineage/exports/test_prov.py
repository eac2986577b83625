"""PROV-JSON, read by the reference library of PROV for Python."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from prov.model import ProvDocument

from sematic_airflow_provider.lineage.exports.prov_json import MOST_DERIVATIONS, prov_json
from sematic_airflow_provider.lineage.exports.subgraph import Subgraph
from tests.events import ref, task_event
from tests.lineage.exports.parts import HOSTILE, hostile_events, part_of, recorded


def _counts(part: Subgraph) -> Counter[str]:
    document = ProvDocument.deserialize(content=prov_json(part).decode(), format="json")
    return Counter(type(record).__name__.removeprefix("Prov") for record in document.get_records())


@pytest.mark.parametrize(
    ("name", "dag"), [("mixed_with_plain_tasks", "mixed_with_plain_tasks"), ("mapped_failed_skipped", "recorded")]
)
def test_entities_activities_and_edges_are_those_of_the_graph(name: str, dag: str) -> None:
    part = part_of(recorded(name), dag)
    counts = _counts(part)
    plans = {facts.code_digest for facts in part.runs.values() if facts.code_digest}
    edges = Counter(edge.kind for edge in part.graph.edges)
    assert counts["Activity"] == len(part.run_nodes) > 2
    assert counts["Entity"] == len(part.data_nodes) + len(plans)
    assert (counts["Usage"], counts["Generation"]) == (edges["read"], edges["write"])
    people = {name for facts in part.runs.values() for name in (*facts.owners, facts.triggered_by) if name}
    assert counts["Agent"] == len(people) + len({run.job_name for run in part.run_nodes})


def test_an_output_is_derived_from_what_its_run_read() -> None:
    document = json.loads(prov_json(part_of(recorded(), "mixed_with_plain_tasks")))
    labels = {key: entity["prov:label"] for key, entity in document["entity"].items()}
    derived = {
        (labels[one["prov:generatedEntity"]], labels[one["prov:usedEntity"]])
        for one in document["wasDerivedFrom"].values()
    }
    assert derived == {
        ("highest.latitude", "airports"),
        ("highest.longitude", "airports"),
        ("describe", "highest.latitude"),
        ("describe", "highest.longitude"),
    }


def test_who_started_and_who_owns_a_run_are_agents_and_its_code_is_the_plan() -> None:
    document = json.loads(prov_json(part_of(recorded(), "mixed_with_plain_tasks")))
    people = {one["prov:label"] for key, one in document["agent"].items() if key.startswith("person:")}
    assert people == {"airflow", "dag_test"}
    plans = [one["prov:plan"] for one in document["wasAssociatedWith"].values() if "prov:plan" in one]
    assert [document["entity"][plan]["prov:label"] for plan in plans] == ["code of mixed_with_plain_tasks.highest"]


def test_a_run_of_many_inputs_and_outputs_has_no_product_of_derivations() -> None:
    many = {f"a{n}": ref(f"wide.in.a{n}") for n in range(30)}
    events: list[Any] = [
        task_event("COMPLETE", "wide", dag_id="wide", reads=many, writes={k: ref(f"wide.wide.{k}") for k in many})
    ]
    counts = _counts(part_of(events, "wide"))
    assert MOST_DERIVATIONS < 30 * 30
    assert (counts["Usage"], counts["Generation"], counts["Derivation"]) == (30, 30, 0)


def test_hostile_names_are_values_and_never_identifiers() -> None:
    part = part_of(hostile_events(), "hostile")
    document = json.loads(prov_json(part))
    assert _counts(part)["Activity"] == len(part.run_nodes)
    keys = {key for section in document.values() for key in section}
    assert not [
        key for key in keys if not set(key) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:-")
    ]
    told = {one["prov:label"] for one in document["agent"].values()}
    assert set(HOSTILE[:3]) <= told

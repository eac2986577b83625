"""Steps of past runs, as lineage recorded them: from a test run, from OpenLineage events in a file, or from Airflow's database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.errors import NodeNotFoundError, StepError
from sematic_airflow_provider.lineage.events import Event, parse_event
from sematic_airflow_provider.lineage.fold import RunRecord, fold
from sematic_airflow_provider.lineage.naming import RETURN_KEY
from sematic_airflow_provider.testing.step_results import StepResult
from sematic_airflow_provider.testing.telling import name_of

Events = str | Path | Iterable[Mapping[str, Any]]
"""A file of events (JSON, or JSON lines as the file transport of OpenLineage writes them), or the events themselves."""


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """One execution: the artifacts that it got and gave, and the code that it ran."""

    name: str
    function: str
    arguments: Mapping[str, ArtifactRef]
    outputs: Mapping[str, ArtifactRef]
    code: ArtifactRef | None
    code_unavailable: str

    @property
    def has_multiple_outputs(self) -> bool:
        """Whether each key of a returned dict was an output of its own."""
        return bool(self.outputs) and RETURN_KEY not in self.outputs

    @classmethod
    def of_facet(cls, name: str, facet: Mapping[str, Any] | None) -> RecordedStep:
        """From the facet ``sematic_step``.

        Raises:
            StepError: there is none.
            InvalidRefError: what it says was changed, or redacted.
        """
        if not facet:
            raise StepError(f"{name} is no sematic task: its arguments were not recorded")
        return cls(
            name,
            str(facet.get("function") or ""),
            {key: ArtifactRef.from_json(ref) for key, ref in (facet.get("arguments") or {}).items()},
            {key: ArtifactRef.from_json(ref) for key, ref in (facet.get("outputs") or {}).items()},
            ArtifactRef.from_json(facet["code"]) if facet.get("code") else None,
            str(facet.get("codeUnavailable") or "its code was not recorded"),
        )


def step_of_result(result: StepResult) -> RecordedStep:
    """The step of a test run."""
    return RecordedStep.of_facet(result.name, result.facets.get("sematic_step"))


def step_of_events(address: str, events: Events) -> RecordedStep:
    """The step of ``DAG_ID/RUN_ID/TASK_ID``, ``DAG_ID/RUN_ID/TASK_ID[MAP_INDEX]`` or an OpenLineage run id; of several tries the last that succeeded.

    Raises:
        NodeNotFoundError: no event is of it.
        EventRejectedError: one of them is none.
    """
    runs: dict[str, list[Event]] = {}
    for payload in _payloads(events):
        event = parse_event(payload)
        if event.run_id is not None:
            runs.setdefault(event.run_id, []).append(event)
    records = [fold(of) for of in runs.values()]
    found = [record for record in records if _is_at(record, address)]
    if not found:
        known = sorted({_address(r) for r in records if r.facets.get("sematic_step")})
        raise NodeNotFoundError(f"no event is of {address}; there are {', '.join(known) or 'none of steps'}")
    best = max(found, key=lambda record: (record.state == "success", record.try_number))
    return RecordedStep.of_facet(address, best.facets.get("sematic_step"))


def step_of_database(address: str) -> RecordedStep:
    """The step of ``DAG_ID/RUN_ID/TASK_ID`` in the lineage tables of this Airflow.

    Raises:
        NodeNotFoundError: they do not have it.
    """
    from sematic_airflow_provider.cli.recorded import recorded_steps

    dag_id, run_id, name = _parts(address)
    found = [step for step in recorded_steps(run_id, dag_id) if step.label == name]
    if not found:
        raise NodeNotFoundError(f"the run {run_id} of {dag_id} has no recorded step {name}")
    return RecordedStep.of_facet(address, found[-1].facet)


def _parts(address: str) -> tuple[str, str, str]:
    dag_id, _, rest = address.partition("/")
    run_id, _, name = rest.rpartition("/")
    if not (dag_id and run_id and name):
        raise StepError(f"a step is named DAG_ID/RUN_ID/TASK_ID, this is {address!r}")
    return dag_id, run_id, name


def _address(record: RunRecord) -> str:
    return f"{record.dag_id}/{record.dag_run_id}/{name_of(record)}"


def _is_at(record: RunRecord, address: str) -> bool:
    return address in (record.run_id, _address(record))


def _payloads(events: Events) -> Iterator[Mapping[str, Any]]:
    if not isinstance(events, (str, Path)):
        yield from events
        return
    text = Path(events).read_text(encoding="utf-8").strip()
    if text.startswith("["):
        yield from json.loads(text)
        return
    decoder, start = json.JSONDecoder(), 0
    while start < len(text):
        payload, end = decoder.raw_decode(text, start)
        yield payload
        start = len(text) - len(text[end:].lstrip())

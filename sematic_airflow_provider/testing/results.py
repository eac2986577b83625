"""What came of a test run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.testing.asset_events import AssetEvents
from sematic_airflow_provider.testing.step_results import MappedResult, StepResult
from sematic_airflow_provider.testing.supervisor import Supervisor

if TYPE_CHECKING:
    from sematic_airflow_provider.lineage.fold import RunRecord
    from sematic_airflow_provider.lineage.graph import LineageGraph


class DagResult(Mapping[str, Any]):
    """What came of a Dag run: by task id, a StepResult, or a MappedResult for a mapped task.

    A task in a group may be named without its groups where that is not ambiguous.
    """

    def __init__(
        self,
        dag: Any,
        steps: Mapping[str, StepResult | MappedResult],
        state: str,
        supervisor: Supervisor,
        repository: Repository,
    ) -> None:
        self.dag = dag
        self.state = state
        self.run_id = str(supervisor.dag_run.run_id)
        self.conf = dict(supervisor.dag_run.conf or {})
        self.store = repository.store
        self._steps = dict(steps)
        self._supervisor = supervisor
        self._repository = repository

    def __getitem__(self, task_id: str) -> Any:
        if task_id in self._steps:
            return self._steps[task_id]
        found = [known for known in self._steps if known.rsplit(".", 1)[-1] == task_id]
        if len(found) == 1:
            return self._steps[found[0]]
        known = ", ".join(found or self._steps)
        raise KeyError(f"{task_id!r} is {'ambiguous' if found else 'no task of this run'}: {known}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def instances(self) -> list[StepResult]:
        """All task instances, in the order in which they ran."""
        found: list[StepResult] = []
        for one in self._steps.values():
            found.extend([one] if isinstance(one, StepResult) else one)
        return found

    @property
    def states(self) -> dict[str, str]:
        """State by name of the instance: ``task`` or ``task[map_index]``."""
        named = {one.name: one.state for one in self.instances}
        return named | {i: m.state for i, m in self._steps.items() if isinstance(m, MappedResult) and not len(m)}

    @property
    def failed(self) -> list[StepResult]:
        """The instances that failed themselves."""
        return [one for one in self.instances if one.state == "failed"]

    @property
    def assets(self) -> dict[str, ArtifactRef]:
        """By asset's name, the artifact that its latest event carries. Give it to the run of a Dag that takes the asset: ``run_dag(…, assets=…)``."""
        return {event.name: ref for event in self.asset_events.events if (ref := event.ref) is not None}

    @property
    def asset_events(self) -> AssetEvents:
        """The asset events that were given and made."""
        return self._supervisor.events

    def load(self, ref: ArtifactRef) -> Any:
        """The value of an artifact of this run."""
        return self._repository.load(ref)

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The OpenLineage events that the task instances would have sent, as JSON objects."""
        from sematic_airflow_provider.testing.telling import events_of

        return events_of(self.instances, self._supervisor, self._repository)

    @cached_property
    def records(self) -> dict[str, RunRecord]:
        """What lineage knows of each task instance, by name."""
        from sematic_airflow_provider.testing.telling import records_of

        return records_of(self.events)

    @cached_property
    def lineage(self) -> LineageGraph:
        """The lineage of this run, as the Lineage tab would draw it: its nodes are labelled with tasks and outputs."""
        from sematic_airflow_provider.testing.telling import graph_of

        return graph_of(self.records)

    def ancestors(self, name: str) -> set[str]:
        """The task instances whose outputs went into this one, however far back: by lineage, not by the arrows of the Dag.

        Raises:
            KeyError: no such instance told lineage anything.
        """
        from sematic_airflow_provider.testing.telling import upstream_of

        return upstream_of(self.records, name)

    def __repr__(self) -> str:
        return f"<{self.dag.dag_id} {self.run_id}: {self.state}, {self.states}>"

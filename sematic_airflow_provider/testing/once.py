"""What does not change while a test process runs, and takes long to find out, is found out once: machine, packages, git, the code that a function reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sematic_airflow_provider.artifacts.memory_store import MemoryStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.lineage.provenance import Provenance

_Key = tuple[str | None, tuple[str, ...]]
_kept = Repository(MemoryStore())
_facts: dict[_Key, dict[str, Any]] = {}


class ProvenanceOnce:
    """Stands in for ``Provenance``: what it gathers for a source file is the same at every later step. Its artifacts are put into the run's own store."""

    def __init__(
        self, source_file: str | None, *, record_env: Sequence[str] = (), redact: Callable[[str], str] = str
    ) -> None:
        key = (source_file, tuple(record_env))
        if key not in _facts:
            gathered = Provenance(source_file, record_env=record_env, redact=redact)
            gathered.begin(_kept)
            _facts[key] = gathered.end(_kept, {})
        self.facts = dict(_facts[key])

    def begin(self, store: Repository) -> dict[str, Any]:
        """See Provenance."""
        self._bring(self.facts.get("packages"), store)
        self._bring((self.facts.get("git") or {}).get("diff"), store)
        return self.facts

    def end(self, store: Repository, seeds: dict[str, int]) -> dict[str, Any]:
        """See Provenance."""
        self.facts["seeds"] = dict(seeds) or None
        return self.facts

    def abandon(self) -> None:
        """Nothing is under way."""

    def _bring(self, record: Any, store: Repository) -> None:
        if record is None:
            return
        ref = ArtifactRef.from_json(record)
        if store.store.stat(ref.digest) is None:
            store.save(_kept.load(ref))


class Remembered:
    """A function of a function, asked once for each."""

    def __init__(self, ask: Callable[[Callable[..., Any]], Any]) -> None:
        self._ask = ask
        self._answers: dict[int, tuple[Any, Any, Exception | None]] = {}

    def __call__(self, function: Callable[..., Any]) -> Any:
        if id(function) not in self._answers:
            answer, error = None, None
            try:
                answer = self._ask(function)
            except Exception as raised:  # noqa: BLE001 - it is raised below, now and whenever asked again
                error = raised
            self._answers[id(function)] = (function, answer, error)  # kept, so that no other function gets its id
        _, answer, error = self._answers[id(function)]
        if error is not None:
            raise error
        return answer


def mapped_downstreams() -> Callable[[Any], Iterator[Any]]:
    """Stands in for the method of operators that gives the mapped nodes after a task. Airflow's own walks the whole Dag, for each task anew."""
    mapped: dict[int, list[Any]] = {}

    def after(task: Any) -> Iterator[Any]:
        dag = task.get_dag()
        if id(dag) not in mapped:
            groups = [group for group in dag.task_group.get_task_group_dict().values() if group and _is_mapped(group)]
            mapped[id(dag)] = [*(one for one in dag.tasks if one.is_mapped), *groups]
        return (one for one in mapped[id(dag)] if task.node_id in one.upstream_task_ids)

    return after


def _is_mapped(group: Any) -> bool:
    from airflow.sdk.definitions.taskgroup import MappedTaskGroup

    return isinstance(group, MappedTaskGroup)

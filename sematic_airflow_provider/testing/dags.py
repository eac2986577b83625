"""``run_dag``: a whole Dag in this process, on a store in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.store import Store, open_store
from sematic_airflow_provider.errors import DagRunFailedError
from sematic_airflow_provider.testing.asset_events import AssetEvent, AssetEvents
from sematic_airflow_provider.testing.dag_runs import configuration_of, dag_run_of
from sematic_airflow_provider.testing.fakes import Fake, with_fake
from sematic_airflow_provider.testing.outside import check_runnable
from sematic_airflow_provider.testing.results import DagResult
from sematic_airflow_provider.testing.running import Running, state_of_run
from sematic_airflow_provider.testing.selection import dag_of, selection, task_id_of
from sematic_airflow_provider.testing.step_results import MappedResult
from sematic_airflow_provider.testing.supervisor import Supervisor, utc
from sematic_airflow_provider.testing.surroundings import entered, repository_of

DEFAULT_DATE = dt.datetime(2025, 1, 1, tzinfo=dt.timezone.utc)


def run_dag(
    dag: Any,
    *,
    params: Mapping[str, Any] | None = None,
    conf: Mapping[str, Any] | None = None,
    logical_date: dt.datetime | None = None,
    run_id: str | None = None,
    fakes: Mapping[str, Fake] | None = None,
    upto: str | Sequence[str] | None = None,
    only: str | Sequence[str] | None = None,
    assets: Mapping[Any, Any] | None = None,
    variables: Mapping[str, str] | None = None,
    connections: Mapping[str, str] | None = None,
    allow: Collection[str] = (),
    cache: bool = True,
    store: Store | str | None = None,
    raise_on_failure: bool = True,
) -> DagResult:
    """Run a Dag in this process, one task after another, without a database and without any Airflow process.

    Args:
        dag: a Dag, or a function that makes one (what ``@dag`` gives).
        params: values for the Dag's params; checked as Airflow checks them.
        conf: the run's configuration.
        logical_date: the run's date; by default the Dag's start date, or 2025-01-01 UTC where it has none, so that a test says the same every day.
        run_id: the run's id; by default made of the date as Airflow does.
        fakes: by task id, what runs in the task's place. A function is called with those of the task's arguments that it has parameters for; anything
            else is the value itself.
        upto: run these tasks and what they depend on.
        only: run these tasks; what they take from others must be in ``fakes``.
        assets: by asset or its name, the value or artifact that its latest event carries: for steps that take the asset as an argument.
        variables: Airflow variables, by key.
        connections: Airflow connections, by id, as URI or JSON.
        allow: ids of tasks that may reach the outside world, and so need no fake.
        cache: whether steps may take results from the step cache.
        store: where artifacts live: a store, or the path or URL of one; by default in memory, and gone with the result.
        raise_on_failure: raise where the Dag run fails.

    Raises:
        DagRunFailedError: the Dag run failed; its ``result`` has all that came of it.
        StepError: the run is not possible as asked (an unknown task, a task that needs the outside world).
        ParamValidationError: a param has a value that its schema does not allow.
    """
    dag = dag_of(dag)
    faked = {task_id_of(dag, name): fake for name, fake in (fakes or {}).items()}
    allowed = {task_id_of(dag, name) for name in allow}
    selected = selection(dag, upto, only, faked)
    check_runnable(dag, selected, faked, allowed)
    repository = repository_of(store_of(store))
    configuration = configuration_of(dag, params, conf, cache)
    return run(
        dag,
        repository,
        selected=selected,
        fakes=faked,
        configuration=configuration,
        logical_date=utc(logical_date or dag.start_date or DEFAULT_DATE),
        run_id=run_id,
        assets=assets or {},
        variables=variables or {},
        connections=connections or {},
        raise_on_failure=raise_on_failure,
    )


def run(
    dag: Any,
    repository: Repository,
    *,
    selected: Collection[str],
    fakes: Mapping[str, Fake],
    configuration: Mapping[str, Any] | None,
    logical_date: dt.datetime,
    run_id: str | None,
    assets: Mapping[Any, Any],
    variables: Mapping[str, str],
    connections: Mapping[str, str],
    raise_on_failure: bool,
    before: Callable[[Supervisor], None] | None = None,
) -> DagResult:
    """As ``run_dag``, with everything settled. ``before`` may put XComs there."""
    events = AssetEvents(logical_date)
    for asset, value in assets.items():
        name, uri = (asset, asset) if isinstance(asset, str) else (asset.name, asset.uri)
        ref = value if isinstance(value, ArtifactRef) else repository.save(value)
        events.events.append(AssetEvent(name, uri, {"sematic": ref.to_json()}, events.next_moment()))
    running = Running(dag, selected, lambda task: _prepared(task, fakes, selected), repository)
    supervisor = Supervisor(
        dag_run_of(dag, logical_date, run_id, configuration, events), events, running.count, running.states
    )
    if before is not None:
        before(supervisor)
    with entered(repository, variables, connections):
        running.run(supervisor)
    states = {
        task_id: (one.states or [one.state]) if isinstance(one, MappedResult) else [one.state]
        for task_id, one in running.steps.items()
    }
    state = state_of_run(dag, list(running.steps), states)
    result = DagResult(dag, running.steps, state, supervisor, repository)
    if state == "failed" and raise_on_failure:
        raise failure_of(result)
    return result


def failure_of(result: DagResult) -> DagRunFailedError:
    """The error that tells which steps of a run failed, and why."""
    told = [f"{step.name} raised {type(step.error).__name__}: {step.error}" for step in result.failed]
    kept = [name for name, state in result.states.items() if state == "upstream_failed"]
    after = f"\nNot run because of that: {', '.join(kept)}" if kept else ""
    error = DagRunFailedError(f"{result.dag.dag_id} failed: " + "; ".join(told) + after, result)
    error.__cause__ = result.failed[0].error if result.failed else None
    return error


def store_of(store: Store | str | None) -> Store:
    """The store that is meant: this one, one at a path or URL, or a new one in memory."""
    from sematic_airflow_provider.artifacts.memory_store import MemoryStore

    if store is None:
        return MemoryStore()
    return open_store(str(store), create=True) if not isinstance(store, Store) else store


def _prepared(task: Any, fakes: Mapping[str, Fake], selected: Collection[str]) -> Any:
    import copy

    if task.task_id in fakes:
        task = with_fake(task, fakes[task.task_id], selected)
    if getattr(task, "compute", None) == "kubernetes":
        task = task.prepare_for_execution()
        task.compute = "local"
    elif task.is_mapped and task.partial_kwargs.get("compute") == "kubernetes":
        task = copy.copy(task)
        task.partial_kwargs = {**task.partial_kwargs, "compute": "local"}
    return task

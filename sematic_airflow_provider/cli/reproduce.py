"""Re-execute a run's steps from their recorded code and inputs, and compare what comes out."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sematic_airflow_provider.artifacts.digest import short
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.configured_store import configured_store, environment_of_children
from sematic_airflow_provider.errors import InvalidRefError, NodeNotFoundError
from sematic_airflow_provider.lineage.naming import RETURN_KEY
from sematic_airflow_provider.pod.spec import PodResult, PodTask
from sematic_airflow_provider.settings import load_settings

Verdict = Literal["identical", "different", "failed", "not reproducible"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One output of one step: recorded and new digest, and what that means."""

    step: str
    output: str
    recorded: str
    now: str
    verdict: Verdict
    detail: str = ""

    def row(self) -> dict[str, str]:
        """As it is printed, digests short."""
        return {
            "step": self.step,
            "output": self.output,
            "recorded": short(self.recorded),
            "now": short(self.now),
            "verdict": self.verdict,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A step as its events tell it; ``facet`` is its ``sematic_step``, None for a task that is no step of ours."""

    label: str
    task_id: str
    facet: dict[str, Any] | None
    seed: int | None = None


def reproduce_run(
    run: str, *, dag_id: str | None, task_ids: Sequence[str] | None, progress: Callable[[str], None]
) -> list[Outcome]:
    """Run every recorded step of a run again.

    Raises:
        NodeNotFoundError: there is no lineage of such a run, or several Dags have one.
        StoreError: the store cannot be opened.
    """
    from sematic_airflow_provider.cli.recorded import recorded_steps

    settings = load_settings()
    repository = Repository(
        configured_store(settings), inline_limit=settings.inline_limit, allow_pickle=settings.allow_pickle
    )
    environment = os.environ | environment_of_children(settings)
    steps = [step for step in recorded_steps(run, dag_id) if not task_ids or step.task_id in task_ids]
    if not steps:
        raise NodeNotFoundError(f"run {run} has no recorded step of {', '.join(task_ids or ['any task'])}")
    outcomes: list[Outcome] = []
    for number, step in enumerate(steps, start=1):
        progress(f"[{number}/{len(steps)}] {step.label}")
        outcomes.extend(
            _reproduce(
                step,
                repository,
                environment,
                allow_pickle=settings.allow_pickle,
                inline_limit=settings.inline_limit,
            )
        )
    return outcomes


def _reproduce(
    step: RecordedStep,
    repository: Repository,
    environment: Mapping[str, str],
    *,
    allow_pickle: bool,
    inline_limit: int,
) -> list[Outcome]:
    facet = step.facet
    if facet is None:
        return [Outcome(step.label, "", "", "", "not reproducible", "not a sematic task")]
    if facet.get("contextArguments"):
        names = ", ".join(facet["contextArguments"])
        return [Outcome(step.label, "", "", "", "not reproducible", f"takes {names} from Airflow's context")]
    if not facet.get("code"):
        return [
            Outcome(
                step.label,
                "",
                "",
                "",
                "not reproducible",
                str(facet.get("codeUnavailable") or "its code was not recorded"),
            )
        ]
    try:
        recorded = {key: ArtifactRef.from_json(ref) for key, ref in (facet.get("outputs") or {}).items()}
        if RETURN_KEY in recorded:
            recorded = {RETURN_KEY: recorded[RETURN_KEY]}  # what stands beside it are fields of it
        task = PodTask(
            code=ArtifactRef.from_json(facet["code"]),
            function=str(facet["function"]).rsplit(".", 1)[-1],
            module=str(facet["function"]).rpartition(".")[0],
            arguments={name: ArtifactRef.from_json(ref) for name, ref in (facet.get("arguments") or {}).items()},
            store=repository.store.url,
            result=f"results/{uuid.uuid4().hex}.json",
            multiple_outputs=bool(recorded) and RETURN_KEY not in recorded,
            inline_limit=inline_limit,
            allow_pickle=allow_pickle,
            seed=step.seed,
        )
    except InvalidRefError as error:  # an argument that was redacted, say
        return [Outcome(step.label, "", "", "", "not reproducible", str(error))]
    result = _run(task, repository, environment)
    if isinstance(result, str):
        return [Outcome(step.label, "", "", "", "failed", result)]
    return [
        _compare(step.label, key, recorded.get(key), result.outputs.get(key))
        for key in sorted({*recorded, *result.outputs})
    ]


def _run(task: PodTask, repository: Repository, environment: Mapping[str, str]) -> PodResult | str:
    """Run in a process of its own, as the step once did; the last line of its error when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "sematic_airflow_provider.pod", "--stdin"],
        input=task.to_json(),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    document = repository.store.read_document(task.result)
    if document is None:
        return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    repository.store.delete_document(task.result)
    result = PodResult.from_json(document)
    return result.error.strip().splitlines()[-1] if result.error else result


def _compare(label: str, key: str, recorded: ArtifactRef | None, now: ArtifactRef | None) -> Outcome:
    before, after = recorded.digest if recorded else "", now.digest if now else ""
    if before == after:
        return Outcome(label, key, before, after, "identical")
    return Outcome(label, key, before, after, "different")

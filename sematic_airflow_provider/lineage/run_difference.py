"""What changed between two runs, from what both have told: data, code, parameters, surroundings and outcome."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sematic_airflow_provider.lineage.shapes import mapping, pairs

Port = tuple[str, str]
"""What was read as, or written as; and what it was: a digest, or name and version."""

_HARDWARE: Final = ("cpuModel", "cpuCount", "cpuLimit", "memoryBytes", "memoryLimitBytes", "platform", "host")
_IMAGE: Final = ("image", "imageDigest")
_GIT: Final = ("commit", "branch", "remote", "dirty")
_MOST: Final = 2_000


@dataclass(frozen=True, slots=True)
class RunSide:
    """One of two runs. ``facets`` are the run's, with the job's under ``job``; ``packages`` and ``code`` what their refs stand for, where that was read."""

    state: str | None
    duration_s: float | None
    job: str
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    facets: Mapping[str, Any] = field(default_factory=dict)
    packages: Mapping[str, str] | None = None
    code: Any = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not equal. None: the run has no such thing. ``task`` is which task, where Dag runs are compared."""

    what: str
    name: str
    before: Any
    after: Any
    task: str | None = None


def difference(before: RunSide, after: RunSide) -> list[Difference]:
    """All that is not equal in two runs, in the order in which one would look for causes, outcomes last."""
    found = [Difference("job", "name", before.job, after.job)] if before.job != after.job else []
    sides: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
        ("input", _ports(before.inputs), _ports(after.inputs)),
        ("code", _code(before), _code(after)),
        ("parameter", _parameters(before.facets), _parameters(after.facets)),
        ("configuration", _configuration(before.facets), _configuration(after.facets)),
        ("package", *_packages(before, after)),
        ("git", _of(_provenance(before).get("git"), _GIT), _of(_provenance(after).get("git"), _GIT)),
        ("image", _of(_provenance(before), _IMAGE), _of(_provenance(after), _IMAGE)),
        ("environment", _environment(before.facets), _environment(after.facets)),
        ("hardware", _hardware(before), _hardware(after)),
        ("seed", mapping(_provenance(before).get("seeds")), mapping(_provenance(after).get("seeds"))),
        ("output", _ports(before.outputs), _ports(after.outputs)),
        ("metric", _metrics(before.facets), _metrics(after.facets)),
        ("error", _error(before.facets), _error(after.facets)),
        ("state", {"state": before.state}, {"state": after.state}),
        ("duration", {"seconds": before.duration_s}, {"seconds": after.duration_s}),
    ]
    for what, was, now in sides:
        found += _compared(what, was, now)
    return found


def dag_run_difference(before: Mapping[str, RunSide], after: Mapping[str, RunSide]) -> list[Difference]:
    """All that is not equal in two Dag runs, by the names of their task instances."""
    found: list[Difference] = []
    for task in sorted(before.keys() | after.keys()):
        was, now = before.get(task), after.get(task)
        if was is None or now is None:
            found.append(Difference("task", task, was.state if was else None, now.state if now else None, task))
            continue
        found += [Difference(d.what, d.name, d.before, d.after, task) for d in difference(was, now) if d.what != "job"]
    return found


def definitions(source: str) -> dict[str, tuple[str, str]]:
    """The definitions of a text of Python, by name: as they stand, and in a form that comments and layout do not change.

    A text that is no Python is one definition.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {"source": (source, source)}
    found: dict[str, tuple[str, str]] = {}
    for statement in tree.body:
        text = ast.get_source_segment(source, statement) or ast.unparse(statement)
        name = _name(statement)
        shown, normal = found.get(name, ("", ""))
        found[name] = (f"{shown}\n{text}".strip(), normal + ast.dump(statement))
    return found


def _name(statement: ast.stmt) -> str:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return statement.name
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return "imports"
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return ", ".join(names) or "other statements"


def _compared(what: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted(was.keys() | now.keys())[:_MOST]:
        old, new = was.get(name), now.get(name)
        if what == "code":
            if (old or (None, None))[1] != (new or (None, None))[1]:
                yield Difference(what, name, old and old[0], new and new[0])
        elif old != new:
            yield Difference(what, name, old, new)


def _ports(ports: Iterable[Port]) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for name, identity in sorted(set(ports)):
        found.setdefault(name, []).append(identity)
    return {name: some[0] if len(some) == 1 else some for name, some in found.items()}


def _code(side: RunSide) -> dict[str, tuple[str, str]]:
    """Definitions of the recorded code where that was read, else of the source that OpenLineage has a facet for."""
    if isinstance(side.code, str):
        return definitions(side.code)
    recorded = mapping(side.code)
    if isinstance(recorded.get("main"), str):
        found = definitions(recorded["main"])
        for module, text in mapping(recorded.get("modules")).items():
            found |= {f"{module}.{name}": told for name, told in definitions(str(text)).items()}
        return found
    source = mapping(mapping(side.facets.get("job")).get("sourceCode")).get("sourceCode")
    sql = mapping(mapping(side.facets.get("job")).get("sql")).get("query")
    found = definitions(source) if isinstance(source, str) else {}
    if isinstance(sql, str):
        found["query"] = (sql, " ".join(sql.split()))
    digest = mapping(mapping(side.facets.get("sematic_step")).get("code")).get("digest")
    if not found and isinstance(digest, str):
        found["recorded code"] = (digest, digest)
    return found


def _parameters(facets: Mapping[str, Any]) -> dict[str, Any]:
    return pairs(facets.get("executionParameters"), "parameters", "key")


def _environment(facets: Mapping[str, Any]) -> dict[str, Any]:
    return pairs(facets.get("environmentVariables"), "environmentVariables", "name")


def _configuration(facets: Mapping[str, Any]) -> dict[str, Any]:
    conf = mapping(mapping(mapping(facets.get("airflow")).get("dagRun")).get("conf"))
    engine = mapping(facets.get("processing_engine"))
    python = mapping(facets.get("sematic_provenance")).get("python")
    versions = {"python": python, f"{engine.get('name', 'engine')}": engine.get("version")}
    return {**{f"conf.{key}": value for key, value in conf.items()}, **{k: v for k, v in versions.items() if v}}


def _packages(before: RunSide, after: RunSide) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    if before.packages is not None and after.packages is not None:
        return before.packages, after.packages
    digests = [mapping(_provenance(side).get("packages")).get("digest") for side in (before, after)]
    return {"all packages": digests[0]}, {"all packages": digests[1]}


def _hardware(side: RunSide) -> dict[str, Any]:
    provenance = _provenance(side)
    devices = mapping(provenance.get("gpus")).get("devices")
    gpus = [mapping(device).get("name") for device in devices] if isinstance(devices, list) else None
    return _of(provenance, _HARDWARE) | ({"gpus": gpus} if gpus else {})


def _metrics(facets: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(facets.get("sematic_metrics")).get("metrics"))


def _error(facets: Mapping[str, Any]) -> dict[str, Any]:
    message = mapping(facets.get("errorMessage")).get("message")
    return {"message": message} if message is not None else {}


def _provenance(side: RunSide) -> Mapping[str, Any]:
    return mapping(side.facets.get("sematic_provenance"))


def _of(holder: Any, names: Iterable[str]) -> dict[str, Any]:
    told = mapping(holder)
    return {name: told[name] for name in names if told.get(name) is not None}

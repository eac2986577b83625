"""A report for people: one HTML file that tells of an artifact or a run all that its lineage knows. No scripts, nothing fetched from elsewhere."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sematic_airflow_provider.lineage.exports.checks import Check, checks_of_value
from sematic_airflow_provider.lineage.exports.facts import RunFacts, text
from sematic_airflow_provider.lineage.exports.letters import visible
from sematic_airflow_provider.lineage.exports.picture import MOST_NODES, anchor, svg
from sematic_airflow_provider.lineage.exports.subgraph import Subgraph
from sematic_airflow_provider.lineage.graph import ArtifactNode, DatasetNode, Node, RunNode
from sematic_airflow_provider.lineage.shapes import items, mapping

MEDIA_TYPE: Final = "text/html"
_MOST_CODE: Final = 4_000_000  # characters of all sources together
_MOST_ROWS: Final = 500
_HARDWARE: Final = ("host", "cpuModel", "cpuCount", "cpuLimit", "memoryBytes", "memoryLimitBytes", "gpus")
_ENVIRONMENT: Final = (
    "python",
    "platform",
    "image",
    "imageDigest",
    "containerId",
    "executor",
    "pool",
    "dagBundle",
    "providerVersion",
)


def report(part: Subgraph, documents: Mapping[str, Any] | None = None) -> str:
    """The report as an HTML document.

    Args:
        part: what it is about; its focus comes first.
        documents: contents of recorded artifacts by digest: packages (a mapping), differences to commits (text). Of others, the digests stand there.
    """
    documents = documents or {}
    runs = part.run_nodes
    checks = [(run, check) for run in runs for check in _checks(run, part)]
    return _template().render(
        part=part,
        subject=_subject(part),
        picture=svg(part.graph, f"Lineage of {part.title}"),
        not_drawn=max(len(part.graph.nodes) - MOST_NODES, 0),
        checks=checks[:_MOST_ROWS],
        checks_failed=sum(check.passed is False for _, check in checks),
        sources=_data_rows(part, [node for node in part.data_nodes if not _writers(part, node.id)]),
        results=_data_rows(part, [node for node in part.data_nodes if _writers(part, node.id)]),
        steps=_steps(part, runs),
        codes=_codes(runs, part),
        environments=_groups(runs, part, lambda facts: _environment(facts, documents)),
        machines=_groups(runs, part, _machine),
        usage=[(run, part.facts(run.id).resources) for run in runs if part.facts(run.id).resources],
        people=_people(runs, part),
        locked=[node for node in part.graph.nodes if node.locked],
        more=sorted({*part.graph.more_upstream, *part.graph.more_downstream}),
        total=len(part.graph.nodes),
    )


def _subject(part: Subgraph) -> dict[str, Any]:
    """What stands at the top: what this is about, and the run that made it."""
    nodes = part.nodes
    focus = nodes.get(part.graph.focus[0]) if part.graph.focus else None
    is_one = len(part.graph.focus) == 1
    made_by = None
    if isinstance(focus, RunNode):
        made_by = focus if is_one else None
    elif focus is not None:
        writers = [node for node_id in _writers(part, focus.id) if isinstance(node := nodes.get(node_id), RunNode)]
        made_by = next((run for run in part.run_nodes if run in writers), None)
    facts = part.facts(made_by.id) if made_by else RunFacts()
    return {
        "node": focus if is_one else None,
        "kind": _kind(focus, is_one),
        "made_by": made_by,
        "facts": facts,
        "git": facts.git,
        "known": part.data.get(focus.id) if focus is not None and is_one else None,
    }


def _kind(node: Node | None, is_one: bool) -> str:
    if not is_one or node is None:
        return "Runs"
    if isinstance(node, RunNode):
        return "Run"
    if isinstance(node, DatasetNode):
        return "Data set"
    return "Model" if (node.dataset_type or "").upper() == "MODEL" else "Artifact"


def _checks(run: RunNode, part: Subgraph) -> Iterable[Check]:
    """What a run judged: as it told, or as the report that it returned says."""
    told = part.facts(run.id).checks
    if told:
        return told
    nodes = part.nodes
    outputs = [nodes.get(node_id) for _, node_id in part.writes(run.id)]
    return [check for node in outputs if isinstance(node, ArtifactNode) for check in checks_of_value(node.value)]


def _writers(part: Subgraph, node_id: str) -> list[str]:
    return [edge.source for edge in part.into(node_id)]


def _data_rows(part: Subgraph, data: Sequence[ArtifactNode | DatasetNode]) -> list[dict[str, Any]]:
    nodes = part.nodes
    rows = []
    for node in data[:_MOST_ROWS]:
        known = part.data.get(node.id)
        rows.append(
            {
                "node": node,
                "fields": known.fields if known else (),
                "rows": known.statistics.get("rowCount") if known else None,
                "size": node.size
                if isinstance(node, ArtifactNode)
                else (known.statistics.get("size") if known else None),
                "first_seen": known.first_seen if known else None,
                "written_by": [nodes[i] for i in dict.fromkeys(_writers(part, node.id)) if i in nodes],
                "read_by": [nodes[i] for i in dict.fromkeys(e.target for e in part.out_of(node.id)) if i in nodes],
            }
        )
    return rows


def _steps(part: Subgraph, runs: Sequence[RunNode]) -> list[dict[str, Any]]:
    nodes = part.nodes
    return [
        {
            "run": run,
            "facts": part.facts(run.id),
            "reads": [(label, nodes[i]) for label, i in dict.fromkeys(part.reads(run.id)) if i in nodes][:_MOST_ROWS],
            "writes": [(label, nodes[i]) for label, i in dict.fromkeys(part.writes(run.id)) if i in nodes][:_MOST_ROWS],
        }
        for run in runs
    ]


def _codes(runs: Sequence[RunNode], part: Subgraph) -> list[dict[str, Any]]:
    """Each source once, with the runs that executed it."""
    found: dict[str, dict[str, Any]] = {}
    left = _MOST_CODE
    for run in runs:
        facts = part.facts(run.id)
        if facts.source is None:
            continue
        if facts.source not in found:
            left -= len(facts.source)
            shown = facts.source if left >= 0 else None
            found[facts.source] = {"source": shown, "facts": facts, "runs": []}
        found[facts.source]["runs"].append(run)
    return list(found.values())


def _groups(runs: Sequence[RunNode], part: Subgraph, of: Any) -> list[dict[str, Any]]:
    """Equal descriptions once, with the runs that they are true of."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        told = of(part.facts(run.id)) if not run.locked else {}
        if told:
            key = json.dumps(told, sort_keys=True, default=str)
            found.setdefault(key, {"told": told, "runs": []})["runs"].append(run)
    return list(found.values())


def _environment(facts: RunFacts, documents: Mapping[str, Any]) -> dict[str, Any]:
    provenance, git = facts.provenance, facts.git
    found: dict[str, Any] = {
        name: provenance[name] for name in _ENVIRONMENT if provenance.get(name) not in (None, "", {})
    }
    packages = text(mapping(provenance.get("packages")).get("digest"), 64)
    if packages:
        known = mapping(documents.get(packages)) or mapping(mapping(provenance.get("packages")).get("value"))
        found["packages"] = {"digest": packages, "known": {str(k): str(v) for k, v in known.items()}}
    if git:
        diff = mapping(git.get("diff"))
        digest = text(diff.get("digest"), 64)
        content = documents.get(digest or "", diff.get("value"))
        found["git"] = {
            **{name: git.get(name) for name in ("remote", "commit", "branch", "dirty", "diffUnavailable")},
            "diff_digest": digest,
            "diff": text(content) if isinstance(content, str) else None,
        }
    return found


def _machine(facts: RunFacts) -> dict[str, Any]:
    return {name: facts.provenance[name] for name in _HARDWARE if facts.provenance.get(name) not in (None, "", {}, [])}


def _people(runs: Sequence[RunNode], part: Subgraph) -> list[tuple[str, str, str]]:
    """Name, part, and what it was about."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for run in runs:
        facts = part.facts(run.id)
        if facts.triggered_by:
            what = f"{run.dag_id}, {run.dag_run_id}" + (f" ({facts.run_type})" if facts.run_type else "")
            found.setdefault((facts.triggered_by, "started the run"), {})[what] = None
        for name in facts.owners:
            found.setdefault((name, "owns the job"), {})[run.job_name or ""] = None
    return [(name, role, ", ".join(list(what)[:20])) for (name, role), what in sorted(found.items())]


@cache
def _template() -> Any:
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader("sematic_airflow_provider.lineage.exports", "templates")
    environment = Environment(loader=loader, autoescape=True, finalize=_told, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        moment=_moment, size=_size, took=_took, count=_count, plain=_plain, anchor=anchor, list_of=items
    )
    return environment.get_template("report.html.j2")


def _moment(value: Any) -> str:
    return value.astimezone(dt.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC") if isinstance(value, dt.datetime) else ""


def _size(value: Any) -> str:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return ""
    amount, units = float(value), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else ""


def _took(seconds: Any) -> str:
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        return ""
    return f"{seconds:.2f} s" if seconds < 100 else str(dt.timedelta(seconds=round(seconds)))


def _plain(value: Any) -> str:
    """Any value of a facet in one line."""
    if value is None or not isinstance(value, (str, bool, int, float, Mapping, list, tuple)):
        return ""  # also what no facet had
    if isinstance(value, bool):
        return "yes" if value else "no"
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= 2000 else shown[:2000] + "…"


def _told(value: Any) -> Any:
    """What is put into the page: never a None, nor a character that hides."""
    if isinstance(value, str):
        return visible(value)
    return "" if value is None else value

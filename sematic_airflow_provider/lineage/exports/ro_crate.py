"""RO-Crate: a folder or zip that says itself what is in it, after the profiles Process Run Crate and, of a Dag run, Workflow Run Crate.

Identifiers are made of digests and keys, so that no name can lead out of the crate; names are values.
"""

from __future__ import annotations

import datetime as dt
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from sematic_airflow_provider.artifacts.digest import digest_bytes, digest_record
from sematic_airflow_provider.lineage.exports.facts import RunFacts, text
from sematic_airflow_provider.lineage.exports.report import report
from sematic_airflow_provider.lineage.exports.subgraph import Subgraph
from sematic_airflow_provider.lineage.graph import ArtifactNode, DatasetNode, RunNode
from sematic_airflow_provider.lineage.naming import job_key, short_key

MEDIA_TYPE: Final = "application/zip"
_METADATA: Final = "ro-crate-metadata.json"
_PREVIEW: Final = "ro-crate-preview.html"
_WORKFLOW: Final = "workflow.py"
_PROCESS_RUN: Final = ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5")
_WORKFLOW_RUN: Final = (
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
_CONTEXT: Final = [
    "https://w3id.org/ro/crate/1.1/context",
    {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"},
]
_STATUS: Final = {
    "success": "http://schema.org/CompletedActionStatus",
    "failed": "http://schema.org/FailedActionStatus",
    "upstream_failed": "http://schema.org/FailedActionStatus",
}
_LICENSE: Final = "#license"
_PYTHON: Final = {"@id": "https://www.python.org/"}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of an artifact: its content, or how it looks. ``path`` is inside the crate; ``read`` gives the bytes when they are written."""

    node_id: str
    path: str
    media_type: str
    is_content: bool
    read: Callable[[], bytes]
    size: int | None = None


def write_zip(part: Subgraph, attachments: Sequence[Attachment], file: BinaryIO) -> None:
    """Write the crate as a zip. Equal parts of the lineage give equal bytes, but for the moment at which they were looked up."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, read in files(part, attachments):
            entry = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, read())


def files(part: Subgraph, attachments: Sequence[Attachment]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """All files of the crate: path, and what gives the content."""
    yield _METADATA, lambda: metadata(part, attachments)
    yield _PREVIEW, lambda: report(part).encode()
    for path, source in _sources(part).items():
        yield path, source.encode
    if part.dag_run is not None:
        yield _WORKFLOW, lambda: _workflow_text(part).encode()
    for attachment in attachments:
        yield attachment.path, attachment.read


def metadata(part: Subgraph, attachments: Sequence[Attachment] = ()) -> bytes:
    """The content of ``ro-crate-metadata.json``."""
    entities: dict[str, dict[str, Any]] = {}
    for entity in _entities(part, attachments):
        told = {name: _single(value) for name, value in entity.items() if value not in (None, [], ())}
        entities[entity["@id"]] = {**entities.get(entity["@id"], {}), **told}
    return json.dumps({"@context": _CONTEXT, "@graph": list(entities.values())}, ensure_ascii=True, indent=1).encode()


def _entities(part: Subgraph, attachments: Sequence[Attachment]) -> Iterator[dict[str, Any]]:
    profiles = [_PROCESS_RUN, *(_WORKFLOW_RUN if part.dag_run else ())]
    sources = _sources(part)
    contents = {one.node_id: one.path for one in attachments if one.is_content}
    ids = {node.id: _data_id(node.id, contents) for node in part.data_nodes}
    actions = [_action_id(run) for run in part.run_nodes]
    parts = [*([_WORKFLOW] if part.dag_run else []), *sources, *(one.path for one in attachments)]
    yield {
        "@id": _METADATA,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": [
            {"@id": "https://w3id.org/ro/crate/1.1"},
            *([{"@id": _WORKFLOW_RUN[1][0]}] if part.dag_run else []),
        ],
    }
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Lineage of {part.title}",
        "description": f"What ran, what it read and wrote, and who and what was involved: {len(part.run_nodes)} runs, "
        f"{len(part.data_nodes)} artifacts and data sets, as Apache Airflow's lineage had them.",
        "datePublished": part.made_at.isoformat(timespec="seconds"),
        "license": {"@id": _LICENSE},
        "conformsTo": [{"@id": url} for url, _, _ in profiles],
        "hasPart": [{"@id": path} for path in parts],
        "mentions": [{"@id": action} for action in [*(["#workflow-run"] if part.dag_run else []), *actions]],
        "mainEntity": {"@id": _WORKFLOW} if part.dag_run else None,
    }
    yield {
        "@id": _LICENSE,
        "@type": "CreativeWork",
        "name": "not stated",
        "description": "Ask the owners of the data and of the code.",
    }
    for url, name, version in profiles:
        yield {"@id": url, "@type": "CreativeWork", "name": name, "version": version}
    yield {"@id": _PREVIEW, "@type": "CreativeWork", "about": {"@id": "./"}, "encodingFormat": "text/html"}
    yield {"@id": _PYTHON["@id"], "@type": "ComputerLanguage", "name": "Python", "url": _PYTHON}
    for path, source in sources.items():
        yield {
            "@id": path,
            "@type": ["File", "SoftwareSourceCode"],
            "name": path,
            "encodingFormat": "text/x-python" if path.endswith(".py") else "text/plain",
            "programmingLanguage": _PYTHON if path.endswith(".py") else None,
            "contentSize": str(len(source.encode())),
            "sha256": digest_bytes(source.encode()),
        }
    for node in part.data_nodes:
        yield _data(node, ids[node.id], part, [one for one in attachments if one.node_id == node.id])
    yield from _attached(attachments, ids)
    for run in part.run_nodes:
        yield from _action(run, part, ids)
    if part.dag_run is not None:
        yield from _workflow(part, ids)


def _data(
    node: ArtifactNode | DatasetNode, entity: str, part: Subgraph, attachments: Sequence[Attachment]
) -> dict[str, Any]:
    own = next((one for one in attachments if one.is_content), None)
    kind = "File" if own is not None else "CreativeWork"
    if node.locked:
        return {"@id": entity, "@type": kind, "name": node.label}
    known = part.data.get(node.id)
    told: dict[str, Any] = {
        "@id": entity,
        "@type": kind,
        "identifier": f"urn:sematic:{node.id}",
        "dateCreated": _time(known.first_seen) if known else None,
        "contentSize": str(own.size) if own is not None and own.size is not None else None,
        "encodingFormat": own.media_type if own is not None else None,
    }
    if isinstance(node, DatasetNode):
        return told | {"name": node.name, "alternateName": node.namespace, "version": node.version}
    return told | {
        "name": node.label,
        "alternateName": list(node.names),
        "additionalType": node.type,
        "sha256": node.digest,
        "size": str(node.size) if node.size is not None else None,
        "description": f"an artifact of codec {node.codec}",
        "image": [{"@id": one.path} for one in attachments if one.media_type == "image/png" and not one.is_content],
    }


def _attached(attachments: Iterable[Attachment], ids: dict[str, str]) -> Iterator[dict[str, Any]]:
    for one in attachments:
        if not one.is_content:
            yield {
                "@id": one.path,
                "@type": "File",
                "name": "what it looks like",
                "about": {"@id": ids[one.node_id]},
                "encodingFormat": one.media_type,
                "contentSize": str(one.size) if one.size is not None else None,
            }


def _action(run: RunNode, part: Subgraph, ids: dict[str, str]) -> Iterator[dict[str, Any]]:
    reads = [{"@id": ids[node_id]} for _, node_id in part.reads(run.id)]
    writes = [{"@id": ids[node_id]} for _, node_id in part.writes(run.id)]
    tool = f"#job-{job_key(run.job_namespace or '', run.job_name or '')}" if not run.locked else "#locked"
    action: dict[str, Any] = {
        "@id": _action_id(run),
        "@type": "CreateAction",
        "name": run.label,
        "instrument": {"@id": tool},
        "object": _unique(reads),
        "result": _unique(writes),
    }
    if run.locked:
        yield {"@id": tool, "@type": "SoftwareApplication", "name": run.label}
        yield action
        return
    facts = part.facts(run.id)
    people = [*facts.owners, *([facts.triggered_by] if facts.triggered_by else [])]
    for name in people:
        yield {"@id": _person(name), "@type": "Person", "name": name}
    path = _source_path(facts)
    version = text(facts.git.get("commit"), 200)
    yield {
        "@id": tool,
        "@type": "SoftwareApplication",
        "name": run.job_name,
        "description": facts.documentation or f"{facts.function or 'a job'} of {run.job_namespace}",
        "softwareVersion": version,
        "codeRepository": text(facts.git.get("remote"), 2000),
        "hasPart": [{"@id": path}] if path else None,
        "author": _unique([{"@id": _person(name)} for name in facts.owners]),
    }
    yield action | {
        "identifier": f"urn:sematic:{run.id}",
        "description": f"{run.job_name}, {run.dag_run_id}" if run.dag_run_id else run.job_name,
        "startTime": _time(run.started_at),
        "endTime": _time(run.ended_at),
        "actionStatus": _STATUS.get(run.state or ""),
        "error": text(facts.error, 20_000),
        "agent": {"@id": _person(facts.triggered_by)} if facts.triggered_by else None,
    }


def _workflow(part: Subgraph, ids: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The Dag as a workflow, and its run as one action: what it read from outside, and what it left."""
    dag_id, dag_run_id = part.dag_run or ("", "")
    own = [run for run in part.run_nodes if (run.dag_id, run.dag_run_id) == part.dag_run and not run.locked]
    read = dict.fromkeys(node for run in own for _, node in part.reads(run.id))
    written = dict.fromkeys(node for run in own for _, node in part.writes(run.id))
    starts = [run.started_at for run in own if run.started_at]
    ends = [run.ended_at for run in own if run.ended_at]
    workflow_text = _workflow_text(part).encode()
    yield {
        "@id": _WORKFLOW,
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": dag_id,
        "conformsTo": {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"},
        "encodingFormat": "text/x-python",
        "version": digest_bytes(workflow_text),
        "description": "The functions of the Dag as they ran, in the order in which they started. The actions of this crate tell how they are connected.",
        "programmingLanguage": {"@id": "https://airflow.apache.org/"},
        "contentSize": str(len(workflow_text)),
        "sha256": digest_bytes(workflow_text),
        "hasPart": _unique([{"@id": f"#job-{job_key(run.job_namespace or '', run.job_name or '')}"} for run in own]),
    }
    yield {
        "@id": "https://airflow.apache.org/",
        "@type": "ComputerLanguage",
        "name": "Apache Airflow",
        "url": {"@id": "https://airflow.apache.org/"},
        "identifier": {"@id": "https://airflow.apache.org/"},
    }
    failed = any(run.state in ("failed", "upstream_failed") for run in own)
    yield {
        "@id": "#workflow-run",
        "@type": "CreateAction",
        "name": f"{dag_id}, {dag_run_id}",
        "description": f"The Dag run {dag_run_id} of {dag_id}",
        "instrument": {"@id": _WORKFLOW},
        "object": [{"@id": ids[node]} for node in read if node not in written],
        "result": [{"@id": ids[node]} for node in written],
        "startTime": _time(min(starts, default=None)),
        "endTime": _time(max(ends, default=None)),
        "actionStatus": _STATUS["failed" if failed else "success"],
    }


def _workflow_text(part: Subgraph) -> str:
    """One text of all functions that ran. What stands in a comment is a name, which has no line breaks there."""
    lines = [
        "# Written from the lineage of one run: each function once, as it ran. This is a record, and no file that Airflow can load."
    ]
    seen = set()
    for run in part.run_nodes:
        source = part.facts(run.id).source
        if source and source not in seen:
            seen.add(source)
            lines += ["", "", f"# {' '.join((run.job_name or run.label).split())}", source.rstrip()]
    return "\n".join(lines) + "\n"


def _sources(part: Subgraph) -> dict[str, str]:
    """The sources that ran, by their path in the crate."""
    found: dict[str, str] = {}
    for run in part.run_nodes:
        facts = part.facts(run.id)
        path = _source_path(facts)
        if path and facts.source:
            found[path] = facts.source
    return found


def _source_path(facts: RunFacts) -> str | None:
    if not facts.source:
        return None
    suffix = {"python": "py", "sql": "sql"}.get(facts.language.lower(), "txt")
    return f"code/{digest_bytes(facts.source.encode())[:16]}.{suffix}"


def _data_id(node_id: str, contents: dict[str, str]) -> str:
    return contents.get(node_id) or "#" + node_id.replace(":", "-")


def _action_id(run: RunNode) -> str:
    return "#" + run.id.replace(":", "-")


def _person(name: str) -> str:
    return f"#person-{short_key(digest_record('person', {'name': name}))}"


def _single(value: Any) -> Any:
    """A list of one is written as that one, as the specification asks for."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _time(moment: dt.datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None


def _unique(refs: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    return [{"@id": found} for found in dict.fromkeys(ref["@id"] for ref in refs)]

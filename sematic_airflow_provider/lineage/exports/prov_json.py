"""W3C PROV-JSON: entities, activities and agents, and how they are related.

Identifiers are the node ids of the graph, and digests: nothing that somebody named stands in one. Names are values, which need no more than JSON's escapes.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any, Final

from sematic_airflow_provider.artifacts.digest import digest_record
from sematic_airflow_provider.lineage.exports.facts import RunFacts, text
from sematic_airflow_provider.lineage.exports.subgraph import Subgraph
from sematic_airflow_provider.lineage.graph import ArtifactNode, DatasetNode, RunNode
from sematic_airflow_provider.lineage.naming import job_key, short_key
from sematic_airflow_provider.lineage.shapes import mapping

MEDIA_TYPE: Final = "application/json"
MOST_DERIVATIONS: Final = 400
"""Of one run. Each output is derived from each input: for a run of many of both that says nothing that use and generation do not say."""
_PREFIXES: Final = {
    "run": "urn:sematic:run:",
    "artifact": "urn:sematic:artifact:",
    "dataset": "urn:sematic:dataset:",
    "job": "urn:sematic:job:",
    "person": "urn:sematic:person:",
    "sematic": "https://github.com/sematic-ai/sematic-airflow-provider/ns#",
}


def prov_json(part: Subgraph) -> bytes:
    """The document of a part of the lineage."""
    document: dict[str, Any] = {"prefix": dict(_PREFIXES)}

    def tell(section: str, key: str, content: dict[str, Any]) -> None:
        document.setdefault(section, {})[key] = {name: value for name, value in content.items() if value is not None}

    for data in part.data_nodes:
        tell("entity", data.id, _entity(data, part))
    for run in part.run_nodes:
        tell("activity", run.id, _activity(run, part.facts(run.id)))
        for number, (section, content) in enumerate(_relations(run, part)):
            tell(section, f"_:{_short(section)}-{run.id.partition(':')[2]}-{number}", content)
        if not run.locked:
            for section, key, content in _agents(run, part.facts(run.id)):
                tell(section, key, content)
    return json.dumps(document, ensure_ascii=True, indent=1).encode()


def _entity(node: ArtifactNode | DatasetNode, part: Subgraph) -> dict[str, Any]:
    if node.locked:
        return {"prov:label": node.label, "sematic:locked": True}
    known = part.data.get(node.id)
    told: dict[str, Any] = {
        "prov:label": node.label,
        "sematic:firstSeen": _time(known.first_seen) if known else None,
        "sematic:rowCount": _whole(known.statistics.get("rowCount")) if known else None,
    }
    if isinstance(node, DatasetNode):
        return told | {
            "prov:type": "sematic:Dataset",
            "sematic:namespace": node.namespace,
            "sematic:name": node.name,
            "sematic:version": node.version,
        }
    return told | {
        "prov:type": "sematic:Model" if (node.dataset_type or "").upper() == "MODEL" else "sematic:Artifact",
        "sematic:sha256": node.digest,
        "sematic:codec": node.codec,
        "sematic:pythonType": node.type,
        "sematic:bytes": _whole(node.size),
        "sematic:name": list(node.names) or None,
    }


def _activity(run: RunNode, facts: RunFacts) -> dict[str, Any]:
    if run.locked:
        return {"prov:label": run.label, "sematic:locked": True}
    git, provenance = facts.git, facts.provenance
    return {
        "prov:startTime": run.started_at.isoformat() if run.started_at else None,
        "prov:endTime": run.ended_at.isoformat() if run.ended_at else None,
        "prov:label": run.label,
        "prov:type": "sematic:Run",
        "sematic:state": run.state,
        "sematic:dag": run.dag_id,
        "sematic:dagRun": run.dag_run_id,
        "sematic:task": run.task_id,
        "sematic:mapIndex": run.map_index if run.map_index is not None and run.map_index >= 0 else None,
        "sematic:try": run.try_number or None,
        "sematic:cache": run.cache,
        "sematic:function": facts.function,
        "sematic:gitRemote": text(git.get("remote"), 2000),
        "sematic:gitCommit": text(git.get("commit"), 200),
        "sematic:gitDirty": git.get("dirty") if isinstance(git.get("dirty"), bool) else None,
        "sematic:python": text(provenance.get("python"), 80),
        "sematic:platform": text(provenance.get("platform"), 250),
        "sematic:host": text(provenance.get("host"), 250),
        "sematic:image": text(provenance.get("imageDigest"), 500) or text(provenance.get("image"), 500),
        "sematic:packages": text(mapping(provenance.get("packages")).get("digest"), 64),
        "sematic:error": text(facts.error, 2000),
    }


def _relations(run: RunNode, part: Subgraph) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a run used, generated, and derived from what; labels are the arguments and outputs."""
    used = list(dict.fromkeys(part.reads(run.id)))
    generated = list(dict.fromkeys(part.writes(run.id)))
    for label, entity in used:
        yield "used", {"prov:activity": run.id, "prov:entity": entity, "prov:role": label or None}
    for label, entity in generated:
        yield "wasGeneratedBy", {"prov:entity": entity, "prov:activity": run.id, "prov:role": label or None}
    sources, results = dict.fromkeys(e for _, e in used), dict.fromkeys(e for _, e in generated)
    if len(sources) * len(results) > MOST_DERIVATIONS:
        return
    for result in results:
        for source in sources:
            if result != source:
                yield (
                    "wasDerivedFrom",
                    {"prov:generatedEntity": result, "prov:usedEntity": source, "prov:activity": run.id},
                )


def _agents(run: RunNode, facts: RunFacts) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The job, which ran; who owns it, and who asked for it; and the code, which was its plan."""
    run_id = run.id.partition(":")[2]
    job = f"job:{job_key(run.job_namespace or '', run.job_name or '')}"
    yield (
        "agent",
        job,
        {
            "prov:type": {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"},
            "prov:label": run.job_name,
            "sematic:namespace": run.job_namespace,
            "sematic:integration": facts.integration,
        },
    )
    plan = f"artifact:{facts.code_digest}" if _is_digest(facts.code_digest) else None
    if plan is not None:
        plan_type = {"$": "prov:Plan", "type": "prov:QUALIFIED_NAME"}
        yield (
            "entity",
            plan,
            {"prov:type": plan_type, "prov:label": f"code of {facts.function}", "sematic:sha256": facts.code_digest},
        )
    associated = {"prov:activity": run.id, "prov:agent": job, "prov:plan": plan}
    yield "wasAssociatedWith", f"_:a-{run_id}-job", associated
    for name in facts.owners:
        yield "agent", _person(name), _is_person(name)
        yield (
            "actedOnBehalfOf",
            f"_:o-{job_key(job, name)}",
            {"prov:delegate": job, "prov:responsible": _person(name), "prov:role": "owner"},
        )
    if facts.triggered_by:
        yield "agent", _person(facts.triggered_by), _is_person(facts.triggered_by)
        associated = {"prov:activity": run.id, "prov:agent": _person(facts.triggered_by), "prov:role": "triggered by"}
        yield "wasAssociatedWith", f"_:a-{run_id}-by", associated


def _person(name: str) -> str:
    return f"person:{short_key(digest_record('person', {'name': name}))}"


def _is_person(name: str) -> dict[str, Any]:
    return {"prov:type": {"$": "prov:Person", "type": "prov:QUALIFIED_NAME"}, "prov:label": name}


def _is_digest(value: str | None) -> bool:
    return value is not None and len(value) == 64 and set(value) <= set("0123456789abcdef")


def _short(section: str) -> str:
    return {"used": "u", "wasGeneratedBy": "g"}.get(section, "d")


def _whole(value: Any) -> dict[str, str] | None:
    """As ``xsd:long``: a plain number would be taken for an ``xsd:int``, which ends at two thousand million."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return {"$": str(value), "type": "xsd:long"}


def _time(moment: dt.datetime | None) -> dict[str, str] | None:
    return {"$": moment.isoformat(), "type": "xsd:dateTime"} if moment else None

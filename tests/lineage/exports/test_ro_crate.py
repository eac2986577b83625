"""RO-Crates, read by the reference library, and judged by the validator of the profiles where that is installed."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rocrate
from rocrate.rocrate import ROCrate

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.lineage.exports.ro_crate import Attachment, files, metadata, write_zip
from sematic_airflow_provider.lineage.exports.subgraph import Subgraph
from tests.lineage.exports.parts import hostile_events, part_of, recorded, two_dags

PARTS = {
    "recorded": lambda: part_of(recorded(), "mixed_with_plain_tasks"),
    "failed": lambda: part_of(recorded("mapped_failed_skipped"), "recorded"),
    "hostile": lambda: part_of(hostile_events(), "hostile"),
    "locked": lambda: part_of(two_dags(), "open_shop", lambda dag_id: dag_id == "open_shop"),
}


def _unpacked(part: Subgraph, folder: Path, attachments: list[Attachment] | None = None) -> Path:
    target = io.BytesIO()
    write_zip(part, attachments or [], target)
    with zipfile.ZipFile(target) as packed:
        packed.extractall(folder)
    return folder


@pytest.mark.parametrize("name", PARTS)
def test_actions_and_data_are_those_of_the_graph(name: str, tmp_path: Path) -> None:
    part = PARTS[name]()
    crate = ROCrate(_unpacked(part, tmp_path))
    kinds = Counter(kind for e in crate.get_entities() for kind in ([e.type] if isinstance(e.type, str) else e.type))
    assert kinds["CreateAction"] == len(part.run_nodes) + 1  # and the Dag run
    told = {e["identifier"] for e in crate.get_entities() if str(e.get("identifier", "")).startswith("urn:sematic:")}
    assert told == {f"urn:sematic:{node.id}" for node in part.graph.nodes if not node.locked}
    assert crate.mainEntity.id == "workflow.py"
    actions = [e for e in crate.get_entities() if e.type == "CreateAction" and e.id != "#workflow-run"]
    uses = sum(len(_list(action.get("object"))) for action in actions)
    assert uses == len({(e.source, e.target) for e in part.graph.edges if e.kind == "read"})


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value is not None else []


def test_every_file_that_is_told_of_is_there_with_its_digest(tmp_path: Path) -> None:
    part = part_of(recorded(), "mixed_with_plain_tasks")
    content = b"bytes of the artifact"
    node = part.data_nodes[0].id
    attachments = [
        Attachment(node, "artifacts/0.bin", "application/octet-stream", True, lambda: content, len(content)),
        Attachment(node, "previews/0.png", "image/png", False, lambda: b"png", 3),
    ]
    folder = _unpacked(part, tmp_path, attachments)
    entities = {e["@id"]: e for e in json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]}
    told = {one["@id"] for one in entities["./"]["hasPart"]}
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert told == there - {"ro-crate-metadata.json", "ro-crate-preview.html"}
    for path in (p for p in told if p.startswith(("code/", "workflow"))):
        assert entities[path]["sha256"] == digest_bytes((folder / path).read_bytes())
    assert (folder / "artifacts/0.bin").read_bytes() == content
    assert entities["artifacts/0.bin"]["identifier"] == f"urn:sematic:{node}"
    assert "def highest" in (folder / "workflow.py").read_text()


def test_hostile_names_lead_nowhere(tmp_path: Path) -> None:
    paths = [path for path, _ in files(part_of(hostile_events(), "hostile"), [])]
    assert all(not path.startswith("/") and ".." not in path for path in paths)
    assert all(set(path) <= set("abcdefghijklmnopqrstuvwxyz0123456789-./") for path in paths)
    identifiers = {e["@id"] for e in json.loads(metadata(part_of(hostile_events(), "hostile")))["@graph"]}
    assert not [i for i in identifiers if "script" in i or "passwd" in i or " " in i]
    assert (
        "\n# </title><script>"
        not in (_unpacked(part_of(hostile_events(), "hostile"), tmp_path) / "workflow.py")
        .read_text()
        .split("\n# ", 1)[0]
    )


def test_equal_parts_give_equal_bytes() -> None:
    part = part_of(recorded(), "mixed_with_plain_tasks")
    first, second = io.BytesIO(), io.BytesIO()
    write_zip(part, [], first)
    write_zip(part, [], second)
    assert first.getvalue() == second.getvalue()


@pytest.mark.thorough
@pytest.mark.parametrize("profile", ["process-run-crate-0.5", "workflow-run-crate-0.5"])
@pytest.mark.parametrize("name", PARTS)
def test_the_validator_of_the_profiles_finds_nothing_that_must_be_otherwise(
    name: str, profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It needs an earlier rich than our other tools, so it is not among what `make` installs: pip install roc-validator
    pytest.importorskip("rocrate_validator")
    from rocrate_validator import models, services

    _serve_context(monkeypatch)
    part = PARTS[name]()
    folder = _unpacked(part if profile.startswith("workflow") else replace(part, dag_run=None), tmp_path)
    settings = services.ValidationSettings(
        rocrate_uri=str(folder),
        profile_identifier=profile,
        requirement_severity=models.Severity.REQUIRED,
        validate_profile_checks=False,
    )
    found = services.validate(settings)
    assert [(issue.check.identifier, issue.message) for issue in found.get_issues()] == []
    assert found.passed(models.Severity.REQUIRED)


def _serve_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """The JSON-LD context of RO-Crate from its library: tests have no network."""
    import rdflib.plugins.shared.jsonld.context as context
    import requests
    from rocrate_validator.utils.http import HttpRequester

    text = (Path(rocrate.__file__).parent / "data/ro-crate.jsonld").read_bytes()
    # The library has that of RO-Crate 1.2, which has moved this one term.
    text = text.replace(
        b"https://bioschemas.org/terms/ComputationalWorkflow", b"https://bioschemas.org/ComputationalWorkflow"
    )

    def answer(*arguments: Any, **options: Any) -> requests.Response:
        made = requests.Response()
        made.status_code, made._content, made.headers["Content-Type"] = 200, text, "application/ld+json"
        return made

    monkeypatch.setattr(HttpRequester, "get", answer, raising=False)
    monkeypatch.setattr(context, "source_to_json", lambda *arguments, **options: (json.loads(text), None))

"""``airflow sematic lineage export`` and ``report``, with a database and a store."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from prov.model import ProvDocument
from rocrate.rocrate import ROCrate

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.lineage.events import parse_event
from tests.cli.deployment import Deployment
from tests.events import run_id, task_event


@pytest.fixture
def stored(deployment: Deployment) -> ArtifactRef:
    """What a step read and wrote, stored, and the events of it and of the step before."""
    rows = deployment.repository.save(b"rows" * 100, name="flow.load.return_value")
    model = deployment.repository.save(b"weights" * 100, name="flow.train.return_value")
    packages = deployment.repository.save({f"package{n}": "1.0" for n in range(200)})
    provenance = {"python": "3.11.7", "host": "worker-1", "packages": packages.to_json()}
    events = [
        task_event("COMPLETE", "load", second=1, writes={"return_value": rows}),
        task_event(
            "COMPLETE",
            "train",
            second=2,
            reads={"rows": rows},
            writes={"return_value": model},
            facets={"sematic_provenance": provenance},
        ),
    ]
    with deployment.session() as session:
        ingest(session, [parse_event(event) for event in events])
    return model


def test_any_form_is_written_around_any_thing(deployment: Deployment, stored: ArtifactRef, tmp_path: Path) -> None:
    run = run_id("flow", "run1", "train", -1, 1)
    for number, what in enumerate(
        ("flow/run1", run, f"run:{run}", stored.digest, stored.digest[:10], f"artifact:{stored.digest}")
    ):
        target = tmp_path / f"{number}.json"
        done = deployment.sematic("lineage", "export", what, "--format", "prov-json", "-o", str(target))
        assert (done.status, done.err) == (0, f"written to {target}\n")
        assert len(ProvDocument.deserialize(str(target), format="json").get_records()) > 5
    lines = deployment.sematic("lineage", "export", "flow/run1", "--format", "openlineage", "-o", "-").out.splitlines()
    assert [json.loads(line)["job"]["name"] for line in lines] == ["flow.load", "flow.train"]
    assert b"<svg" in deployment.sematic("lineage", "export", run, "--format", "svg", "-o", "-").out


def test_a_crate_has_the_contents_of_its_artifacts_when_asked(
    deployment: Deployment, stored: ArtifactRef, tmp_path: Path
) -> None:
    command = ("lineage", "export", "flow/run1", "--format", "ro-crate", "--files", "contents", "-o")
    assert deployment.sematic(*command, str(tmp_path / "crate.zip")).status == 0
    assert deployment.sematic(*command, str(tmp_path / "crate")).status == 0
    name = f"artifacts/{stored.digest}.bin"
    assert digest_bytes((tmp_path / "crate" / name).read_bytes()) == stored.digest
    with zipfile.ZipFile(tmp_path / "crate.zip") as packed:
        assert packed.read(name) == (tmp_path / "crate" / name).read_bytes()
    crate = ROCrate(tmp_path / "crate")
    assert crate.get(name)["sha256"] == stored.digest
    small = deployment.sematic(*command, str(tmp_path / "small.zip"), "--largest", "0.0001")
    assert "2 artifacts are not in it" in small.err


def test_a_report_has_the_packages_from_the_store(deployment: Deployment, stored: ArtifactRef, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    assert deployment.sematic("lineage", "report", stored.digest, "-o", str(target)).status == 0
    page = target.read_text()
    assert "package199" in page
    assert stored.digest in page


@pytest.mark.parametrize("form", ["openlineage", "svg"])
def test_an_export_that_was_cut_says_so(deployment: Deployment, stored: ArtifactRef, form: str) -> None:
    command = ("lineage", "export", stored.digest, "--format", form, "-o", "-")
    assert deployment.sematic(*command).err == ""
    assert "it was cut at --max-nodes" in deployment.sematic(*command, "--max-nodes", "2").err


def test_files_are_not_replaced_unless_that_is_asked(
    deployment: Deployment, stored: ArtifactRef, tmp_path: Path
) -> None:
    target = tmp_path / "report.html"
    target.write_text("mine")
    command = ("lineage", "report", stored.digest, "-o", str(target))
    refused = deployment.sematic(*command)
    assert (refused.status, target.read_text()) == (1, "mine")
    assert "--force" in refused.err
    assert deployment.sematic(*command, "--force").status == 0
    assert target.read_text() != "mine"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "what", ["flow/none", "run:00000000-0000-0000-0000-000000000000", "dataset:" + "0" * 64, "0" * 64]
)
def test_what_has_no_lineage_is_told(deployment: Deployment, stored: ArtifactRef, what: str) -> None:
    done = deployment.sematic("lineage", "export", what, "--format", "svg", "-o", "-")
    assert (done.status, done.out) == (1, b"")
    assert "lineage" in done.err

"""How people say which artifact they mean."""

from __future__ import annotations

import json

import pytest

from sematic_airflow_provider.artifacts import pointers
from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.cli.addresses import Found, find
from sematic_airflow_provider.errors import ArtifactError, NodeNotFoundError, SematicError
from tests.cli.deployment import Deployment
from tests.events import ref, task_event

LONG = "y" * 2000


def found(deployment: Deployment, text: str) -> Found:
    with deployment.session() as session:
        return find(session, deployment.store, text)


def test_every_form_leads_to_the_same_artifact(deployment: Deployment) -> None:
    saved = deployment.save(LONG, "flow.a.return_value")
    deployment.run("flow", "manual__2026-11-24T08:00:00+00:00", tasks=["group.a"])
    deployment.xcom("flow", "manual__2026-11-24T08:00:00+00:00", "group.a", saved.to_json())
    deployment.tell(task_event("COMPLETE", "a", writes={"return_value": saved}))
    pointers.set_pointer(deployment.store, "models/x@production", saved, by="me")
    forms = (
        saved.digest,
        saved.digest[:12],
        saved.digest[:4],
        json.dumps(saved.to_json()),
        "models/x@production",
        "flow/manual__2026-11-24T08:00:00+00:00/group.a",
        "flow/manual__2026-11-24T08:00:00+00:00/group.a:return_value",
    )
    for form in forms:
        assert found(deployment, form) == Found(saved.digest, saved), form


def test_mapped_tasks_and_other_keys_are_told_apart(deployment: Deployment) -> None:
    saved = [deployment.save(f"{number}{LONG}") for number in range(3)]
    deployment.run("flow", "r")
    for index in (0, 1):
        deployment.task("flow", "r", "m", map_index=index)
        deployment.xcom("flow", "r", "m", saved[index].to_json(), map_index=index)
    deployment.xcom("flow", "r", "m", saved[2].to_json(), map_index=1, key="an odd: key")
    assert found(deployment, "flow/r/m[0]").digest == saved[0].digest
    assert found(deployment, "flow/r/m[1]").digest == saved[1].digest
    assert found(deployment, "flow/r/m:an odd: key[1]").digest == saved[2].digest
    with pytest.raises(NodeNotFoundError, match=r"there are :an odd: key\[1\], :return_value\[0\], :return_value\[1\]"):
        found(deployment, "flow/r/m")


def test_an_output_whose_xcom_is_deleted_is_found_by_lineage(deployment: Deployment) -> None:
    saved = deployment.save(LONG, "flow.a.return_value")
    deployment.tell(task_event("COMPLETE", "a", writes={"return_value": saved}))
    assert found(deployment, "flow/run1/a").digest == saved.digest


def test_an_xcom_that_is_no_artifact_is_told_as_such(deployment: Deployment) -> None:
    deployment.run("flow", "r", tasks=["a"])
    deployment.xcom("flow", "r", "a", 5)
    with pytest.raises(ArtifactError, match="is no artifact"):
        found(deployment, "flow/r/a")


def test_a_beginning_that_several_have_names_them(deployment: Deployment) -> None:
    made = [ref(f"flow.t{number}.return_value", str(number)) for number in range(700)]
    first = next(one for one in made if sum(other.digest[:4] == one.digest[:4] for other in made) == 1)
    twins = next(
        (one, other)
        for one in made
        for other in made
        if one.digest < other.digest and one.digest[:4] == other.digest[:4]
    )
    deployment.tell(
        *(task_event("COMPLETE", f"t{number}", writes={"return_value": one}) for number, one in enumerate(made))
    )
    assert found(deployment, first.digest[:4]).digest == first.digest
    with pytest.raises(NodeNotFoundError, match=f"several.*{twins[0].digest}, {twins[1].digest}"):
        found(deployment, twins[0].digest[:4])


def test_a_beginning_that_no_lineage_knows_is_looked_for_in_the_store(deployment: Deployment) -> None:
    saved = deployment.save(LONG)
    assert found(deployment, saved.digest[:10]) == Found(saved.digest, None)
    with pytest.raises(NodeNotFoundError, match="no artifact's digest begins with"):
        found(deployment, digest_bytes(b"other")[:10])


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "abc",
        "../../etc/passwd",
        "../x@production",
        "a/../b@c",
        "/etc/passwd@x",
        "a//b@c",
        "flow/r",
        "flow/r/../../x",
        "flow/r/a[x]",
        "flow/r/a[99999999999]",
        "flow/r/a:",
        "%' or 1=1 --",
        "{",
        "{}",
        '{"sematic": 1, "digest": "../../x", "codec": "json/1", "type": "x", "size": 1}',
        '{"sematic": 99, "digest": "' + "0" * 64 + '", "codec": "json/1", "type": "x", "size": 1}',
        "[" * 5000,
        "{" * 5000,
        "G" * 64,
        "a\0b@c",
        "x" * 100_000,
    ],
)
def test_what_says_no_artifact_is_refused_in_words(deployment: Deployment, hostile: str) -> None:
    with pytest.raises(SematicError) as caught:
        found(deployment, hostile)
    assert 0 < len(str(caught.value)) < 1000

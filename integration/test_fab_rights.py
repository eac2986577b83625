"""Rights Dag by Dag, with the auth manager that has them: Flask-AppBuilder's, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_home import ROOT, run_airflow

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"

# A role that may read and edit one Dag, and the runs and task instances of the Dags it may read.
SCRIPT = """
import json, sys
from airflow.api_fastapi.app import create_app, get_auth_manager
from fastapi.testclient import TestClient
from tests.events import pipeline, ref, run_id, task_event

API = "/sematic/api/v1"
shared = ref("mine.train.return_value", "train")
with TestClient(create_app(apps="core"), base_url="http://testserver") as client:
    manager = get_auth_manager()
    from airflow.providers.fab.www.app import create_app as flask_app
    with flask_app(enable_plugins=False).app_context():
        sm = manager.security_manager
        rights = [(action, resource) for resource in ("DAG Runs", "Task Instances", "DAG:mine") for action in ("can_read", "can_edit")]
        limited = sm.add_role("Limited")
        for action, resource in rights:
            sm.add_permission_to_role(limited, sm.create_permission(action, resource))
        for name, role in (("limited", limited), ("viewer", sm.find_role("Viewer")), ("admin", sm.find_role("Admin"))):
            assert sm.add_user(name, name, name, f"{name}@x.yz", role, password=name)
        tokens = {n: manager.generate_jwt(sm.find_user(username=n)) for n in ("limited", "viewer", "admin")}

    def ask(user, method, path, **kwargs):
        return client.request(method, API + path, headers={"Authorization": f"Bearer {tokens[user]}"}, **kwargs)

    events = [*pipeline("mine"), *pipeline("theirs", seed="other"), task_event("COMPLETE", "use", dag_id="theirs", reads={"model": shared})]
    spark = task_event("COMPLETE", "spark")
    spark["run"]["facets"] = {}
    found = {"seeded": ask("admin", "POST", "/lineage/batch", json=[*events, spark]).status_code}
    theirs = run_id("theirs", "run1", "train", -1, 1)
    takeover = task_event("OTHER", "train", dag_id="mine")
    takeover["run"]["runId"] = theirs
    for user in ("limited", "viewer"):
        graph = ask(user, "GET", "/dags/mine/graph")
        found[user] = {
            "mine": graph.status_code,
            "theirs": ask(user, "GET", "/dags/theirs/graph").status_code,
            "their run": ask(user, "GET", f"/runs/{theirs}").status_code,
            "their artifact": ask(user, "GET", "/artifacts/" + ref("x", "trainother").digest).status_code,
            "their artifact's preview": ask(user, "GET", f"/artifacts/{ref('x', 'trainother').digest}/preview").status_code,
            "their artifact's picture": ask(user, "GET", f"/artifacts/{ref('x', 'trainother').digest}/preview.png").status_code,
            "their artifact's graph": ask(user, "GET", f"/artifacts/{ref('x', 'trainother').digest}/graph").status_code,
            "my artifact": ask(user, "GET", f"/artifacts/{shared.digest}").status_code,
            "run of no Dag": ask(user, "GET", f"/runs/{spark['run']['runId']}").status_code,
            "locked": sorted((n["kind"], n["dag_id"]) for n in graph.json()["nodes"] if n["locked"]),
            "locked consumers": sum(n["locked"] for n in ask(user, "GET", f"/artifacts/{shared.digest}").json()["consumers"]),
            "post mine": ask(user, "POST", "/lineage", json=task_event("OTHER", "train", dag_id="mine", second=99)).status_code,
            "post theirs": ask(user, "POST", "/lineage", json=task_event("OTHER", "train", dag_id="theirs", second=99)).status_code,
            "post of no Dag": ask(user, "POST", "/lineage", json=spark | {"eventType": "OTHER"}).status_code,
            "take over their run": ask(user, "POST", "/lineage", json=takeover).status_code,
        }
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("fab")),
        "AIRFLOW__CORE__AUTH_MANAGER": FAB,
        "AIRFLOW__SEMATIC__DRAIN_INTERVAL": "0",
    }
    run_airflow("db", "migrate", **home)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **home, "PYTHONPATH": str(ROOT)},
        cwd=Path(home["AIRFLOW_HOME"]),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    assert lines, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(lines[0].removeprefix("FOUND"))


def test_a_user_with_rights_to_one_dag_reads_that_dag_only(found: Any) -> None:
    """An auth manager that is asked about no Dag in particular would say yes: the user may list Dags."""
    assert found["seeded"] == 204
    expected = {
        "mine": 200,
        "theirs": 403,
        "their run": 403,
        "their artifact": 403,
        "their artifact's graph": 403,
        "their artifact's preview": 403,
        "their artifact's picture": 403,
        "my artifact": 200,
        "run of no Dag": 403,
        "locked": [["run", None]],
        "locked consumers": 1,
    }
    assert {key: found["limited"][key] for key in expected} == expected


def test_a_user_who_may_read_all_dags_reads_all(found: Any) -> None:
    viewer = found["viewer"]
    assert [viewer[key] for key in ("mine", "theirs", "their run", "their artifact", "run of no Dag")] == [200] * 5
    assert viewer["their artifact's preview"] == viewer["their artifact's picture"] == 404, (
        "made-up artifacts have none"
    )
    assert (viewer["locked"], viewer["locked consumers"]) == ([], 0)


def test_a_user_posts_for_the_dags_they_may_edit_only(found: Any) -> None:
    posts = ("post mine", "post theirs", "post of no Dag", "take over their run")
    assert [found["limited"][key] for key in posts] == [201, 403, 403, 403]
    assert [found["viewer"][key] for key in posts] == [403] * 4

"""The application by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient


def _calls(dependant: Any) -> Iterator[Any]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _calls(inner)


def test_every_route_asks_who_is_there(migrated_home: str) -> None:
    """A new route that forgets to ask fails here."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi.routing import APIRoute

    from sematic_airflow_provider.server.access import poster
    from sematic_airflow_provider.server.app import create_app

    routes = [route for route in create_app().routes if isinstance(route, APIRoute)]
    assert "/api/v1/runs/{run_id}" in {route.path for route in routes}
    open_to_all = {route.path for route in routes if not {get_user, poster} & set(_calls(route.dependant))}
    assert open_to_all <= {"/static/{path:path}"}


def test_a_missing_bundle_says_so_and_the_api_works(migrated_home: str, tmp_path: Path) -> None:
    from sematic_airflow_provider.server.app import create_app

    client = TestClient(create_app(tmp_path / "none"))
    answer = client.get("/static/main.js")
    assert (answer.status_code, "not built" in answer.json()["detail"]) == (404, True)
    assert client.post("/api/v1/lineage", json={}).status_code == 401


def test_a_bundle_is_served(migrated_home: str, tmp_path: Path) -> None:
    from sematic_airflow_provider.server.app import create_app

    (tmp_path / "main.js").write_text("export {}")
    client = TestClient(create_app(tmp_path))
    assert client.get("/static/main.js").text == "export {}"
    assert client.get("/static/../app.py").status_code == 404

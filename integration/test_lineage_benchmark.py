"""The benchmark of lineage on PostgreSQL, at a scale where its figures say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from benchmarks import lineage
from benchmarks.lineage import server
from benchmarks.lineage.fill import Store, WrongRowsError
from benchmarks.lineage.server import Servers
from benchmarks.lineage.world import GROUP, World


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the databases of one test are kept, for the next must not find what this one has falsified; PostgreSQL's user must be able to go there."""
    made = tmp_path_factory.mktemp("bench")
    for above in (made, *made.parents[:3]):
        above.chmod(above.stat().st_mode | 0o011)
    return made


def test_multiplied_days_have_the_rows_that_the_ingest_makes_and_others_are_noticed(folder: Path) -> None:
    servers = Servers(folder / "lineage")
    try:
        store = Store(servers, World(GROUP), 4)
        store.fill()
        assert store.check() > 500
        with store.engine.begin() as connection:
            connection.execute(text("UPDATE sematic_run SET map_index = map_index + 1 WHERE first_at > '2026-01-03'"))
        with pytest.raises(WrongRowsError, match="map_index"):
            store.check()
        store.close()
    finally:
        servers.stop()


def test_the_benchmark_runs_to_its_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server, "PLACE", folder)
    cases = ("http", "queries", "disk", "sqlite")
    code = lineage.main(["--scale", "0.0005", "--samples", "2", "--no-keep", "--cases", *cases])
    lines = capsys.readouterr().out.splitlines()
    table = lines[1 : lines.index("")]
    assert {line.split()[0] for line in table} >= {"ingest", "query", "disk"}
    assert lines[-1].startswith("missed: " if code else "met")

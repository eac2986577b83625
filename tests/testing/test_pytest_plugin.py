"""The plugin in a pytest of its own, as users have it: in a home without Airflow, without configuration."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

FLOW = """
from airflow.sdk import dag
from sematic_airflow_provider import sematic_task


@sematic_task(cache=True)
def numbers(n: int) -> list[int]:
    return list(range(n))


@sematic_task
def total(xs: list[int]) -> int:
    return sum(xs)


@dag(schedule=None)
def flow():
    total(numbers(4))


flow()
"""


def run_pytest(folder: Path, tests: str) -> str:
    """Run these tests beside the Dag file; what pytest said."""
    home = folder / "home"
    home.mkdir()
    (folder / "flow.py").write_text(FLOW)
    (folder / "test_it.py").write_text(textwrap.dedent(tests))
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "OPENLINEAGE", "PYTEST"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)],
        cwd=folder,
        env=kept | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_fixtures_are_there_and_need_no_airflow_home_and_no_database(tmp_path: Path) -> None:
    """And a failure is told with the step's own error."""
    output = run_pytest(
        tmp_path,
        """
        import flow


        def test_run(sematic_run, sematic_store):
            result = sematic_run(flow.flow)
            assert result["total"].value == 6
            assert result.store is sematic_store
            assert result["numbers"].cache == "miss"
            assert sematic_run(flow.flow)["numbers"].cache == "hit"


        def test_another_test_has_another_store(sematic_run):
            assert sematic_run(flow.flow)["numbers"].cache == "miss"


        def test_step_and_replay(sematic_step, sematic_replay):
            step = sematic_step(flow.total, [1, 2])
            assert step.value == 3
            assert sematic_replay(step).reproduced


        def test_lineage(sematic_run):
            assert sematic_run(flow.flow).ancestors("total") == {"numbers"}


        def test_failure(sematic_run):
            sematic_run(flow.flow, fakes={"numbers": lambda n: 1 / 0})
        """,
    )
    assert "1 failed, 4 passed" in output, output
    assert "DagRunFailedError: flow failed: numbers raised ZeroDivisionError: division by zero" in output
    assert "Not run because of that: total" in output
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".db", ".cfg")], files


def test_who_does_not_use_it_pays_nothing(tmp_path: Path) -> None:
    output = run_pytest(
        tmp_path,
        """
        import sys


        def test_nothing_is_loaded(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("sematic")
            ours = {name for name in sys.modules if name.startswith("sematic_airflow_provider")}
            assert ours == {
                "sematic_airflow_provider",
                "sematic_airflow_provider.testing",
                "sematic_airflow_provider.testing.pytest_plugin",
            }
            for heavy in ("airflow", "pandas", "numpy", "pydantic", "sqlalchemy", "fsspec"):
                assert heavy not in sys.modules, heavy
        """,
    )
    assert "1 passed" in output, output

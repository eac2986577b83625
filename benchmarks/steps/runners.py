"""A chain of steps run by each system's runner for laptops and tests, in a fresh process: what its run takes, the imports left out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.environments import HERE, PLACE, NotInstallableError, Peer, known_peers, python_of
from benchmarks.runs import FailedError, reason_of, surroundings

SECONDS = 1500
STEPS = 300

_TIMED = """
import json, os, sys, time
from pathlib import Path

STEPS = int(os.environ["STEPS"])


def timed(run, expected=STEPS):
    started = time.perf_counter()
    value = run()
    seconds = time.perf_counter() - started
    if value is not None and value != expected:
        sys.exit(f"the chain gave {value} instead of {expected}")
    Path(os.environ["ANSWER"]).write_text(json.dumps(seconds))

"""
_OURS = """
from airflow.sdk import DAG
from sematic_airflow_provider import sematic_task
from sematic_airflow_provider.testing import run_dag


@sematic_task
def step(value: int) -> int:
    return value + 1


with DAG("bench", schedule=None) as dag:
    value = 0
    for _ in range(STEPS):
        value = step(value)

timed(lambda: run_dag(dag)[value.operator.task_id].value)
"""
_DAG_TEST = """
from airflow.sdk import DAG, task


@task
def step(value: int) -> int:
    return value + 1


with DAG("bench", schedule=None) as dag:
    value = 0
    for _ in range(STEPS):
        value = step(value)


def run():
    state = dag.test().state
    if str(state) != "success":
        sys.exit(f"the Dag run ended as {state}")


if __name__ == "__main__":
    timed(run)
"""
_MIGRATE = """
import subprocess, sys

sys.exit(subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"]).returncode)
"""
_SEMATIC = """
import multiprocessing, socket
import sematic
from sematic.api.server import run_locally
from sematic.config.config import get_config
from sematic.runners.local_runner import LocalRunner


@sematic.func
def step(value: int) -> int:
    return value + 1


@sematic.func
def pipeline() -> int:
    value = step(0)
    for _ in range(STEPS - 1):
        value = step(value)
    return value


def answers():
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", get_config().port)) == 0


if __name__ == "__main__":
    from sematic.db.migrate import migrate_up

    migrate_up()
    if answers():
        sys.exit("another server is at its port")
    server = multiprocessing.Process(target=run_locally, kwargs={"debug": False, "make_daemon": False})
    server.start()
    while not answers():
        if not server.is_alive():
            sys.exit("its server has ended")
        time.sleep(0.2)
    timed(lambda: LocalRunner().run(pipeline()))
    os._exit(0)
"""
_PREFECT = """
from prefect import flow, task


@task
def step(value: int) -> int:
    return value + 1


@flow
def pipeline() -> int:
    value = 0
    for _ in range(STEPS):
        value = step(value)
    return value


timed(pipeline)
"""
_DAGSTER = """
import dagster


@dagster.op
def start() -> int:
    return 1


@dagster.op
def step(value: int) -> int:
    return value + 1


@dagster.job
def pipeline():
    value = start()
    for number in range(STEPS - 1):
        value = step.alias(f"step{number}")(value)


quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
last = f"step{STEPS - 2}" if STEPS > 1 else "start"
timed(lambda: pipeline.execute_in_process(run_config=quiet).output_for_node(last))
"""
_METAFLOW = """
import subprocess

lines = ["from metaflow import FlowSpec, step", "", "class Bench(FlowSpec):"]
names = ["start", *(f"step{number}" for number in range(STEPS - 2)), "end"]
for number, name in enumerate(names):
    lines += ["    @step", f"    def {name}(self):"]
    lines += [f"        self.value = {'0' if number == 0 else 'self.value'} + 1"]
    if name != "end":
        lines += [f"        self.next(self.{names[number + 1]})"]
lines += ["", "Bench()"]
Path("flow.py").write_text("\\n".join(lines))


def run():
    done = subprocess.run([sys.executable, "flow.py", "run"])
    if done.returncode:
        sys.exit("the flow failed")


timed(run)
"""


@dataclass(frozen=True)
class Chain:
    """A way to run it: a program in an environment. ``{home}`` in variables is a folder of its own."""

    name: str
    peer: Peer
    program: str
    note: str
    prepare: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def chains() -> dict[str, Chain]:
    """Ours, then the others."""
    peers = known_peers()
    here = Peer("here", (), (), "", "", "", environment=HERE)
    quiet = {
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__CORE__DAGS_FOLDER": "{home}/dags",
    }
    prefect = Peer("prefect_tasks", (*peers["prefect"].packages, "fastapi==0.139.0"), (), "", "", "")
    made = (
        Chain("ours", here, _OURS, "testing.run_dag, store in memory, values validated", environment=quiet),
        Chain("airflow", here, _DAG_TEST, "plain @task, dag.test(), SQLite", _MIGRATE, quiet),
        Chain("sematic", peers["sematic"], _SEMATIC, "LocalRunner with its own server, SQLite"),
        Chain("prefect", prefect, _PREFECT, "a flow that calls tasks, its own temporary server",
              environment={"PREFECT_HOME": "{home}/prefect", "PREFECT_LOGGING_LEVEL": "ERROR",
                           "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180"}),
        Chain("dagster", peers["dagster"], _DAGSTER, "execute_in_process, ephemeral instance"),
        Chain("metaflow", peers["metaflow"], _METAFLOW, "its local runtime, a process for each step"),
    )  # fmt: skip
    return {chain.name: chain for chain in made}


def seconds_of(chain: Chain, steps: int) -> float:
    """What a chain of so many steps takes.

    Raises:
        FailedError: with the reason.
    """
    try:
        python = python_of(chain.peer)
    except NotInstallableError as error:
        raise FailedError(f"cannot be installed here: {error}") from error
    folder = PLACE / "steps" / chain.name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "dags").mkdir(parents=True)
    try:
        if chain.prepare:
            _run(python, chain, folder, chain.prepare, steps)
        _run(python, chain, folder, _TIMED + chain.program, steps)
        answer = folder / "answer"
        if not answer.exists():
            raise FailedError(f"no answer: {reason_of(folder / 'log', 0)}")
        return float(json.loads(answer.read_text()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(python: Path, chain: Chain, folder: Path, text: str, steps: int) -> None:
    program = folder / "dags" / "bench.py"
    program.write_text(text)
    environment = surroundings(folder) | {"STEPS": str(steps), "ANSWER": str(folder / "answer")}
    environment |= {name: value.replace("{home}", str(folder)) for name, value in chain.environment.items()}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [str(python), str(program)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise FailedError(f"not done after {SECONDS} s") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code != 0:
        raise FailedError(reason_of(folder / "log", code))

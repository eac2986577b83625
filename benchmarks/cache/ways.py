"""How each way writes the same project: imports, decorator, declaration of a file, and a program that asks once for the step.

Each is set up the best way its documentation has for caching by code and inputs that crosses runs on one machine; ``note`` tells which.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.environments import HERE, Peer, known_peers

FLYTE = "flyte==2.12.1"


@dataclass(frozen=True)
class Way:
    """One system. ``{store}`` in texts is a folder that both runs share."""

    name: str
    peer: Peer
    imports: str
    decorator: str
    main: str
    note: str
    file: tuple[str, str, str] = ("str", '"input.txt"', "open(value).read()")  # annotation, argument, how it is read
    file_decorator: str = ""
    verifying_decorator: str = ""  # has what is stored verified before it is used
    after_steps: str = ""  # the end of steps.py
    environment: dict[str, str] = field(default_factory=dict)
    prepare: str = ""  # a program that makes databases, which are copied from then on


_PREFECT = """
from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE
from prefect.locking.filesystem import FileSystemLockManager
from pathlib import Path as _Path

POLICY = (INPUTS + TASK_SOURCE).configure(
    isolation_level="SERIALIZABLE", lock_manager=FileSystemLockManager(_Path("{store}/locks"))
)
"""
_PREFECT_MAIN = """
from prefect import flow
from steps import compute
import tally


@flow
def bench():
    return compute({argument})


tally.arrive()
tally.answer(bench())
"""
_ZENML_MAIN = """
from pathlib import Path
from zenml import pipeline
from steps import compute
import tally


@pipeline(enable_cache=True)
def bench():
    compute({argument})


tally.arrive()
tally.answer(bench().steps["compute"].output.load())
"""
_REDUN_MAIN = """
from redun import File, Scheduler
from redun.config import Config
from steps import compute
import tally

section = {"db_uri": "sqlite:///{store}/redun.db", "value_store_path": "{store}/values"}
scheduler = Scheduler(config=Config({"backend": section}))
scheduler.load()
tally.arrive()
tally.answer(scheduler.run(compute({argument})))
"""
_FLYTE_MAIN = """
import flyte
import hashlib
import os
from flyte.io import File
from steps import compute
import tally

if __name__ == "__main__":
    flyte.init()
    tally.arrive()
    value = flyte.with_runcontext(mode="local", raw_data_path="{store}/raw", run_base_dir="{store}/runs").run(compute, {argument}).outputs()
    tally.answer(value[0] if isinstance(value, tuple) else value)
"""
_OURS_DAG = """

from airflow.sdk import DAG


@sematic_task
def report(value):
    from tally import answer

    answer(value)


with DAG("bench", schedule=None) as dag:
    report(compute({argument}))
"""
_OURS_MAIN = """
import sys

import tally
from steps import dag

tally.arrive()
sys.exit(0 if str(dag.test().state) == "success" else 1)
"""

_OURS_PREPARE = """
import subprocess, sys

sys.exit(subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"]).returncode)
"""


_FLYTEKIT = """
import hashlib
from typing import Annotated

from flytekit import Cache, HashMethod, task
from flytekit.types.file import FlyteFile


def content(file: FlyteFile) -> str:
    return hashlib.sha256(open(file, "rb").read()).hexdigest()
"""


def _plain(imports: str = "") -> str:
    return (
        imports
        + "\nfrom steps import compute\nimport tally\n\ntally.arrive()\ntally.answer(compute(value={argument}))\n"
    )


def all_ways() -> dict[str, Way]:
    """Ours and the peers."""
    peers = known_peers()
    numpy = "numpy==2.4.6"
    flyte = Peer("flyte", (FLYTE, numpy), (), "", "", "")
    # What a newer FastAPI refuses is needed only by its server, which tasks start and results do not.
    prefect = Peer("prefect_tasks", (*peers["prefect"].packages, "fastapi==0.139.0"), (), "", "", "")
    ours = Peer("ours", (), (), "", "", "", environment=HERE)
    ways = (
        Way(
            "ours",
            ours,
            imports="from pathlib import Path\nfrom sematic_airflow_provider import CachePolicy, sematic_task",
            decorator="@sematic_task(cache=True)",
            verifying_decorator="@sematic_task(cache=CachePolicy(verify=True))",
            main=_OURS_MAIN,
            note="@sematic_task(cache=True), dag.test() in a fresh process; a file is a Path argument",
            file=("Path", 'Path("input.txt").absolute()', "value.read_text()"),
            after_steps=_OURS_DAG,
            environment={
                "AIRFLOW_HOME": "{home}",
                "AIRFLOW__CORE__DAGS_FOLDER": "{project}",
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__XCOM_BACKEND": "sematic_airflow_provider.worker.xcom.SematicXComBackend",
                "AIRFLOW__SEMATIC__STORE": "{store}",
            },
            prepare=_OURS_PREPARE,
        ),
        Way(
            "joblib",
            peers["joblib"],
            imports='from joblib import Memory\nmemory = Memory("{store}", verbose=0)',
            decorator="@memory.cache",
            main=_plain(),
            note="Memory.cache; no declaration of files",
        ),
        Way(
            "redun",
            peers["redun"],
            imports='from redun import File, task\nredun_namespace = "bench"',
            decorator="@task()",
            main=_REDUN_MAIN,
            note="@task(), values in the value store; a file is a redun.File",
            file=("File", 'File("input.txt")', "value.read()"),
        ),
        Way(
            "flytekit",
            peers["flytekit"],
            imports=_FLYTEKIT,
            decorator='@task(cache=Cache(version="1", serialize=True))',
            main=_plain("from flytekit.types.file import FlyteFile"),
            note="local cache; the version is kept by hand (no policy is installed with it), a file is a FlyteFile with a HashMethod",
            file=("Annotated[FlyteFile, HashMethod(content)]", 'FlyteFile("input.txt")', "open(value).read()"),
        ),
        Way(
            "flyte 2",
            flyte,
            imports='import flyte\nfrom flyte.io import File\nenv = flyte.TaskEnvironment("bench", cache=flyte.Cache("auto", serialize=True))',
            decorator="@env.task",
            main=_FLYTE_MAIN,
            note="local run, cache auto (function body); a file is a flyte.io.File with a file_cache_key",
            file=(
                "File",
                'File.from_existing_remote(os.path.abspath("input.txt"), file_cache_key=hashlib.sha256(open("input.txt", "rb").read()).hexdigest())',
                "open(value.download_sync()).read()",
            ),
        ),
        Way(
            "zenml",
            peers["zenml"],
            imports="from pathlib import Path\nfrom zenml import step\nfrom zenml.config.cache_policy import CachePolicy",
            decorator="@step(enable_cache=True)",
            main=_ZENML_MAIN,
            note="default policy (step code, inputs); a file is named in the policy's file_dependencies",
            file_decorator='@step(enable_cache=True, cache_policy=CachePolicy(file_dependencies=["input.txt"]))',
            environment={"ZENML_CONFIG_PATH": "{store}/config", "ZENML_LOCAL_STORES_PATH": "{store}/stores"},
            prepare="from zenml.client import Client\n_ = Client().active_stack.artifact_store.path",
        ),
        Way(
            "prefect",
            prefect,
            imports=_PREFECT,
            decorator="@task(cache_policy=POLICY, persist_result=True)",
            main=_PREFECT_MAIN,
            note="INPUTS + TASK_SOURCE, serializable with file locks, results persisted; no declaration of files",
            environment={
                "PREFECT_HOME": "{home}/prefect",
                "PREFECT_LOCAL_STORAGE_PATH": "{store}/results",
                "PREFECT_LOGGING_LEVEL": "ERROR",
                "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
            },
            prepare="from prefect import flow\nflow(lambda: None, name='none')()",
        ),
    )
    return {way.name: way for way in ways}

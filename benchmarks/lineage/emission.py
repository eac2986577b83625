"""What ``emit`` of a transport costs a task: against a server that answers, and against one that is not there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.lineage.questions import quantile
from sematic_airflow_provider.cli.processes import LocalAirflow, free_port

_CHILD: Final = """
import json, sys, time
# what the process of a task has loaded before its first event
import airflow.sdk.execution_time.task_runner
import airflow.providers.openlineage.plugins.adapter
import sematic_airflow_provider.worker.operator
import sematic_airflow_provider.worker.xcom
from airflow.sdk.configuration import conf
from openlineage.client import event_v2
from openlineage.client.transport import get_default_factory

config, events, pause = json.loads(sys.argv[1]), json.load(sys.stdin), float(sys.argv[2])


def told(event):
    run = event_v2.Run(runId=event["run"]["runId"], facets=event["run"]["facets"])
    job = event_v2.Job(namespace=event["job"]["namespace"], name=event["job"]["name"], facets=event["job"]["facets"])
    data = {
        key: [kind(**{name: one[name] for name in ("namespace", "name", "facets")}) for one in event[key]]
        for key, kind in (("inputs", event_v2.InputDataset), ("outputs", event_v2.OutputDataset))
    }
    return event_v2.RunEvent(
        eventType=event_v2.RunState[event["eventType"]], eventTime=event["eventTime"], run=run, job=job, producer=event["producer"], **data
    )


conf.get("core", "dags_folder")
ready = [told(event) for event in events]
started = time.perf_counter()
transport = get_default_factory().create(config)
seconds, problems = [], []
for event in ready:
    begun = time.perf_counter()
    try:
        transport.emit(event)
    except Exception as error:
        problems.append(repr(error)[:200])
    seconds.append(time.perf_counter() - begun)
    time.sleep(pause)
json.dump({"seconds": seconds, "problems": problems}, sys.stdout)
"""


@dataclass(frozen=True)
class Emitted:
    """Seconds that each emission took: the first of the process, and those after it."""

    what: str
    first: float
    median: float
    p95: float
    largest: float
    count: int
    failed: int


OURS: Final = {"type": "sematic_airflow_provider.worker.transport.SematicTransport"}


def measure(airflow: LocalAirflow, events: list[dict[str, Any]], folder: Path) -> list[Emitted]:
    """Our transport in its two ways, OpenLineage's for HTTP, and a file as the limit; the server is live, then dead."""
    dead = f"http://127.0.0.1:{free_port(19000)}"
    key = {"type": "api_key", "apiKey": airflow.api_key}
    found = []
    for name, url, answers in (("live", airflow.url, True), ("dead", dead, False)):
        by_http = {"type": "http", "url": url, "endpoint": "sematic/api/v1/lineage", "auth": key}
        spool = folder / name
        ours = {"AIRFLOW__SEMATIC__LINEAGE_URL": url, "AIRFLOW__SEMATIC__SPOOL": str(spool / "spool")}
        in_store = ours | {"AIRFLOW__SEMATIC__SPOOL": "store"}
        found.append(_of(f"ours, {name} server", airflow, OURS, events, ours))
        found.append(_of(f"ours without a disk, {name} server", airflow, OURS, events, in_store))
        found.append(_of(f"OpenLineage http, {name} server", airflow, by_http, events if answers else events[:2], {}))
    file = {"type": "file", "log_file_path": str(folder / "events.json"), "append": True}
    found.append(_of("OpenLineage file", airflow, file, events, {}))
    shutil.rmtree(folder, ignore_errors=True)
    return found


def _of(
    what: str, airflow: LocalAirflow, config: Mapping[str, Any], events: list[dict[str, Any]], extra: Mapping[str, str]
) -> Emitted:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, json.dumps(config), "0.02"],
        input=json.dumps(events),
        env={**airflow.environment, **extra},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        raise RuntimeError(f"{what}: {done.stderr[-2000:]}")
    told = json.loads(done.stdout[done.stdout.rindex('{"seconds"') :])
    first, *rest = told["seconds"]
    return Emitted(what, first, quantile(rest, 0.5), quantile(rest, 0.95), max(rest), len(rest), len(told["problems"]))

"""Logical names of outputs: stable over runs, so that the history of an output falls out by name; and keys, which stand for names of any length."""

from __future__ import annotations

import base64
from functools import lru_cache

from sematic_airflow_provider.artifacts.digest import digest_record

RETURN_KEY = "return_value"
PRODUCER = "https://github.com/sematic-ai/sematic-airflow-provider"
"""Who says so, in events of our own. Without a version: what is made again by another one must be the same event."""


def output_name(dag_id: str, task_id: str, key: str = RETURN_KEY) -> str:
    """``dag_id.task_id.key``: the OpenLineage dataset name of what a task pushes under this XCom key."""
    return f"{dag_id}.{task_id}.{key}"


@lru_cache(5_000)
def job_key(namespace: str, name: str) -> str:
    """24 characters that stand for a job."""
    return short_key(digest_record("job", {"namespace": namespace, "name": name}))


@lru_cache(20_000)
def dataset_key(namespace: str, name: str) -> str:
    """24 characters that stand for a data set, whatever its version."""
    return short_key(digest_record("data set", {"namespace": namespace, "name": name}))


def short_key(digest: str) -> str:
    """The first 144 bits of a digest as 24 characters: short enough for indexes, long enough that no two are met that are equal."""
    return base64.urlsafe_b64encode(bytes.fromhex(digest[:36])).decode()

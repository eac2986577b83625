"""Values that are more than a table or a number: a stream of batches, a dataclass of tables, a folder; and steps that read only a part.

Every value is an artifact with a preview in the Lineage tab. Nothing here names a file format, a path in the store or an XCom.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from airflow.sdk import dag

from sematic_airflow_provider import Artifact, Batches, sematic_task


@dataclass
class Split:
    """Two tables that belong together. Each is stored by itself."""

    train: pd.DataFrame
    test: pd.DataFrame


@sematic_task
def readings(days: int) -> Iterator[pd.DataFrame]:
    """One batch for each day, stored when it is made: memory holds one at a time."""
    for day in range(days):
        rng = np.random.default_rng(day)
        hours = pd.date_range("2024-01-01", periods=24, freq="h") + pd.Timedelta(days=day)
        yield pd.DataFrame({"at": hours, "temperature": rng.normal(20, 5, 24), "humidity": rng.uniform(0, 1, 24)})


@sematic_task
def split(batches: Batches[pd.DataFrame], test_days: int = 2) -> Split:
    """The last days are for testing."""
    days = len(batches) - test_days
    return Split(pd.concat(batches[:days], ignore_index=True), pd.concat(batches[days:], ignore_index=True))


@sematic_task
def mean_temperature(data: Artifact[Split]) -> float:
    """Loads one column of one of the tables."""
    return float(data.member("train")["temperature"].mean())


@sematic_task
def export(data: Split) -> Path:
    """A folder of files: a path that is returned is stored with all that lies below it."""
    folder = Path(tempfile.mkdtemp()) / "export"
    folder.mkdir()
    data.train.to_csv(folder / "train.csv", index=False)
    data.test.to_csv(folder / "test.csv", index=False)
    (folder / "README.txt").write_text("Made by the step export.\n")
    return folder


@sematic_task
def count_lines(folder: Artifact[Path]) -> int:
    """Unpacks one file of the folder."""
    path: Path = folder["test.csv"]
    return len(path.read_text().splitlines())


@dag(schedule=None, catchup=False, tags=["sematic"])
def data_of_all_kinds() -> None:
    """Batches, a dataclass, a folder."""
    data = split(readings(days=10))
    mean_temperature(data)
    count_lines(export(data))


data_of_all_kinds()

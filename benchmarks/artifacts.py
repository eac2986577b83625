"""Handing a value from one task to the next: write it durably in one process, read it in another.

The limit is what no content-addressed store can beat by much: the plain format of the value written and synced, and read with its SHA-256 computed. Peers do
not hash. All sync what they wrote, each write and each read runs in a fresh process, and reads find the file in the page cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.reporting import Row, keep, print_table

ROUNDS = 7
GOAL = 1.3
PACKAGES = ("sematic-airflow-provider", "numpy", "pandas", "pyarrow", "joblib")

Way = tuple[Callable[[Any, Path], None], Callable[[Path], Any]]


def _array() -> Any:
    import numpy as np

    return np.random.default_rng(0).random(256 * 2**20 // 8).reshape(-1, 1024)


def _frame() -> Any:
    import numpy as np
    import pandas as pd

    rows, random = 1_000_000, np.random.default_rng(0)
    return pd.DataFrame(
        {
            "at": pd.date_range("2013-01-01", periods=rows, freq="s"),
            "carrier": random.choice(["AA", "B6", "DL", "UA"], rows),
            **{f"count{n}": random.integers(0, 1000, rows) for n in range(3)},
            **{f"measure{n}": random.random(rows) for n in range(5)},
        }
    )


def _synced(path: Path, write: Callable[[Any], None]) -> None:
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _hashed(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        digest, buffer = hashlib.sha256(), bytearray(1 << 20)
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])


def _save_npy(value: Any, folder: Path) -> None:
    import numpy as np

    _synced(folder / "file", lambda file: np.save(file, value))


def _load_npy(folder: Path) -> Any:
    import numpy as np

    value = np.load(folder / "file")
    hashlib.sha256(value.data).hexdigest()
    return value


def _save_parquet(value: Any, folder: Path) -> None:
    _synced(folder / "file", lambda file: value.to_parquet(file, compression="zstd"))


def _load_parquet(folder: Path) -> Any:
    import pandas as pd

    _hashed(folder / "file")
    return pd.read_parquet(folder / "file")


def _save_ours(value: Any, folder: Path) -> None:
    from sematic_airflow_provider.artifacts.repository import open_repository

    ref = open_repository(str(folder)).save(value)
    (folder / "ref.json").write_text(json.dumps(ref.to_json()))


def _load_ours(folder: Path) -> Any:
    from sematic_airflow_provider.artifacts.ref import ArtifactRef
    from sematic_airflow_provider.artifacts.repository import open_repository

    return open_repository(str(folder)).load(ArtifactRef.from_json(json.loads((folder / "ref.json").read_text())))


def _save_joblib(value: Any, folder: Path) -> None:
    import joblib

    _synced(folder / "file", lambda file: joblib.dump(value, file))


def _load_joblib(folder: Path) -> Any:
    import joblib

    return joblib.load(folder / "file")


def _save_pickle(value: Any, folder: Path) -> None:
    _synced(folder / "file", lambda file: pickle.dump(value, file, protocol=5))


def _load_pickle(folder: Path) -> Any:
    with (folder / "file").open("rb") as file:
        return pickle.load(file)


_OURS: Way = (_save_ours, _load_ours)
_PEERS: dict[str, Way] = {"joblib": (_save_joblib, _load_joblib), "pickle, protocol 5": (_save_pickle, _load_pickle)}
MAKERS: dict[str, Callable[[], Any]] = {"array, 256 MiB": _array, "table, 1M rows": _frame}
WAYS: dict[str, dict[str, Way]] = {
    "array, 256 MiB": {"numpy.save, SHA-256": (_save_npy, _load_npy), "ours": _OURS, **_PEERS},
    "table, 1M rows": {"to_parquet zstd, SHA-256": (_save_parquet, _load_parquet), "ours": _OURS, **_PEERS},
}


def _warm(task: str, folder: Path) -> None:
    """Import what is used on a small value first: this is not a benchmark of imports."""
    small = MAKERS[task]()[:1000]
    for save, load in WAYS[task].values():
        (folder / "warm").mkdir(exist_ok=True)
        save(small, folder / "warm")
        load(folder / "warm")


def measure_here(task: str, way: str, what: str, folder: Path) -> float:
    """Seconds that one write or read took in this process."""
    save, load = WAYS[task][way]
    _warm(task, folder)
    value = MAKERS[task]() if what == "write" else None
    os.sync()
    started = time.perf_counter()
    if what == "write":
        save(value, folder)
    else:
        load(folder)
    return time.perf_counter() - started


def _measure(task: str, way: str, what: str, folder: str) -> float:
    command = [sys.executable, "-m", "benchmarks.artifacts", task, way, what, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    return float(done.stdout)


def _rows(task: str, figures: dict[str, list[tuple[float, float]]]) -> list[Row]:
    """The median of each figure; the spread is that of the totals, greatest over least."""
    middle = {
        way: tuple(sorted(part)[len(part) // 2] for part in zip(*pairs, strict=True)) for way, pairs in figures.items()
    }
    limit = next(iter(WAYS[task]))
    rows = []
    for way, pairs in figures.items():
        totals = [sum(pair) for pair in pairs]
        role = "limit" if way == limit else "ours" if way == "ours" else "peer"
        ratio = sum(middle[way]) / sum(middle[limit])
        goal = GOAL if role == "ours" else None
        rows.append(Row(task, way, role, middle[way][0], middle[way][1], max(totals) / min(totals) - 1, ratio, goal))
    return rows


def main() -> int:
    """Measure, print, keep, judge."""
    rows: list[Row] = []
    load_before = os.getloadavg()[0]
    for task, ways in WAYS.items():
        figures: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(ROUNDS):  # one of each in turn, so that a slow minute of the machine meets all
            for way in ways:
                with tempfile.TemporaryDirectory(prefix="sematic-bench-") as folder:
                    figures[way].append((_measure(task, way, "write", folder), _measure(task, way, "read", folder)))
        rows += _rows(task, figures)
    print_table(rows)
    setting = {"rounds": ROUNDS, "figure": "median", "folder": tempfile.gettempdir(), "load_before": load_before}
    if load_before > 0.5:
        print(f"the machine was busy before this began (load average {load_before:.1f}): these figures say little")
    print(f"kept in {os.path.relpath(keep('artifacts', rows, PACKAGES, setting))}")
    missed = [f"{row.task} takes {row.ratio:.2f} times the limit, goal {row.goal}" for row in rows if row.missed]
    print(f"missed: {'; '.join(missed)}" if missed else "met")
    return 1 if missed else 0


if __name__ == "__main__":
    print(measure_here(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))

"""Values that grow a little: bytes that are newly stored when a value was stored before it grew, as a share of its growth and of its size.

Counted, not timed: what the files of a store have more afterwards. Peers store a whole file, or find one that is the same as a whole.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.reporting import Goal, keep, print_goals, print_table, versions_of

GROWTH = 0.01
GOAL = 0.015
MIB = 2**20
PACKAGES = ("sematic-airflow-provider", "numpy", "pandas", "pyarrow", "joblib", "pyfastcdc")

Values = tuple[Any, Any]


@dataclass(frozen=True)
class Found:
    """Of one value by one way: what its first form took, and what the grown one took more."""

    value: str
    way: str
    first_bytes: int
    new_bytes: int

    @property
    def share(self) -> float:
        """New bytes, by those that were there."""
        return self.new_bytes / self.first_bytes


def _table(rows: int) -> Any:
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "at": pd.date_range("2013-01-01", periods=rows, freq="s"),
            "carrier": random.choice(["AA", "B6", "DL", "UA"], rows),
            **{f"count{n}": random.integers(0, 1000, rows) for n in range(3)},
            **{f"measure{n}": random.random(rows) for n in range(5)},
        }
    )


def _grown_table(scale: float, _: Path) -> Values:
    rows = int(2_000_000 * scale)
    whole = _table(rows + int(rows * GROWTH))
    return whole.iloc[:rows], whole


def _corrected_table(scale: float, _: Path) -> Values:
    """One value in the middle is put right."""
    before = _table(int(2_000_000 * scale))
    after = before.copy()
    after.loc[len(after) // 2, "measure0"] = -1.0
    return before, after


def _log(scale: float, place: Path) -> Values:
    import numpy as np

    lines, random = int(4_000_000 * scale), np.random.default_rng(0)
    numbers = random.integers(0, 10**9, lines + int(lines * GROWTH))
    text = [
        f"2026-11-{n % 28 + 1:02d} INFO request {number} took {number % 997} ms\n" for n, number in enumerate(numbers)
    ]
    before, after = place / "before" / "app.log", place / "after" / "app.log"
    for path, end in ((before, lines), (after, len(text))):
        path.parent.mkdir()
        path.write_text("".join(text[:end]))
    return before, after


def _folder(scale: float, place: Path) -> Values:
    """A hundred files of which one is new."""
    import numpy as np

    random, size = np.random.default_rng(0), int(2 * MIB * scale)
    before, after = place / "before" / "data", place / "after" / "data"
    before.mkdir(parents=True)
    for number in range(100):
        (before / f"part-{number:03d}.bin").write_bytes(random.bytes(size))
    shutil.copytree(before, after)
    (after / "part-050.bin").write_bytes(random.bytes(size))
    return before, after


def _tables(scale: float, _: Path) -> Values:
    """A list of a hundred tables, and one more."""
    rows = int(20_000 * scale)
    whole = _table(rows * 101)
    months = [whole.iloc[n * rows : (n + 1) * rows].reset_index(drop=True) for n in range(101)]
    return months[:100], months


VALUES: dict[str, Callable[[float, Path], Values]] = {
    "a table with 1% more rows": _grown_table,
    "a table with one value corrected": _corrected_table,
    "a log with 1% more lines": _log,
    "a folder, 1 of 100 files changed": _folder,
    "100 tables and one more": _tables,
}
GROWN = [name for name, make in VALUES.items() if make is not _corrected_table]


def _save_ours(value: Any, store: Path) -> None:
    from sematic_airflow_provider.artifacts.repository import open_repository

    open_repository(str(store), create=True).save(value)


def _save_joblib(value: Any, store: Path) -> None:
    import joblib

    if isinstance(value, Path):
        raise TypeError("no files")
    joblib.dump(value, store / f"{len(list(store.iterdir()))}.joblib")


def _save_in_cache(value: Any, store: Path) -> None:
    """As DVC's cache does: each file whole, under the MD5 of its bytes. Tables are written as Parquet first."""
    for data in _files_of(value):
        (store / hashlib.md5(data).hexdigest()).write_bytes(data)


def _save_pickled(value: Any, store: Path) -> None:
    """As Metaflow's datastore does: the pickle, compressed by gzip (level 3), under the SHA-1 of its bytes."""
    if isinstance(value, Path):
        raise TypeError("no files")
    data = pickle.dumps(value, protocol=4)
    (store / hashlib.sha1(data).hexdigest()).write_bytes(gzip.compress(data, 3))


def _files_of(value: Any) -> list[bytes]:
    if isinstance(value, Path):
        paths = sorted(value.rglob("*")) if value.is_dir() else [value]
        return [path.read_bytes() for path in paths]
    return [table.to_parquet() for table in (value if isinstance(value, list) else [value])]


WAYS: dict[str, Callable[[Any, Path], None]] = {
    "ours": _save_ours,
    "DVC (files)": _save_in_cache,
    "Metaflow (gzip)": _save_pickled,
    "joblib": _save_joblib,
}


def measure(scale: float, folder: Path) -> list[Found]:
    """All values by all ways that can store them."""
    found = []
    for number, (name, make) in enumerate(VALUES.items()):
        place = folder / f"values-{number}"
        place.mkdir()
        before, after = make(scale, place)
        for way, save in WAYS.items():
            store = folder / "store"
            store.mkdir()
            try:
                save(before, store)
                first = _size(store)
                save(after, store)
            except TypeError:
                continue
            finally:
                total = _size(store)
                shutil.rmtree(store)
            found.append(Found(name, way, first, total - first))
        shutil.rmtree(place)
    return found


def _size(store: Path) -> int:
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file())


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print, keep, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks growth", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1: full size, a table of 2 million rows")
    parser.add_argument("--no-keep", dest="keep", action="store_false", help="write nothing into benchmarks/results")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sematic-bench-") as folder:
        found = measure(options.scale, Path(folder))
    headers = ("value", "way", "first MiB", "new MiB", "new share")
    print_table(headers, [(f.value, f.way, f.first_bytes / MIB, f.new_bytes / MIB, f"{f.share:.2%}") for f in found])
    goals = [
        Goal(f.value, f"{f.share:.2%} new bytes", f"at most {GOAL:.1%}", f.share <= GOAL)
        for f in found
        if f.way == "ours" and f.value in GROWN
    ]
    if options.keep:
        setting = {"scale": options.scale, "growth": GROWTH}
        path = keep("growth", [asdict(f) | {"share": f.share} for f in found], goals, versions_of(PACKAGES), setting)
        print(f"\nkept in benchmarks/results/{path.name}")
    return print_goals(goals)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

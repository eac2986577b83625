"""The values that are handed on, the same in every environment; runs on the oldest Python that a peer needs (3.9)."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 2**20
SMALL = 1 / 1024  # the scale of the values that warm a process up
DOCUMENTS = 1000


@dataclass(frozen=True)
class Kind:
    """One kind of value: how it is made at a scale, what it weighs in memory, and by what two copies are told to be equal."""

    title: str
    make: Callable[[float, Path], Any]
    weigh: Callable[[Any], int]
    fingerprint: Callable[[Any], str]


def _array(scale: float, _: Path) -> Any:
    import numpy as np

    return np.random.default_rng(0).random(_cells(scale, 8 * 1024)).reshape(-1, 1024)


def _integers(scale: float, _: Path) -> Any:
    import numpy as np

    return np.random.default_rng(0).integers(0, 1000, _cells(scale, 8 * 1024)).reshape(-1, 1024)


def _cells(scale: float, row: int) -> int:
    return max(1, int(1024 * MIB * scale) // row) * row // 8


def _numbers(scale: float, _: Path) -> Any:
    import numpy as np
    import pandas as pd

    rows, random = max(100, int(5_000_000 * scale)), np.random.default_rng(0)
    return pd.DataFrame(
        {
            "at": pd.date_range("2013-01-01", periods=rows, freq="s"),
            **{f"count{n}": random.integers(0, 1000, rows) for n in range(4)},
            **{f"measure{n}": random.random(rows) for n in range(7)},
        }
    )


def _strings(scale: float, _: Path) -> Any:
    import numpy as np
    import pandas as pd

    rows, random = max(100, int(2_000_000 * scale)), np.random.default_rng(0)
    words = np.array(["".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), 7)) for _ in range(5000)], dtype=object)
    text = words[random.integers(0, len(words), rows)]
    for _ in range(7):
        text = text + " " + words[random.integers(0, len(words), rows)]
    return pd.DataFrame(
        {
            "id": [f"{n:032x}" for n in random.integers(0, 2**62, rows)],
            "carrier": random.choice(np.array(["AA", "B6", "DL", "UA"], dtype=object), rows),
            "city": words[random.integers(0, 300, rows)],
            "user": "user-" + words[random.integers(0, len(words), rows)],
            "note": text,
            "count": random.integers(0, 1000, rows),
        }
    )


def _model(scale: float, _: Path) -> Any:
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier

    random = np.random.default_rng(0)
    features = random.random((5000, 10))
    labels = (features.sum(axis=1) + random.normal(0, 0.5, 5000) > 5).astype(int)
    return RandomForestClassifier(max(2, int(100 * scale)), random_state=0).fit(features, labels)


def _folder(scale: float, place: Path) -> Any:
    """Files of 1 to 20 kB, made once: all ways read the same ones."""
    import numpy as np

    count = max(10, int(10_000 * scale))
    folder = place / f"folder-{count}"
    if not folder.exists():
        random, unready = np.random.default_rng(0), folder.with_suffix(".part")
        shutil.rmtree(unready, ignore_errors=True)
        for number in range(count):
            part = unready / f"part{number // 1000:02d}"
            part.mkdir(parents=True, exist_ok=True)
            (part / f"{number:05d}.bin").write_bytes(random.bytes(int(random.integers(1000, 20_000))))
        unready.rename(folder)
    return folder


def _json(scale: float, _: Path) -> Any:
    """Documents a little above 1 kB, more than a ref carries inline, each different, so that none is stored already."""
    return [
        {
            "number": number,
            "name": f"document {number}",
            "metrics": {f"metric{n}": number / (n + 7) for n in range(20)},
            "tags": [f"tag-{number}-{n}" for n in range(20)],
            "text": f"{number:06d} " * 56,
        }
        for number in range(max(10, int(DOCUMENTS * scale)))
    ]


def _weigh_array(value: Any) -> int:
    return int(value.nbytes)


def _weigh_table(value: Any) -> int:
    return int(value.memory_usage(deep=True).sum())


def _weigh_nothing(_: Any) -> int:
    return 0


def _print_array(value: Any) -> str:
    import numpy as np

    return f"{value.dtype} {value.shape} {hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()}"


def _print_table(value: Any) -> str:
    import numpy as np
    import pandas as pd

    rows = pd.util.hash_pandas_object(value, index=True).to_numpy()
    return f"{list(value.columns)} {value.dtypes.astype(str).tolist()} {hashlib.sha256(np.ascontiguousarray(rows).data).hexdigest()}"


def _print_model(value: Any) -> str:
    import numpy as np

    return hashlib.sha256(value.predict_proba(np.random.default_rng(1).random((500, 10))).tobytes()).hexdigest()


def _print_folder(value: Any) -> str:
    files = sorted(path for path in Path(value).rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(value)).encode() + hashlib.sha256(path.read_bytes()).digest())
    return f"{len(files)} {digest.hexdigest()}"


def _print_json(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


KINDS = {
    "array": Kind("1 GiB of random float64", _array, _weigh_array, _print_array),
    "integers": Kind("1 GiB of int64 below 1000", _integers, _weigh_array, _print_array),
    "numbers": Kind("DataFrame of numbers, 5M rows", _numbers, _weigh_table, _print_table),
    "strings": Kind("DataFrame of strings, 2M rows", _strings, _weigh_table, _print_table),
    "model": Kind("random forest, 100 trees", _model, _weigh_nothing, _print_model),
    "folder": Kind("folder of 10,000 files", _folder, _weigh_nothing, _print_folder),
    "json": Kind("1000 documents of 1 kB JSON", _json, _weigh_nothing, _print_json),
}


def touch(value: Any) -> None:
    """Read one byte of every page of an array: one that is mapped from a file is then in memory, as one that was read."""
    import sys

    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        value.reshape(-1).view(numpy.uint8)[::4096].sum()

"""Copied into each project: counts real executions, holds the first where two runs are to meet, and writes the answer. Nothing here depends on a benchmark."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


def ran() -> None:
    """A step really executes: note by which process."""
    with open(os.environ["TALLY"], "a") as tally:
        tally.write(f"{os.getpid()}\n")
    _hold(float(os.environ.get("HOLD", "0")))


def _hold(seconds: float) -> None:
    """Be slow until another process executes the same, or for so long after both have arrived; not at all where nothing is to be held."""
    ends = time.monotonic() + 120
    while seconds and time.monotonic() < ends and len(Path(os.environ["TALLY"]).read_text().split()) < 2:
        if len(list(Path(os.environ["ARRIVED"]).iterdir())) >= 2:
            ends = min(ends, time.monotonic() + seconds)
        time.sleep(0.1)


def arrive() -> None:
    """This process is about to ask for the step."""
    (Path(os.environ["ARRIVED"]) / str(os.getpid())).touch()


def answer(value: Any) -> None:
    """Write the number that came out: of an array, its sum."""
    number = float(value.sum()) if hasattr(value, "sum") else value
    Path(os.environ["ANSWER"]).write_text(json.dumps(number))

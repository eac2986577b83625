"""How commands print: results to standard output, everything else to standard error, so that results can be piped."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from airflow.cli.simple_table import AirflowConsole
from airflow.utils import yaml
from rich.markup import escape

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def print_rows(rows: Sequence[dict[str, Any]], output: str) -> None:
    """Print rows as a table, JSON, YAML or plain columns. JSON and YAML keep numbers and lists what they are, which Airflow's own printing does not."""
    if output == "json":
        print(json.dumps(rows, indent=2, ensure_ascii=False, default=str))
    elif output == "yaml":
        print(yaml.dump(list(rows), sort_keys=False, allow_unicode=True), end="")
    else:  # rich would take "[sematic]" for markup
        shown = [
            {name: escape(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows
        ]
        AirflowConsole().print_as(data=shown, output=output)


def note(line: str) -> None:
    """Tell the person something that is no result."""
    print(line, file=sys.stderr, flush=True)


def sized(count: int) -> str:
    """Bytes as people read them."""
    amount, unit = float(count), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{count} B" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


class Progress:
    """Tells how far long work is: on a terminal in one line, else a line every few seconds."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._pause = 0.2 if self._terminal else 10.0
        self._last = time.monotonic()
        self._open = False

    def __call__(self, stage: str, count: int) -> None:
        """So many have been dealt with at this stage."""
        if time.monotonic() - self._last < self._pause:
            return
        self._last = time.monotonic()
        text = f"{stage}: {count}"
        print(
            f"\r\x1b[K{text}" if self._terminal else text,
            end="" if self._terminal else "\n",
            file=sys.stderr,
            flush=True,
        )
        self._open = self._terminal

    def close(self) -> None:
        """Leave the line."""
        if self._open:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._open = False

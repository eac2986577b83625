"""What was true when a step ran: git, Python, packages, machine, environment. Of variables only those that a deployment lists are read."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sematic_airflow_provider import __version__
from sematic_airflow_provider.lineage import environment, machine
from sematic_airflow_provider.lineage.git import Checkout
from sematic_airflow_provider.lineage.gpus import GpuQuery
from sematic_airflow_provider.lineage.packages import installed
from sematic_airflow_provider.lineage.sensitive import without_assigned_secrets, without_credentials

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository


def _as_it_is(text: str) -> str:
    return text


class Provenance:
    """Gathered in three steps, so that other programs answer while the step does something else: construct it first of all, ``begin`` before the function
    runs, ``end`` after it.

    Args:
        source_file: the file that the function stands in; None where that is not known or not of interest.
        record_env: patterns of environment variables to record.
        redact: takes text that is about to be stored, and gives it without what is secret. Asked at the end: by then more secrets may be known.
    """

    def __init__(
        self, source_file: str | None, *, record_env: Sequence[str] = (), redact: Callable[[str], str] = _as_it_is
    ) -> None:
        self._file = Path(source_file).resolve() if source_file else None
        self._record_env = record_env
        self._redact = redact
        self._checkout = Checkout.open(self._file.parent) if self._file else None
        self._gpus = GpuQuery()
        self.facts: dict[str, Any] = {}
        """The ``sematic_provenance`` facet, as far as it is known, and ``environment``."""
        self._patch: str | None = None

    def begin(self, store: Repository) -> dict[str, Any]:
        """Everything that is known before the function runs, but the uncommitted difference; packages are an artifact.

        Raises:
            StoreError: the store fails.
        """
        here = machine.describe(tempfile.gettempdir())
        checkout = self._state()
        packages = store.save(installed()).to_json()  # while git tells the difference
        self.facts |= {
            "git": self._git(checkout),
            "python": platform.python_version(),
            **here,
            "environment": environment.recorded(self._record_env),
            "packages": packages,
            "providerVersion": __version__,
        }
        return self.facts

    def end(self, store: Repository, seeds: dict[str, int]) -> dict[str, Any]:
        """Everything; the difference, as it was when the step began, is an artifact.

        Raises:
            StoreError: the store fails.
        """
        if self._patch is not None:
            text = self._redact(without_credentials(without_assigned_secrets(self._patch)))
            self.facts["git"] |= {"diff": store.save(text).to_json(), "diffRedacted": text != self._patch}
            self._patch = None
        self.facts["gpus"] = self._gpus.read()
        self.facts["seeds"] = dict(seeds) or None
        return self.facts

    def abandon(self) -> None:
        """Leave no process behind, where ``end`` is not reached."""
        self._gpus.abandon()
        if self._checkout is not None:
            self._checkout.abandon()

    def _state(self) -> dict[str, Any] | None:
        found = self._checkout.state() if self._checkout is not None else None
        if found is not None and self._checkout is not None:
            self._checkout.ask_patch(changed=bool(found["dirty"]))
        return found

    def _git(self, found: dict[str, Any] | None) -> dict[str, Any] | None:
        if found is None or self._checkout is None or self._file is None:
            return None
        self._patch, unavailable = self._checkout.patch(changed=bool(found["dirty"]))
        return found | {
            "path": _below(self._checkout.root, self._file),
            "diff": None,
            "diffUnavailable": unavailable,
            "diffRedacted": False,
        }


def _below(root: Path, file: Path) -> str | None:
    try:
        return file.relative_to(root.resolve()).as_posix()
    except ValueError:
        return None

"""Environment variables that a deployment wants recorded: those it lists by name, and never a secret among them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from sematic_airflow_provider.lineage.sensitive import is_sensitive_name, without_credentials

_LONGEST = 4096


def recorded(patterns: Sequence[str], environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Name and value of the variables that a pattern names (``OMP_NUM_THREADS``, ``CUDA_*``).

    A variable whose name promises a secret is left out, whatever the patterns say. URLs lose their credentials.
    """
    if not patterns:
        return {}
    found = os.environ if environment is None else environment
    return {
        name: without_credentials(value)[:_LONGEST]
        for name, value in sorted(found.items())
        if any(fnmatchcase(name, pattern) for pattern in patterns) and not is_sensitive_name(name)
    }

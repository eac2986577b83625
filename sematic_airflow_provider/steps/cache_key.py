"""The key of a step: where two keys are equal, the output of one is the output of the other. Its parts say why two keys differ."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sematic_airflow_provider.artifacts.digest import Digest, canonical_json, digest_bytes, digest_record
from sematic_airflow_provider.steps.code import StepCode
from sematic_airflow_provider.steps.values import digest_of_file

MISSING = "missing"


class KeyPolicy(Protocol):
    """What of a cache policy makes up keys."""

    @property
    def namespace(self) -> str: ...
    @property
    def ignore(self) -> Sequence[str]: ...
    @property
    def version(self) -> str | int: ...
    @property
    def packages(self) -> bool: ...


@dataclass(frozen=True)
class CacheKey:
    """``parts`` are flat: ``code <module:name>``, ``value <name>``, ``input <parameter>``, ``package <distribution>``, ``file <path>``, ``context <name>``,
    ``python``, ``output``, ``namespace``, ``version``. The difference of two of them explains a miss."""

    digest: Digest
    parts: Mapping[str, str]


def cache_key(
    code: StepCode,
    *,
    inputs: Mapping[str, str],
    output: str,
    policy: KeyPolicy,
    context: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
) -> CacheKey:
    """The key of a step that runs this code.

    ``inputs`` are digests of arguments by parameter, ``output`` the return annotation as text, ``context`` what the function takes from Airflow,
    ``files`` what ``files_of`` gives for the policy's files.
    """
    parts = {f"code {name}": digest for name, digest in code.definitions.items()}
    parts |= {f"value {name}": digest for name, digest in code.values.items()}
    parts |= {f"input {name}": digest for name, digest in inputs.items() if name not in policy.ignore}
    if policy.packages:
        parts |= {f"package {name}": version for name, version in code.packages.items()}
    parts |= {f"file {path}": digest for path, digest in (files or {}).items()}
    parts |= {f"context {name}": value for name, value in (context or {}).items() if name not in policy.ignore}
    parts["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
    parts["output"] = output
    parts["namespace"] = policy.namespace
    parts["version"] = str(policy.version)
    return CacheKey(digest_record("step key/1", parts), dict(sorted(parts.items())))


def files_of(paths: Sequence[str | Path], folder: str | Path | None) -> dict[str, str]:
    """Digests of files and of folders with all that lies below them, by the path as it was given; ``missing`` where there is nothing.

    Relative paths start at ``folder``, where the step's code lies.
    """
    found: dict[str, str] = {}
    for path in paths:
        full = Path(folder or ".", path).expanduser()
        if full.is_dir():
            below = sorted(file for file in full.rglob("*") if file.is_file())
            listing = {str(file.relative_to(full)): digest_of_file(str(file)) for file in below}
            found[str(path)] = digest_bytes(canonical_json(listing))
        else:
            found[str(path)] = digest_of_file(str(full)) or MISSING
    return found

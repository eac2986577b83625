"""Starts the process that delivers what waits in the spool folder, where none runs."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from sematic_airflow_provider.delivery.breaker import Breaker
from sematic_airflow_provider.delivery.folder import LOG, SpoolFolder
from sematic_airflow_provider.delivery.server import Server

log = logging.getLogger(__name__)

_LARGEST_LOG: Final = 1 << 20
_ROOT: Final = str(Path(__file__).parents[2])
_CODE: Final = (
    f"import sys; sys.path.append({_ROOT!r}); from sematic_airflow_provider.delivery.__main__ import main; main()"
)
_SECRETS: Final = "AIRFLOW_"
"""How the names of variables begin that may hold the key, passwords and connections: it needs none, and outlives the task."""
_started: list[subprocess.Popen[bytes]] = []


def wake(folder: SpoolFolder, server: Server) -> None:
    """See that a process delivers from this folder, unless the server is known not to take anything now. It takes milliseconds, and outlives us.

    Raises:
        OSError: no process can be started.
    """
    if folder.is_held() or Breaker(folder.path).refusal() is not None:
        return
    if not sys.executable:
        raise OSError("this process does not know its Python interpreter")
    _started[:] = [process for process in _started if process.poll() is None]
    told = json.dumps({"folder": folder.where, "url": server.url, "key": server.key}).encode()
    with open(_log_of(folder), "ab", opener=_private) as log_file:
        process = subprocess.Popen(  # noqa: S603 - this interpreter and this package
            [sys.executable, "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=log_file,
            stderr=log_file,
            env={name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)},
            cwd="/",  # it must not keep a folder from being unmounted, nor load modules from there
            close_fds=True,  # the task's supervisor waits until its end of the sockets is closed
        )
    _started.append(process)
    with suppress(BrokenPipeError), process.stdin as pipe:  # type: ignore[union-attr]
        pipe.write(told)


def _log_of(folder: SpoolFolder) -> Path:
    """Its log file; one that has grown large becomes the old one."""
    file = folder.path / LOG
    with suppress(FileNotFoundError):
        if file.stat().st_size > _LARGEST_LOG:
            os.replace(file, file.with_name(f"{LOG}.1"))
    return file


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

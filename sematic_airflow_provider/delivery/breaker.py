"""What is remembered of a server that does not take events, so that not every process finds out anew."""

from __future__ import annotations

import json
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

_FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 60.0


class Breaker:
    """A small file. Where it cannot be written or read, every process asks the server: dearer, and right all the same."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / ".server"

    def refusal(self) -> str | None:
        """Why the server need not be asked now; None when it should be."""
        known = self._known()
        pause = float(known.get("until", 0)) - time.time()
        if not 0 < pause <= LONGEST_PAUSE:  # a clock that was set back does not close the way for long
            return None
        return str(known.get("reason", "it did not answer"))

    def pause(self) -> float:
        """How many seconds it need not be asked for."""
        return max(0.0, min(LONGEST_PAUSE, float(self._known().get("until", 0)) - time.time()))

    def failed(self, reason: str, wait: float | None = None) -> None:
        """The server did not take an event: ask again after a pause, twice as long as the last one, or as long as it asks for itself."""
        failures = min(20, int(self._known().get("failures", 0)) + 1)
        pause = min(LONGEST_PAUSE, wait if wait is not None else _FIRST_PAUSE * 2 ** (failures - 1))
        self._write({"failures": failures, "until": time.time() + pause, "reason": reason[:500]})

    def succeeded(self) -> None:
        """The server has taken an event."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _known(self) -> dict[str, Any]:
        try:
            known = json.loads(self._file.read_bytes())
            return {"failures": int(known["failures"]), "until": float(known["until"]), "reason": known["reason"]}
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return {}

    def _write(self, known: dict[str, Any]) -> None:
        temporary = self._file.with_name(f".server-{secrets.token_hex(4)}")
        with suppress(OSError):
            try:
                temporary.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                    json.dump(known, file)
                os.replace(temporary, self._file)
            finally:
                temporary.unlink(missing_ok=True)

"""What a task logs, kept: Airflow's loggers are structlog's, those of users and libraries the standard library's."""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

_lines: list[str] | None = None


@contextmanager
def collecting_logs() -> Iterator[None]:
    """While this is entered, log lines from level INFO on go to the task that runs, and to pytest as ever; structlog prints nothing."""
    import structlog

    before = structlog.get_config()
    handler, root = _Handler(logging.INFO), logging.getLogger()
    level = root.level
    structlog.configure(
        processors=[structlog.processors.format_exc_info, _collect],
        wrapper_class=_logger_class(structlog.make_filtering_bound_logger(logging.INFO)),
        cache_logger_on_first_use=False,
    )
    root.addHandler(handler)
    root.setLevel(min(root.level, logging.INFO) if root.level else logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        structlog.configure(**before)


@contextmanager
def quiet() -> Iterator[None]:
    """While this is entered, nothing below WARNING is logged."""
    before = logging.root.manager.disable
    with collecting_logs():
        logging.disable(max(before, logging.INFO))
        try:
            yield
        finally:
            logging.disable(before)


@contextmanager
def task_log() -> Iterator[list[str]]:
    """The lines that are logged while this is entered."""
    global _lines
    before, _lines = _lines, []
    try:
        yield _lines
    finally:
        _lines = before


def _logger_class(structlogs: Any) -> Any:
    """With what Airflow's own loggers have of the standard library's: operators ask for it."""

    class Logger(structlogs):
        def getEffectiveLevel(self) -> int:  # noqa: N802 - the standard library's name
            return logging.INFO

        def isEnabledFor(self, level: int) -> bool:  # noqa: N802
            return level >= logging.INFO

        def setLevel(self, level: int) -> None: ...  # noqa: N802

    return Logger


def _collect(logger: Any, name: str, event: MutableMapping[str, Any]) -> Any:
    import structlog

    text = str(event.pop("event", ""))
    exception = event.pop("exception", None)
    if not text.startswith("::"):
        extra = " ".join(f"{key}={value!r}" for key, value in event.items() if key not in ("ti", "logger", "level"))
        _note(f"{name.upper()} {text} {extra}".rstrip() + (f"\n{exception}" if exception else ""))
    raise structlog.DropEvent


def _note(line: str) -> None:
    if _lines is not None:
        _lines.append(line)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _note(self.format(record))

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname} {super().format(record)}"

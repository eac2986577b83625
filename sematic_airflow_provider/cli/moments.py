"""What all commands read and say alike: times and ages, and errors in one line."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from sematic_airflow_provider.cli.printing import Progress
from sematic_airflow_provider.errors import ArtifactError, SematicError, first_line

_AGE = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@contextmanager
def explained() -> Iterator[Progress]:
    """Errors in one line, and exit status 1."""
    progress = Progress()
    try:
        yield progress
    except SQLAlchemyError as error:
        progress.close()
        reason = first_line(getattr(error, "orig", None) or error)
        raise SystemExit(
            f"the database refused: {reason}. Where tables are missing, run: airflow db migrate"
        ) from error
    except (SematicError, ValueError, OSError) as error:
        progress.close()
        raise SystemExit(str(error)) from error
    finally:
        progress.close()


def moment(text: str | None, option: str) -> dt.datetime | None:
    """A date, a time, or an age such as 7d.

    Raises:
        ArtifactError: it is none of these.
    """
    if text is None:
        return None
    now = dt.datetime.now(dt.timezone.utc)
    if age := _AGE.fullmatch(text):
        return now - dt.timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ArtifactError(
            f"{option} takes a date (2026-11-24), a time (2026-11-24T08:30), or an age (7d, 12h), not {text!r}"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=dt.timezone.utc)

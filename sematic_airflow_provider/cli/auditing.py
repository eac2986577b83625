"""The commands of ``airflow sematic audit``."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from dataclasses import asdict
from typing import Any

from sematic_airflow_provider.artifacts.digest import parse_digest
from sematic_airflow_provider.cli.moments import explained
from sematic_airflow_provider.cli.printing import note, print_rows
from sematic_airflow_provider.cli.server_side import server_side
from sematic_airflow_provider.configured_store import configured_store
from sematic_airflow_provider.db.anchors import Anchor, anchors
from sematic_airflow_provider.db.audit import verify as verify_log
from sematic_airflow_provider.db.projection_check import Difference, differences
from sematic_airflow_provider.db.seals import head as last_seal
from sematic_airflow_provider.db.seals import seal
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.db.verdict import Broken, Verdict
from sematic_airflow_provider.errors import ConfigurationError

_TOLD = 20


@server_side
def verify(args: Namespace) -> None:
    """Verify the log, and the projection where that is asked for."""
    with explained() as progress:
        given = [_anchor(text) for text in args.anchor or ()]
        kept = [] if args.without_store else list(anchors(configured_store()))
        began = time.monotonic()
        with lineage_session() as session:
            seal(session)
            found = verify_log(session, since=args.since, anchors=[*given, *kept], progress=progress)
            seconds = time.monotonic() - began
            different = list(differences(session, sample=args.sample, progress=progress)) if args.projection else []
        progress.close()
    if args.output in ("json", "yaml"):
        print_rows([_record(found, different, projection=args.projection)], args.output)
    else:
        _tell(found, different, seconds, args)
    if not found.whole or different:
        sys.exit(1)


@server_side
def head(args: Namespace) -> None:
    """Print the last seal."""
    with explained(), lineage_session() as session:
        seal(session)
        found = last_seal(session)
    if found is None:
        raise SystemExit("nothing is sealed yet: no event has come in")
    sealed_at = found.sealed_at.isoformat(timespec="seconds")
    print_rows([{"head": f"{found.number}:{found.hash}", "sealed_at": sealed_at, "events": found.events}], args.output)


def _anchor(text: str) -> Anchor:
    number, _, digest = text.partition(":")
    try:
        return Anchor(int(number), parse_digest(digest.strip().lower()), "the anchor that was given")
    except ValueError as error:
        raise ConfigurationError(
            "anchor", f"--anchor takes NUMBER:HASH as airflow sematic audit head prints it, not {text!r}"
        ) from error


def _record(found: Verdict, different: list[Difference], *, projection: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "whole": found.whole and not different,
        "seals": found.seals,
        "events": found.events,
        "removed_by_retention": found.removed,
        "policies": dict(found.policies),
        "waiting": found.waiting,
        "anchors": found.anchors,
        "head": None if found.head is None else f"{found.head[0]}:{found.head[1]}",
        "broken": dict(found.broken),
        "first": _row(found.told[0]) if found.told else None,
        "told": [_row(one) for one in found.told],
    }
    if projection:
        record["projection"] = {"different": len(different), "told": [one._asdict() for one in different[:_TOLD]]}
    return record


def _row(broken: Broken) -> dict[str, Any]:
    row = asdict(broken)
    row["at"] = None if broken.at is None else broken.at.isoformat(timespec="seconds")
    return {"wrong": row.pop("kind"), "event": row.pop("event_id"), "run": row.pop("run_id"), **row}


def _tell(found: Verdict, different: list[Difference], seconds: float, args: Namespace) -> None:
    rows = [{name: "" if value is None else value for name, value in _row(one).items()} for one in found.told]
    if rows:
        print_rows(rows, args.output)
        counts = ", ".join(f"{kind}: {count}" for kind, count in sorted(found.broken.items()))
        note(f"BROKEN. The first in the order of the chain stands first; all in all {counts}")
    if different:
        print_rows([one._asdict() for one in different[:_TOLD]], args.output)
        note(
            f"{len(different)} runs are not told as their events tell them: airflow sematic lineage rebuild makes them anew"
        )
    speed = f", {found.events / seconds:.0f} a second" if found.events and seconds > 0 else ""
    last = f"; the last seal is {found.head[0]}:{found.head[1]}" if found.head else ""
    note(f"{found.events} events under {found.seals} seals were verified{speed}{last}")
    for policy, count in found.policies.items():
        note(f"texts of {count} of the log's entries were removed by retention ({policy})")
    note(f"{found.anchors} hashes that are kept elsewhere were compared; {found.waiting} events wait for their seal")
    if found.whole and not different:
        print("whole")

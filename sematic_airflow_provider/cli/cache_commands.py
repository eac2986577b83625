"""The commands of ``airflow sematic cache``. Exit status: 0, or 1 where something failed or is refused; 2 for wrong arguments."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from sematic_airflow_provider.cli.caching import Explanation, Selection, expire_now, explanation, listed, row_of
from sematic_airflow_provider.cli.moments import explained, moment
from sematic_airflow_provider.cli.printing import note, print_rows
from sematic_airflow_provider.cli.server_side import server_side
from sematic_airflow_provider.configured_store import configured_store
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.errors import ArtifactError
from sematic_airflow_provider.steps.records import delete_entry


@server_side
def explain(args: Namespace) -> None:
    """Tell why a task had a hit or miss."""
    with explained(), lineage_session() as session:
        found = explanation(session, configured_store(), args.dag_id, args.task_id, args.run, args.map_index)
    if args.output in ("json", "yaml"):
        print_rows([found.record(parts=args.parts)], args.output)
    else:
        print_rows(_readable(found, parts=args.parts), args.output)


@server_side
def ls(args: Namespace) -> None:
    """List cached results."""
    with explained():
        found = listed(configured_store(), _selection(args))
    short = args.output in ("table", "plain")
    print_rows([row_of(entry, short_digests=short) for entry in found[: args.limit]], args.output)
    if len(found) > args.limit:
        note(f"these are the latest {args.limit} of {len(found)}: --limit")


@server_side
def expire(args: Namespace) -> None:
    """Let cached results expire."""
    with explained():
        wanted = _selection(args)
        if wanted == Selection() and not args.all:
            raise ArtifactError("say which: --dag-id, --task-id, --namespace, --older-than, or --all")
        store = configured_store()
        found = [entry for entry in listed(store, wanted) if not entry.expired()]
        rows = [row_of(expire_now(store, entry), short_digests=args.output in ("table", "plain")) for entry in found]
    print_rows(rows, args.output)
    note(f"{len(rows)} cached results have expired")


@server_side
def purge(args: Namespace) -> None:
    """Forget cached results."""
    with explained():
        store = configured_store()
        found = listed(store, _selection(args))
        for entry in found if args.delete else ():
            delete_entry(store, entry.key)
    print_rows([row_of(entry, short_digests=args.output in ("table", "plain")) for entry in found], args.output)
    if args.delete:
        note(
            f"{len(found)} cached results are forgotten. Their outputs go with the next collection: airflow sematic artifacts gc --delete"
        )
    elif found:
        note(f"nothing was deleted: this was a dry run. Give --delete to forget these {len(found)}")


def _selection(args: Namespace) -> Selection:
    before = moment(args.older_than, "--older-than")
    return Selection(args.dag_id, args.task_id, args.namespace, before.timestamp() if before is not None else None)


def _readable(found: Explanation, *, parts: bool) -> list[dict[str, Any]]:
    rows = [{"what": name, "value": value} for name, value in found.lines()]
    if parts:
        rows += [{"what": name, "value": value} for name, value in found.parts.items()]
    return rows

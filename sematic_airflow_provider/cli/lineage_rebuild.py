"""``lineage rebuild``: the tables that are shown, made anew from the log of events."""

from __future__ import annotations

import uuid
from argparse import Namespace

from sematic_airflow_provider.cli.moments import explained, moment
from sematic_airflow_provider.cli.server_side import server_side


@server_side
def rebuild(args: Namespace) -> None:
    """Replay the log, or the events of one run."""
    if args.run and (args.since or args.after):
        raise SystemExit("--run takes neither --since nor --after: it replays all events of the run")
    if args.since and args.after:
        raise SystemExit("--after goes on with a rebuild of everything: it does not go with --since")
    if args.run:
        _one_run(_id(args.run))
    else:
        _all(args.since, args.after)


def _one_run(run_id: str) -> None:
    from sematic_airflow_provider.db.rebuilding import rebuild_run
    from sematic_airflow_provider.db.sessions import lineage_session

    with explained(), lineage_session() as session:
        count = rebuild_run(session, run_id)
    if not count:
        raise SystemExit(f"the log has no events of a run {run_id}, or they were too old to be kept")
    print(f"1 run made anew from {count} event{'' if count == 1 else 's'}")


def _all(since: str | None, after: int) -> None:
    from sematic_airflow_provider.db import rebuilding
    from sematic_airflow_provider.db.sessions import lineage_session

    with explained() as progress:
        moment_since = moment(since, "--since")

        def tell(done: rebuilding.Progress) -> None:
            nonlocal after
            after = done.after
            progress(f"events replayed, of {done.of}", done.events)

        try:
            with lineage_session() as session:
                done = rebuilding.rebuild(session, tell, since=moment_since, after=after)
        except BaseException:
            progress.close()
            if since is None and after:
                print(f"stopped; to go on: airflow sematic lineage rebuild --after {after}")
            raise
        progress.close()
        print(f"{done.runs} runs made anew from {done.events} events")


def _id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise SystemExit(f"--run takes the id of a run as the Lineage tab shows it, a UUID, not {text!r}") from None

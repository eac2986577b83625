"""``airflow sematic lineage prune``: the events of old runs are removed from the log, what they are told by stays."""

from __future__ import annotations

import datetime as dt
import getpass
from argparse import Namespace

from sematic_airflow_provider.cli.moments import explained
from sematic_airflow_provider.cli.printing import note, print_rows, sized
from sematic_airflow_provider.cli.server_side import server_side
from sematic_airflow_provider.errors import ConfigurationError


@server_side
def prune(args: Namespace) -> None:
    """Remove the events of runs that ended before, or tell how many would go."""
    from sematic_airflow_provider.configured_store import configured_store
    from sematic_airflow_provider.db.part_sweep import Swept, sweep_parts
    from sematic_airflow_provider.db.retention import Policy
    from sematic_airflow_provider.db.retention import prune as prune_log
    from sematic_airflow_provider.db.roots import behind_pointers
    from sematic_airflow_provider.db.sessions import lineage_session
    from sematic_airflow_provider.settings import load_settings

    with explained() as progress:
        keep_days = args.keep_days if args.keep_days is not None else load_settings().lineage_keep_days
        if not 0 < keep_days <= 100_000:
            raise ConfigurationError(
                "lineage_keep_days",
                "say how long events are kept: --keep-days N, or [sematic] lineage_keep_days above 0",
            )
        policy = Policy(keep_days, _user(), behind_pointers(configured_store()))
        swept = Swept(0, 0)
        with lineage_session() as session:
            done = prune_log(session, policy, dry_run=args.dry_run, progress=progress)
            if not args.dry_run:
                seen_before = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=keep_days)
                swept = sweep_parts(session, seen_before.date(), progress=progress)
    rows = [
        {"what": "events", "count": done.events, "bytes": done.bytes, "size": sized(done.bytes)},
        {"what": "runs rolled up", "count": done.runs, "bytes": None, "size": ""},
        {"what": "runs that keep their events", "count": done.kept, "bytes": None, "size": ""},
        {"what": "parts that nothing named", "count": swept.parts, "bytes": swept.bytes, "size": sized(swept.bytes)},
    ]
    print_rows(rows, args.output)
    if args.dry_run:
        note("nothing was removed: this was a dry run. Parts that events share are only counted when they go")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        return "unknown"

"""The commands of ``airflow sematic artifacts``. Exit status: 0, or 1 where something failed, is refused or is not whole; 2 for wrong arguments."""

from __future__ import annotations

import getpass
import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.cli.addresses import find
from sematic_airflow_provider.cli.moments import explained, moment
from sematic_airflow_provider.cli.printing import note, print_rows, sized
from sematic_airflow_provider.cli.server_side import server_side
from sematic_airflow_provider.configured_store import configured_store
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.errors import ArtifactError, ArtifactNotFoundError
from sematic_airflow_provider.settings import load_settings


@server_side
def ls(args: Namespace) -> None:
    """List artifacts."""
    from sematic_airflow_provider.cli.showing import list_rows
    from sematic_airflow_provider.db.artifacts import Filter

    with explained(), lineage_session() as session:
        wanted = Filter(args.dag_id, args.type, args.name, moment(args.since, "--since"), args.limit)
        rows = list_rows(session, wanted, short_digests=args.output in ("table", "plain"))
    print_rows(rows, args.output)
    if len(rows) == args.limit:
        note(f"these are the latest {args.limit}; there may be more: --limit")


@server_side
def show(args: Namespace) -> None:
    """Tell what is known of an artifact."""
    from sematic_airflow_provider.cli.showing import describe, reasons

    with explained() as progress:
        store = configured_store()
        with lineage_session() as session:
            found = find(session, store, args.artifact)
            known = describe(session, store, found)
        if args.why:
            known["needed by"] = reasons(store, found.digest, progress)
    if args.output in ("json", "yaml"):
        print_rows([known], args.output)
    else:
        print_rows([{"field": name, "value": _text(value)} for name, value in known.items()], args.output)


@server_side
def get(args: Namespace) -> None:
    """Write an artifact's bytes to a file, folder or standard output."""
    from sematic_airflow_provider.cli.export import export, export_to_stream

    with explained():
        store = configured_store()
        with lineage_session() as session:
            found = find(session, store, args.artifact)
        try:
            part = found.part(store)
            if args.path not in (None, "-"):
                note(f"written to {export(store, part, Path(args.path), force=args.force)}")
                return
            if sys.stdout.isatty() and args.path is None and not (part.codec or "").endswith(("json/1", "text/1")):
                raise ArtifactError(
                    f"artifact {found.digest} ({part.codec}) is not for a terminal: give -o PATH, or pipe it"
                )
            export_to_stream(store, part, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        except ArtifactNotFoundError as error:
            raise ArtifactError(_what_became_of(store, found, error)) from error


@server_side
def put(args: Namespace) -> None:
    """Store a file, a folder or standard input."""
    from sematic_airflow_provider.artifacts import pointers
    from sematic_airflow_provider.cli.intake import take_in

    with explained():
        if args.pointer is not None and not pointers.is_pointer_name(args.pointer):
            pointers.read_pointer(
                configured_store(), args.pointer
            )  # says what is wrong with the name, before anything is stored
        settings = load_settings()
        store = configured_store(settings)
        repository = Repository(store, inline_limit=settings.inline_limit, previews=settings.previews)
        ref = take_in(repository, args.path, args.form)
        if args.pointer is not None:
            pointers.set_pointer(store, args.pointer, ref, by=_user())
        else:
            note("no pointer names it: the next collection after the grace time deletes it, unless something else does")
    record = ref.to_json()
    print_rows(
        [record if args.output in ("json", "yaml") else {name: _text(value) for name, value in record.items()}],
        args.output,
    )


@server_side
def point(args: Namespace) -> None:
    """Let a pointer name an artifact, forget one, or list them."""
    from sematic_airflow_provider.artifacts import pointers

    with explained():
        store = configured_store()
        if args.forget:
            if args.artifact is not None or args.pointer is None:
                raise ArtifactError("--forget takes the name of a pointer, and nothing else")
            pointers.delete_pointer(store, args.pointer)
            return
        if args.artifact is not None:
            with lineage_session() as session:
                found = find(session, store, args.artifact)
            if found.ref is None:
                raise ArtifactError(
                    f"nothing tells of what kind artifact {found.digest} is: give its reference in JSON"
                )
            pointers.set_pointer(store, args.pointer, found.ref, by=_user())
        shown = [one for one in pointers.pointers(store) if args.pointer in (None, one.name)]
        if args.pointer is not None and not shown:
            raise ArtifactError(f"there is no pointer {args.pointer} in the store {store.url}")
    rows = [
        {
            "pointer": one.name,
            "version": f"-{number}" if number else "now",
            "digest": version.ref.digest,
            "type": version.ref.type,
            "size": sized(version.ref.size),
            "set": f"{version.set_at:%Y-%m-%d %H:%M:%S}",
            "by": version.set_by,
        }
        for one in shown
        for number, version in enumerate(one.versions if args.pointer is not None else one.versions[:1])
    ]
    print_rows(rows, args.output)


@server_side
def verify(args: Namespace) -> None:
    """Read and hash artifacts."""
    from sematic_airflow_provider.cli.verifying import Options, verify_all, verify_some

    with explained() as progress:
        if bool(args.artifacts) == args.all:
            raise ArtifactError("say which artifacts to verify, or --all")
        store = configured_store()
        options = Options(args.jobs, args.sample, Path(args.resume) if args.resume else None)
        if args.all:
            checked = verify_all(store, options, progress)
        else:
            with lineage_session() as session:
                found = [find(session, store, text) for text in args.artifacts]
            parts = [one.part(store) for one in found if one.ref is None or not one.ref.has_value]
            checked = verify_some(store, parts, options, progress)
    bad = [problem for problem in checked.problems if problem.state != "deleted"]
    summary = f"{checked.blobs} blobs, {sized(checked.bytes)} verified; {len(bad)} problems"
    if len(bad) < len(checked.problems):
        summary += f"; {len(checked.problems) - len(bad)} that are still named were deleted by collections"
    note(summary)
    if checked.problems or args.output in ("json", "yaml"):
        rows = [{"digest": one.digest, "state": one.state, "detail": one.detail} for one in checked.problems]
        print_rows(rows, args.output)
    if bad:
        sys.exit(1)


@server_side
def gc(args: Namespace) -> None:
    """Tell what nothing needs, and delete it where that is asked for."""
    from sematic_airflow_provider.cli.collecting import Options, collect
    from sematic_airflow_provider.db import owners
    from sematic_airflow_provider.db.kept_runs import Policy

    with explained() as progress:
        store = configured_store()
        if args.forget_owner is not None:
            if not owners.forget(store, args.forget_owner):
                raise ArtifactError(f"no Airflow of id {args.forget_owner} is known to use the store {store.url}")
            note(f"{args.forget_owner} is forgotten")
        policy = Policy(args.keep_days, args.keep_last, tuple(args.dag_id or ()))
        options = Options(policy, args.grace_hours, tuple(args.opaque_codec or ()), args.delete, args.by)
        rows = collect(store, options, progress)
    print_rows(rows, args.output)


@server_side
def du(args: Namespace) -> None:
    """Tell what artifacts take."""
    from sematic_airflow_provider.cli.usage import readable, usage

    with explained() as progress, lineage_session() as session:
        rows = usage(session, configured_store(), args.by, progress)
    print_rows(readable(rows) if args.output in ("table", "plain") else rows, args.output)


def _user() -> str:
    """Who gives the command; a container may run as a user without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _what_became_of(store: Store, found: Any, error: ArtifactNotFoundError) -> str:
    """Why an artifact, or a part of one, cannot be had."""
    from sematic_airflow_provider.cli.addresses import Found
    from sematic_airflow_provider.cli.showing import state_of

    whole = error.digest == found.digest
    part = found if whole else Found(error.digest, None)  # type: ignore[arg-type]
    what = f"artifact {found.digest}" if whole else f"artifact {found.digest} is not whole: {error.digest}"
    return f"{what} cannot be had from {store.url}: {state_of(store, part)}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(str(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, default=str)

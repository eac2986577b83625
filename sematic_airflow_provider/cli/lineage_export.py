"""``lineage export`` and ``lineage report``: a part of the lineage into a file. Whoever may run this has the database, and may read all of it."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import uuid
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts import pointers
from sematic_airflow_provider.artifacts.codecs.registry import FILES, TREE
from sematic_airflow_provider.artifacts.parts import Part
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.cli.addresses import find
from sematic_airflow_provider.cli.export import TargetExistsError, export_to_stream, suffix_of
from sematic_airflow_provider.cli.moments import explained
from sematic_airflow_provider.cli.printing import note
from sematic_airflow_provider.cli.server_side import server_side
from sematic_airflow_provider.configured_store import configured_store
from sematic_airflow_provider.db import exporting, queries
from sematic_airflow_provider.db.nodes import nodes
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.errors import ArtifactError, NodeNotFoundError
from sematic_airflow_provider.lineage.exports import prov_json, ro_crate, store_files
from sematic_airflow_provider.lineage.exports.picture import svg
from sematic_airflow_provider.lineage.exports.report import report
from sematic_airflow_provider.lineage.exports.ro_crate import Attachment
from sematic_airflow_provider.lineage.exports.subgraph import Subgraph
from sematic_airflow_provider.lineage.graph import ArtifactNode, LineageGraph

_NODE: Final = re.compile(r"(run|artifact|dataset):[0-9a-f-]{36,64}")
Seeds = tuple[list[str], "tuple[str, str] | None"]


@server_side
def export_lineage(args: Namespace) -> None:
    """Write a part of the lineage in one of the forms."""
    with explained(), lineage_session() as session:
        store = configured_store()
        seeds, dag_run = _found(session, store, args.what)
        extent = Extent(args.depth, args.direction, args.max_nodes)
        if args.format == "openlineage":
            graph = queries.graph(session, seeds, extent)
            run_ids = exporting.exported_runs(session, graph)
            _, gone = exporting.count_events(session, run_ids)
            _write(args, lambda file: file.writelines(exporting.event_lines(session, run_ids)))
            if gone:
                note(f"of {gone} events, only the main facts are in it: they were too old to be kept")
            _tell_of_more(graph)
            return
        part = exporting.subgraph(session, seeds, extent, dag_run=dag_run)
        if args.format == "prov-json":
            _write(args, lambda file: file.write(prov_json.prov_json(part)))
        elif args.format == "svg":
            _write(args, lambda file: file.write(svg(part.graph, f"Lineage of {part.title}").encode()))
        else:
            _write_crate(args, part, _attachments(store, part, args))
        _tell_of_more(part.graph)


@server_side
def write_report(args: Namespace) -> None:
    """Write the report on a part of the lineage."""
    with explained(), lineage_session() as session:
        store = configured_store()
        seeds, dag_run = _found(session, store, args.what)
        part = exporting.subgraph(session, seeds, Extent(args.depth, args.direction, args.max_nodes), dag_run=dag_run)
        _write(args, lambda file: file.write(report(part, store_files.documents(store, part)).encode()))
        _tell_of_more(part.graph)


def _found(session: Session, store: Store, what: str) -> Seeds:
    """The node ids that are meant, and the Dag run where one is.

    Raises:
        NodeNotFoundError: there is no lineage of it.
        ArtifactError: the text has none of the forms.
    """
    what = what.strip()
    with suppress(ValueError):
        what = f"run:{uuid.UUID(what)}"
    if _NODE.fullmatch(what):
        if what not in nodes(session, [what]):
            raise NodeNotFoundError(f"no lineage of {what}")
        return [what], None
    if what.count("/") == 1 and not pointers.is_pointer_name(what):
        dag_id, _, dag_run_id = what.partition("/")
        return queries.dag_run_seeds(session, dag_id, dag_run_id), (dag_id, dag_run_id)
    return queries.artifact_seed(session, find(session, store, what).digest), None


def _attachments(store: Store, part: Subgraph, args: Namespace) -> list[Attachment]:
    if args.files == "none":
        return []
    found = store_files.looks(store, part)
    return found + (_contents(store, part, args.largest * 1e6) if args.files == "contents" else [])


def _contents(store: Store, part: Subgraph, largest: float) -> list[Attachment]:
    """Artifacts that are one file each, and no larger than that."""
    found, left_out = [], 0
    for node in part.data_nodes:
        if not isinstance(node, ArtifactNode) or not node.digest or node.has_value or node.codec in (FILES, TREE):
            continue
        if node.size is None or node.size > largest or store.stat(node.digest) is None:  # type: ignore[arg-type]
            left_out += 1
            continue
        path = f"artifacts/{node.digest}{suffix_of(node.codec)}"
        read = _reader(store, Part(node.digest, node.codec))  # type: ignore[arg-type]
        found.append(Attachment(node.id, path, "application/octet-stream", True, read, node.size))
    if left_out:
        note(f"{left_out} artifacts are not in it: they are too large, or not in the store any more")
    return found


def _reader(store: Store, part: Part) -> Callable[[], bytes]:
    def read() -> bytes:
        stream = BytesIO()
        export_to_stream(store, part, stream)
        return stream.getvalue()

    return read


def _write_crate(args: Namespace, part: Subgraph, attachments: Sequence[Attachment]) -> None:
    if args.output == "-" or args.output.endswith(".zip"):
        _write(args, lambda file: ro_crate.write_zip(part, attachments, file))
        return
    target = Path(args.output)
    if target.exists():
        raise TargetExistsError(f"{target} is there already: folders are not replaced")
    with tempfile.TemporaryDirectory(prefix=".sematic-export-", dir=target.absolute().parent) as folder:
        made = Path(folder, "crate")
        for path, read in ro_crate.files(part, attachments):
            made.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
            made.joinpath(path).write_bytes(read())
        os.replace(made, target)
    note(f"written to {target}")


def _write(args: Namespace, write: Callable[[BinaryIO], object]) -> None:
    """Into the file, all or nothing."""
    with _target(args.output, args.force) as file:
        write(file)
    if args.output != "-":
        note(f"written to {args.output}")


@contextmanager
def _target(output: str, force: bool) -> Iterator[BinaryIO]:
    if output == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(output)
    if target.is_dir() or (target.exists() and not force):
        raise TargetExistsError(f"{target} is there already: give another path, or --force to replace a file")
    if not target.absolute().parent.is_dir():
        raise ArtifactError(f"there is no folder {target.absolute().parent}")
    with tempfile.NamedTemporaryFile(prefix=".sematic-export-", dir=target.absolute().parent, delete=False) as file:
        try:
            yield file  # type: ignore[misc] # it has all that a file has
        except BaseException:
            os.unlink(file.name)
            raise
    os.chmod(file.name, 0o644)
    os.replace(file.name, target)


def _tell_of_more(graph: LineageGraph) -> None:
    if graph.truncated:
        note("not everything is in it: it was cut at --max-nodes or --depth")

"""Previews of collections, files and folders, from their manifests."""

from __future__ import annotations

import json

from sematic_airflow_provider.artifacts.files import Files
from sematic_airflow_provider.artifacts.previews.cells import cut
from sematic_airflow_provider.artifacts.previews.form import FileEntry, FilesPreview, Member, TreePreview
from sematic_airflow_provider.artifacts.trees import Tree

ENTRIES = 200


def of_tree(tree: Tree) -> TreePreview:
    """Its first members."""
    return TreePreview(
        of=tree.of or tree.kind,
        count=len(tree.members),
        size=sum(ref.size for _, ref in tree.members),
        members=[
            Member(
                key=cut(key if isinstance(key, str) else json.dumps(key, ensure_ascii=False)),
                type=cut(ref.type),
                codec=cut(ref.codec),
                size=ref.size,
                digest=ref.digest,
                value=cut(json.dumps(ref.value, ensure_ascii=False)) if ref.has_value else None,
            )
            for key, ref in tree.members[:ENTRIES]
        ],
    )


def of_files(files: Files) -> FilesPreview:
    """Its first entries."""
    return FilesPreview(
        name=cut(files.name),
        of="file" if files.kind == "file" else "folder",
        count=sum(entry.kind != "folder" for entry in files.entries),
        size=files.chunks.size,
        entries=[
            FileEntry(
                path=cut(entry.path),
                entry=entry.kind,  # type: ignore[arg-type]  # the listing was checked when it was read
                size=entry.size,
                target=cut(entry.content) if entry.kind == "link" else "",
            )
            for entry in files.entries[:ENTRIES]
        ],
    )

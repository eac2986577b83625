"""Previews: what the API server shows of an artifact without decoding it. docs/previews.md tells what is in them."""

from __future__ import annotations

from sematic_airflow_provider.artifacts.previews.documents import delete, read, read_picture, write

__all__ = ["delete", "read", "read_picture", "write"]

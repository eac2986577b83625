"""Dagster: assets that are materialized with the file system IO manager."""

from __future__ import annotations

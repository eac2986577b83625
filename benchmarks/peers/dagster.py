"""Dagster: assets that are materialized with the file system IO manager."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from dagster import AssetKey, AssetSpec, FilesystemIOManager, In, asset, materialize

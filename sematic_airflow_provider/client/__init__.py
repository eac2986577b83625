"""A client of the lineage API, for notebooks and services: ``LineageClient(url, token=…)``. Needs no Airflow in its process, only HTTP."""

from __future__ import annotations

from sematic_airflow_provider.client.graph import Difference, Graph
from sematic_airflow_provider.client.lineage_client import LineageClient
from sematic_airflow_provider.client.models import (
    ArtifactDetails,
    ArtifactNode,
    DatasetNode,
    Edge,
    GroupNode,
    Posted,
    RunDetails,
    RunNode,
)
from sematic_airflow_provider.errors import LineageRequestError

__all__ = [
    "ArtifactDetails",
    "ArtifactNode",
    "DatasetNode",
    "Difference",
    "Edge",
    "Graph",
    "GroupNode",
    "LineageClient",
    "LineageRequestError",
    "Posted",
    "RunDetails",
    "RunNode",
]

"""MLflow: artifacts of a run, in a local tracking store in SQLite."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import mlflow

logging.getLogger("mlflow").setLevel(logging.ERROR)


def prepare(store: Path) -> None:
    """Make the tracking database and the experiment."""
    mlflow.set_tracking_uri(f"sqlite:///{store}/mlflow.db")
    mlflow.create_experiment("bench", artifact_location=str(store / "artifacts"))


def save(kind: str, value: Any, store: Path) -> Any:
    """Start a run and log the value in it: a model as such, JSON as a dictionary, anything else as a file in its usual format."""
    _open(store)
    with mlflow.start_run() as run:
        if kind == "json":
            mlflow.log_dict(value, "value.json")
        elif kind == "folder":
            mlflow.log_artifacts(str(value), "value")
        elif kind == "model":
            return mlflow.sklearn.log_model(value, name="value", serialization_format="cloudpickle").model_uri
        else:
            _log_file(kind, value)
        return f"runs:/{run.info.run_id}/value"


def load(kind: str, handle: Any, store: Path) -> Any:
    """Load it by its URI."""
    _open(store)
    if kind == "model":
        return mlflow.sklearn.load_model(handle)
    if kind == "json":
        return mlflow.artifacts.load_dict(handle + ".json")
    if kind == "folder":
        return mlflow.artifacts.download_artifacts(handle, dst_path=tempfile.mkdtemp(dir=store))
    if kind in ("array", "integers"):
        import numpy as np

        return np.load(mlflow.artifacts.download_artifacts(handle + ".npy"))
    import pandas as pd

    return pd.read_parquet(mlflow.artifacts.download_artifacts(handle + ".parquet"))


def _open(store: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{store}/mlflow.db")
    mlflow.set_experiment("bench")


def _log_file(kind: str, value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if kind in ("array", "integers"):
            import numpy as np

            path = f"{folder}/value.npy"
            np.save(path, value)
        else:
            path = f"{folder}/value.parquet"
            value.to_parquet(path)
        mlflow.log_artifact(path)

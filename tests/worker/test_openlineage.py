"""The facets of artifacts."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from openlineage.client.serde import Serde

from tests.events import ref


@pytest.mark.parametrize(
    ("codec", "promised", "dataset_type"),
    [
        ("pickle/1", (False, [], True), None),
        ("chunks/1:pickle/1", (False, [], True), None),
        ("parquet/1", (True, ["pyarrow", "pandas"], False), None),
        ("lightgbm/1", (True, ["lightgbm"], False), "MODEL"),
        ("tree/1", (None, [], False), None),
    ],
)
def test_an_artifact_tells_what_its_codec_promises(codec: str, promised: Any, dataset_type: str | None) -> None:
    from sematic_airflow_provider.worker.openlineage import output_of

    facets = json.loads(Serde.to_json(output_of(ref("d.t.k", codec=codec), {})))["facets"]
    facet = facets["sematic_artifact"]
    assert (facet.get("deterministic"), facet.get("dependsOn", []), facet["pickle"]) == promised
    assert facets.get("datasetType", {}).get("datasetType") == dataset_type
    schema = files("sematic_airflow_provider.lineage").joinpath("schemas/sematic_artifact.json").read_text()
    jsonschema.validate(facet, json.loads(schema))

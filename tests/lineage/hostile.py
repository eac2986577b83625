"""Strategies: events as they should be, as they may be, and JSON that is none."""

from __future__ import annotations

import copy
import uuid
from typing import Any

from hypothesis import strategies as st

from tests.events import dataset, ref

EVIL = (
    "x'); DROP TABLE sematic_run; --",
    "<script>alert(1)</script>",
    "\u202e\u0007é\U0001f600",
    "%(name)s {0} :param",
    "a" * 300,
    "\\u0000",
    " ",
    "~",
)
NAMES = st.sampled_from(["table", "flow.raw.return_value", *EVIL])
NUMBERS = st.sampled_from([0, -1, 2**31, 2**63, 2**64 + 1, 10**40, 1.5, -0.0, 1e308, True, None])
SCALARS = st.one_of(NUMBERS, st.sampled_from(["", *EVIL, "\0", "\ud800"]), st.text(max_size=5))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "facets", "_deleted", "\0", ""]), inner, max_size=3),
    ),
    max_leaves=8,
)
TIMES = st.sampled_from(
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:01.123456789+02:00",
        "2026-01-01T00:00:02.5Z",
        "2026-01-01T00:00:02.500000-0000",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
    ]
)
RUNS = [str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))) for number in range(2)]
RUN_IDS = st.sampled_from(
    [*RUNS, RUNS[0].upper(), "{" + RUNS[0] + "}", "urn:uuid:" + RUNS[1], RUNS[1].replace("-", "")]
)
TYPES = st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER", None])

_RAW = dataset(ref("flow.raw.return_value"))["facets"]
_COLUMNS = {
    "fields": {
        "out": {
            "inputFields": [{"namespace": "n", "name": "table", "field": "in", "transformations": [{"type": "DIRECT"}]}]
        },
        "odd": {"inputFields": [5, {"namespace": "n"}, {"namespace": "n", "name": "x\0", "field": "y"}]},
    },
    "dataset": [{"namespace": "n", "name": "other", "field": "key"}],
}
DATA_FACETS = st.dictionaries(
    st.sampled_from(
        ["version", "schema", "symlinks", "columnLineage", "sematic_artifact", "datasetType", "lineage", "x"]
    ),
    st.one_of(
        st.sampled_from(
            [
                {"datasetVersion": "1"},
                {"datasetVersion": "2"},
                {"datasetVersion": 5},
                {"datasetType": "MODEL"},
                {"identifiers": [{"namespace": "s3://b", "name": "/place", "type": "LOCATION"}]},
                _COLUMNS,
                _RAW["sematic_artifact"],
                _RAW["sematic_artifact"] | {"size": 2**70},
                {
                    "inputs": [],
                    "fields": {"f": {"inputs": [{"type": "DATASET", "namespace": "n", "name": "table", "field": "g"}]}},
                },
                {"_deleted": True},
            ]
        ),
        JSON,
    ),
    max_size=4,
)
DATASETS = st.fixed_dictionaries(
    {"namespace": st.sampled_from(["n", "postgres://h", "s3a://b", *EVIL[:2]]), "name": NAMES},
    optional={"facets": st.one_of(st.none(), DATA_FACETS), "inputFacets": DATA_FACETS, "outputFacets": DATA_FACETS},
)
RUN_FACETS = st.dictionaries(
    st.sampled_from(
        [
            "airflow",
            "parent",
            "sematic_step",
            "sematic_task",
            "sematic_reconciled",
            "processing_engine",
            "big",
            "job",
            "x",
        ]
    ),
    st.one_of(
        st.sampled_from(
            [
                {"dag": {"dag_id": "flow"}, "dagRun": {"run_id": "r"}, "task": {"task_id": "t"}},
                {"dag": {"dag_id": "x" * 400}, "taskInstance": {"map_index": 2**40, "try_number": True}},
                {"run": {"runId": RUNS[1]}, "job": {"name": "flow"}, "root": {"run": {"runId": "no"}}},
                {"state": "skipped"},
                {"state": "failed", "startedAt": "2026-01-01T00:00:00Z", "dagId": "flow"},
                {"text": "y" * 600, "more": ["z" * 300, {"deep": [["w" * 300]]}]},
                {"name": "Airflow"},
                None,
            ]
        ),
        JSON,
    ),
    max_size=4,
)
JOBS = st.fixed_dictionaries(
    {"namespace": st.sampled_from(["default", EVIL[0]]), "name": st.sampled_from(["flow.t", EVIL[1]])},
    optional={
        "facets": st.one_of(
            st.none(),
            st.dictionaries(
                st.sampled_from(["jobType", "lineage", "sql"]),
                st.one_of(st.just({"integration": "SPARK"}), st.just({"_deleted": True}), JSON),
            ),
        )
    },
)
RUN_EVENTS = st.fixed_dictionaries(
    {
        "eventTime": TIMES,
        "eventType": TYPES,
        "job": JOBS,
        "run": st.fixed_dictionaries({"runId": RUN_IDS, "facets": RUN_FACETS}),
    },
    optional={
        "inputs": st.one_of(st.none(), st.lists(DATASETS, max_size=3)),
        "outputs": st.one_of(st.none(), st.lists(DATASETS, max_size=3)),
        "producer": JSON,
        "schemaURL": JSON,
        "unknown": JSON,
    },
)
JOB_EVENTS = st.fixed_dictionaries(
    {"eventTime": TIMES, "job": JOBS},
    optional={"inputs": st.lists(DATASETS, max_size=2), "outputs": st.lists(DATASETS, max_size=2)},
)
DATASET_EVENTS = st.fixed_dictionaries({"eventTime": TIMES, "dataset": DATASETS})
EVENTS = st.one_of(RUN_EVENTS, RUN_EVENTS, RUN_EVENTS, JOB_EVENTS, DATASET_EVENTS)


@st.composite
def broken(draw: st.DrawFn) -> Any:
    """An event with any JSON in the place of one of its members, at any depth; or any JSON at all."""
    event = copy.deepcopy(draw(EVENTS))  # what it is made of is shared
    place: Any = event
    while isinstance(place, (dict, list)) and place:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if draw(st.booleans()) or not isinstance(place[key], (dict, list)):
            place[key] = draw(JSON)
            return event
        place = place[key]
    return draw(JSON)

"""Events in the shape of other producers: what Spark, dbt and Flink send, and events of jobs and data sets."""

from __future__ import annotations

from typing import Any

from tests.events import run_id

SPEC = "https://openlineage.io/spec"


def _facet(facet_name: str, /, **content: Any) -> dict[str, Any]:
    return {
        "_producer": "https://example.com/producer",
        "_schemaURL": f"{SPEC}/facets/1-0-0/{facet_name}.json#/$defs/{facet_name}",
        **content,
    }


def _table(
    name: str, columns: list[str], namespace: str = "postgres://warehouse:5432", **facets: Any
) -> dict[str, Any]:
    schema = _facet("SchemaDatasetFacet", fields=[{"name": column, "type": "string"} for column in columns])
    return {"namespace": namespace, "name": name, "facets": {"schema": schema, **facets}}


def _column_lineage(sources: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    return _facet(
        "ColumnLineageDatasetFacet",
        fields={
            column: {
                "inputFields": [
                    {
                        "namespace": "postgres://warehouse:5432",
                        "name": table,
                        "field": field,
                        "transformations": [
                            {"type": "DIRECT", "subtype": "IDENTITY", "description": "", "masking": False}
                        ],
                    }
                    for table, field in told
                ]
            }
            for column, told in sources.items()
        },
    )


def spark_event(event_type: str = "COMPLETE", second: int = 0) -> dict[str, Any]:
    """As the Spark integration sends for a job: nanoseconds, a parent with a root, column lineage, statistics."""
    parent = {"job": {"namespace": "spark", "name": "orders"}, "run": {"runId": run_id("spark", "application")}}
    columns = _column_lineage({"id": [("raw.orders", "id")], "total": [("raw.orders", "price"), ("raw.rates", "rate")]})
    return {
        "eventTime": f"2026-01-01T00:00:{second:02d}.123456789Z",
        "producer": "https://github.com/OpenLineage/OpenLineage/tree/1.40.0/integration/spark",
        "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "eventType": event_type,
        "run": {
            "runId": run_id("spark", "job").upper(),
            "facets": {
                "parent": _facet("ParentRunFacet", **parent, root=parent),
                "processing_engine": _facet("ProcessingEngineRunFacet", version="3.5.1", name="spark"),
                "spark_properties": _facet("SparkPropertyFacet", properties={"spark.master": "yarn"}),
            },
        },
        "job": {
            "namespace": "spark",
            "name": "orders.execute_insert_into_hadoop_fs_relation_command.silver_orders",
            "facets": {
                "jobType": _facet("JobTypeJobFacet", processingType="BATCH", integration="SPARK", jobType="SQL_JOB")
            },
        },
        "inputs": [_table("raw.orders", ["id", "price"]), _table("raw.rates", ["rate"])],
        "outputs": [
            _table("silver/orders", ["id", "total"], "s3a://lake", columnLineage=columns)
            | {
                "outputFacets": {
                    "outputStatistics": _facet("OutputStatisticsOutputDatasetFacet", rowCount=10, size=2**40)
                }
            }
        ],
    }


def dbt_event(event_type: str = "COMPLETE") -> dict[str, Any]:
    """As dbt-ol sends for a model: data quality in both places, SQL, no facets object on the run's job parent."""
    assertions = [{"assertion": "not_null", "success": True, "column": "id"}]
    quality = _facet("DataQualityAssertionsDatasetFacet", assertions=assertions)
    return {
        "eventType": event_type,
        "eventTime": "2026-01-01T00:01:00.000001+00:00",
        "run": {
            "runId": run_id("dbt", "model"),
            "facets": {
                "parent": _facet(
                    "ParentRunFacet",
                    job={"namespace": "dbt", "name": "dbt-run-shop"},
                    run={"runId": run_id("dbt", "run")},
                ),
                "dbt_version": _facet("DbtVersionRunFacet", version="1.9.1"),
            },
        },
        "job": {
            "namespace": "dbt",
            "name": "shop.public.orders.build.run",
            "facets": {
                "sql": _facet("SQLJobFacet", query="select 'é <b>' from raw.orders; -- \U0001f600"),
                "jobType": _facet("JobTypeJobFacet", processingType="BATCH", integration="DBT", jobType="MODEL"),
            },
        },
        "inputs": [_table("raw.orders", ["id"]) | {"inputFacets": {"dataQualityAssertions": quality}}],
        "outputs": [_table("shop.public.orders", ["id"], dataQualityAssertions=quality, documentation=None)],
        "producer": "https://github.com/OpenLineage/OpenLineage/tree/1.40.0/integration/dbt",
        "schemaURL": f"{SPEC}/1-0-5/OpenLineage.json#/definitions/RunEvent",
    }


def flink_event(event_type: str = "RUNNING", second: int = 0, records: int = 0) -> dict[str, Any]:
    """As the Flink integration sends again and again for a job that never ends."""
    return {
        "eventType": event_type,
        "eventTime": f"2026-01-01T01:{second // 60 % 60:02d}:{second % 60:02d}Z",
        "run": {
            "runId": run_id("flink", "job"),
            "facets": {"checkpoints": _facet("CheckpointFacet", completed=records, failed=0)},
        },
        "job": {
            "namespace": "flink",
            "name": "clicks",
            "facets": {
                "jobType": _facet("JobTypeJobFacet", processingType="STREAMING", integration="FLINK", jobType="JOB")
            },
        },
        "inputs": [_table("clicks", ["user"], "kafka://broker:9092")],
        "outputs": [_table("clicks_by_user", ["user", "count"], "kafka://broker:9092")],
        "producer": "https://github.com/OpenLineage/OpenLineage/tree/1.40.0/integration/flink",
        "schemaURL": f"{SPEC}/2-0-0/OpenLineage.json#/$defs/RunEvent",
    }


def job_event(second: int = 0, facets: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a job is, told without a run of it."""
    return {
        "eventTime": f"2026-01-01T02:00:{second:02d}Z",
        "producer": "https://example.com/catalogue",
        "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/JobEvent",
        "job": {"namespace": "catalogue", "name": "nightly", "facets": facets or {}},
        "inputs": [{"namespace": "catalogue", "name": "left"}, {"namespace": "catalogue", "name": "right"}],
        "outputs": [{"namespace": "catalogue", "name": "joined"}],
    }


def dataset_event(second: int = 0, facets: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a data set is, told without a run."""
    return {
        "eventTime": f"2026-01-01T03:00:{second:02d}Z",
        "producer": "https://example.com/catalogue",
        "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/DatasetEvent",
        "dataset": {"namespace": "catalogue", "name": "joined", "facets": facets or {}},
    }

"""What Airflow reads to discover this provider: a literal, importing nothing."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Name, configuration and extension points of this provider."""
    return {
        "package-name": "sematic-airflow-provider",
        "name": "Sematic",
        "description": "Content-hashed artifacts, end-to-end lineage and reproducible steps for Apache Airflow.",
        "versions": ["0.1.0"],
        "integrations": [
            {
                "integration-name": "Sematic",
                "external-doc-url": "https://github.com/sematic-ai/sematic-airflow-provider",
                "tags": ["software"],
            }
        ],
        "task-decorators": [
            {"name": "sematic", "class-name": "sematic_airflow_provider.worker.decorator.sematic_task"},
        ],
        "asset-uris": [
            {
                "schemes": ["sematic"],
                "handler": "sematic_airflow_provider.worker.asset_uris.sanitize_uri",
                "to_openlineage_converter": "sematic_airflow_provider.worker.asset_uris.convert_asset_to_openlineage",
            }
        ],
        "db-managers": ["sematic_airflow_provider.db.manager.SematicDBManager"],
        "cli": ["sematic_airflow_provider.cli.definition.get_cli_commands"],
        "config": {
            "sematic": {
                "description": "Artifacts, lineage and compute of the Sematic provider.",
                "options": {
                    "store": {
                        "description": "Where artifacts live: a folder that all workers and the API server share, or an fsspec URL "
                        "such as s3://bucket/prefix. A folder named here must exist. Empty: `sematic` in AIRFLOW_HOME, made when "
                        "first needed.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/mnt/shared/sematic",
                        "default": "",
                    },
                    "store_conn_id": {
                        "description": "The Airflow connection by which workers, API server and CLI reach the store: of type `aws` for "
                        "s3://, of the type that Airflow's providers have for other URLs. Empty: credentials are found as boto3 and "
                        "fsspec do (environment, profile, role). Pods always find them so.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "aws_artifacts",
                        "default": "",
                    },
                    "inline_limit": {
                        "description": "JSON values of at most this many bytes also travel inside their reference, so that reading "
                        "them costs no access to the store. 0: never.",
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": None,
                        "default": "1024",
                    },
                    "allow_pickle": {
                        "description": "Store values that no safe codec knows with pickle. Loading a pickle runs code that whoever "
                        "can write to the store may have chosen; leave it off unless you trust them all.",
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "False",
                    },
                    "previews": {
                        "description": "Make a small preview of each value that is saved (the first rows and statistics of a table, a "
                        "picture of a figure, the parameters of a model), which the Lineage tab shows to those who may read its Dag.",
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    },
                    "compress": {
                        "description": "Compress files, folders, long texts and other large values with zstd, piece by piece, where that "
                        "makes them smaller. Needs the extra `zstd` wherever they are read. Their digests then depend on the version of "
                        "zstd, and differ from those of the same values stored without. Tables are always compressed, arrays never.",
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "False",
                    },
                    "cache": {
                        "description": "Whether sematic tasks that do not say so themselves (`cache=True`) use what a step with the same code, "
                        "inputs and packages has returned before, in any run. Those that cannot be cached, or return nothing, are executed.",
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "False",
                    },
                    "compute": {
                        "description": "Where sematic tasks run that do not say so themselves: `local`, in the worker's process, or "
                        "`kubernetes`, each in a pod.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "kubernetes",
                        "default": "local",
                    },
                    "pod_image": {
                        "description": "Image of the pods that steps run in: Python, this package and what the steps import. Airflow "
                        "is not needed in it.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "registry.example.com/steps:1.4",
                        "default": "",
                    },
                    "pod_template_file": {
                        "description": "Pod template (YAML) for the pods that steps run in; volumes of the store belong here.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/opt/airflow/step-pod.yaml",
                        "default": "",
                    },
                    "pod_store": {
                        "description": "The store as the pods see it, where that differs from `store` (a folder mounted elsewhere).",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/mnt/sematic",
                        "default": "",
                    },
                    "lineage_url": {
                        "description": "URL of the API server that lineage events are posted to. Empty: `[api] base_url`. Without one, "
                        "events travel through the store; while it does not answer, they wait as `spool` says.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "https://airflow.example.com",
                        "default": "",
                    },
                    "lineage_api_key": {
                        "description": "Secret that workers show when they post lineage events, and that the API server checks. Empty: "
                        "events are not posted, they travel through the store.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "sensitive": True,
                        "example": None,
                        "default": "",
                    },
                    "record_env": {
                        "description": "Environment variables that the provenance of each step records, by name or pattern, separated by commas. "
                        "Variables whose names promise a secret (`*_TOKEN`, `AIRFLOW_CONN_*`) are never recorded.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "OMP_NUM_THREADS, CUDA_*, MODEL_REGION",
                        "default": "",
                    },
                    "database": {
                        "description": "SQLAlchemy URL of the database that holds the lineage tables: PostgreSQL, MySQL or SQLite. `airflow db migrate` "
                        "makes the tables there. Empty: Airflow's metadata database.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "sensitive": True,
                        "example": "postgresql+psycopg2://lineage:password@db.example.com/lineage",
                        "default": "",
                    },
                    "lineage_rate_limit": {
                        "description": "Events a second that each API server process takes from one poster (a user, or an address that shows "
                        "`lineage_api_key`), on average over ten seconds; who sends more is asked to come again later. 0: no limit.",
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": None,
                        "default": "5000",
                    },
                    "lineage_keep_days": {
                        "description": "Days after which the events of a run that has ended are removed from the log: what is left is the run with its state, "
                        "times, reads, writes and main facts. Runs that what pointers name came from keep theirs. 0: all are kept for ever.",
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": "400",
                        "default": "0",
                    },
                    "spool": {
                        "description": "Where lineage events wait until the API server has them: a folder on a disk of the worker, from which a "
                        "process of its own delivers them, or `store` where a worker's disk goes away with it (pods): each task then posts its events "
                        "itself, and what cannot be posted waits in the artifact store. Empty: `sematic-spool` in AIRFLOW_HOME; in the pods of "
                        "KubernetesExecutor, the store.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/var/lib/airflow/sematic-spool",
                        "default": "",
                    },
                    "delivery_timeout": {
                        "description": "Seconds that a task waits at most for the API server to take an event, where the task itself must post it. "
                        "A server that did not answer is asked again after a while only.",
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": None,
                        "default": "2",
                    },
                    "reconcile_interval": {
                        "description": "Seconds between two looks of the API server into Airflow's own record for runs that have ended "
                        "and did not tell so: skipped ones, ones without a process, ones that were killed. A run has as long to tell so itself. 0: never look.",
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": None,
                        "default": "60",
                    },
                    "drain_interval": {
                        "description": "Seconds between two looks of the API server into the store, and into its own `spool`, for events that "
                        "could not be posted. 0: never look.",
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": None,
                        "default": "10",
                    },
                },
            }
        },
    }

"""What every task process needs of this package, loaded once in the process that forks them.

LocalExecutor forks task processes from the scheduler, and the Dag processor forks those that load Dag files: a module that is loaded there is loaded for all of
them, one that is not each of them loads anew. So is what the folders of ``sys.path`` hold, which is looked up again when they change. No store is opened,
and nothing of the configuration is kept.
"""

from __future__ import annotations

from importlib import import_module

_MODULES = (
    "airflow.providers.openlineage.api",
    "artifacts.codecs.declared",
    "artifacts.codecs.json",
    "artifacts.codecs.scalars",
    "artifacts.codecs.text",
    "artifacts.codecs.times",
    "artifacts.local_store",
    "artifacts.previews",
    "artifacts.samples",
    "lineage.outputs",
    "steps.cache_key",
    "steps.code",
    "steps.recording",
    "worker.cache",
    "worker.cache_parts",
    "worker.decorator",
    "worker.openlineage",
    "worker.provenance",
    "worker.setup_checks",
    "worker.stores",
    "worker.telling",
    "worker.transport",
    "openlineage.client.generated.lineage",
)


def preload() -> None:
    """Load them.

    Raises:
        ImportError: one cannot be loaded.
    """
    for name in _MODULES:
        import_module(name if name.startswith(("airflow.", "openlineage.")) else f"sematic_airflow_provider.{name}")
    from sematic_airflow_provider.artifacts.codecs import entry_points, registry
    from sematic_airflow_provider.lineage import packages, source

    entry_points.entry_points_of(registry.GROUP)
    packages.installed()
    source.locate(preload)  # compiles the patterns by which Python finds the source of functions

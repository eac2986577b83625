"""Airflow's assets as OpenLineage data sets: those of our own scheme ``sematic://``, and those that Airflow's provider drops.

``sematic://models/flight-delay@production`` names what a pointer points to, ``sematic://artifacts/<digest>`` one artifact. Airflow's provider knows the
schemes of the providers that are installed, and forgets an asset of another scheme, or with a name alone; here such an asset has the name that its URI
gives by OpenLineage's rules, or its own name in the namespace of this Airflow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from openlineage.client.event_v2 import Dataset

SCHEME = "sematic"
_ARTIFACT = re.compile(r"artifacts/([0-9a-f]{64})")


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """The URI of an asset of ours, checked when the Dag file is read.

    Raises:
        ValueError: it names nothing.
    """
    if not _named(uri):
        raise ValueError(
            f"{SCHEME}:// must be followed by the name of a pointer, as in sematic://models/flight-delay@production"
        )
    return uri


def convert_asset_to_openlineage(asset: Any, lineage_context: Any) -> Dataset:
    """An asset of ours as a data set; Airflow's OpenLineage provider calls this."""
    from airflow.providers.openlineage import conf
    from openlineage.client.event_v2 import Dataset
    from openlineage.client.facet_v2 import dataset_type_dataset, dataset_version_dataset

    name = _named(urlsplit(asset.uri))
    if artifact := _ARTIFACT.fullmatch(name):
        version = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=artifact[1])
        return Dataset(namespace=conf.namespace(), name=f"artifact.{artifact[1]}", facets={"version": version})
    facets = {}
    if name.startswith("models/"):
        facets["datasetType"] = dataset_type_dataset.DatasetTypeDatasetFacet(datasetType="MODEL")
    return Dataset(namespace=conf.namespace(), name=name, facets=facets)


def dataset_of(declared: Any) -> Dataset | None:
    """What a task declares as an inlet or outlet, as a data set; None where it is known only when the task has run (an alias), or names nothing."""
    from airflow.providers.openlineage import conf
    from airflow.providers.openlineage.extractors.manager import ExtractorManager
    from airflow.sdk.definitions.asset import Asset
    from openlineage.client.event_v2 import Dataset

    from sematic_airflow_provider.lineage.dataset_names import canonical, of_uri

    if (
        isinstance(declared, Asset) and ":" not in declared.uri
    ):  # a name alone: to ask the providers would load them all
        return Dataset(namespace=conf.namespace(), name=declared.name, facets=_type_of(declared))
    found = ExtractorManager.convert_to_ol_dataset(declared)
    if found is not None and found.namespace and found.name:
        namespace, name = canonical(found.namespace, found.name)
        return Dataset(namespace=namespace, name=name, facets=dict(found.facets or {}))
    if found is not None:  # an entity ``File`` with a plain path
        return Dataset(*canonical("file", found.name)) if found.name else None
    if not isinstance(declared, Asset):
        return None
    namespace, name = of_uri(declared.uri) or (conf.namespace(), declared.name)
    return Dataset(namespace=namespace, name=name, facets=_type_of(declared))


def declared_datasets(declared: Iterable[Any], versions: Mapping[str, str] | None = None) -> list[Any]:
    """What a task declares, as data sets, each once; ``versions`` are those that are known, by the names of assets."""
    from openlineage.client.facet_v2 import dataset_version_dataset

    found: dict[tuple[str, str], Any] = {}
    for one in declared:
        dataset = dataset_of(one)
        if dataset is None or (dataset.namespace, dataset.name) in found:
            continue
        found[dataset.namespace, dataset.name] = dataset
        version = (versions or {}).get(getattr(one, "name", ""))
        if version is not None and dataset.facets is not None:
            dataset.facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=version)
    return list(found.values())


def added_outlets(task_instance: Any) -> list[Any]:
    """The assets that a task told of while it ran: what became of its aliases, and events with something to say."""
    from airflow.providers.openlineage.utils.utils import get_runtime_outlet_assets

    return [asset for asset, _ in get_runtime_outlet_assets(task_instance)] if task_instance.task.outlets else []


def described(declared: Any) -> dict[str, str]:
    """What a task declares, for people: kind, name, URI and group, as far as it has them."""
    found = {"kind": type(declared).__name__}
    for field in ("name", "uri", "group", "url"):
        value = getattr(declared, field, None)
        if isinstance(value, str) and value:
            found[field] = value
    return found


def _named(uri: SplitResult) -> str:
    return f"{uri.netloc}/{uri.path.strip('/')}".strip("/")


def _type_of(asset: Any) -> dict[str, Any]:
    from openlineage.client.facet_v2 import dataset_type_dataset

    if getattr(asset, "asset_type", "") != "model" and asset.group != "model":
        return {}
    return {"datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(datasetType="MODEL")}

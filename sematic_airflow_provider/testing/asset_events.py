"""The asset events of a test run: those that the test gives, and those that its tasks make."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sematic_airflow_provider.artifacts.ref import ArtifactRef


@dataclass(frozen=True, slots=True)
class AssetEvent:
    """One event; ``at`` is there once for each, in their order."""

    name: str
    uri: str
    extra: Mapping[str, Any]
    at: dt.datetime
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None

    @property
    def ref(self) -> ArtifactRef | None:
        """The artifact that it carries."""
        record = self.extra.get("sematic")
        return ArtifactRef.from_json(record) if record is not None else None


@dataclass(slots=True)
class AssetEvents:
    """In the order in which they happened."""

    start: dt.datetime
    events: list[AssetEvent] = field(default_factory=list)
    _count: int = 0

    def next_moment(self) -> dt.datetime:
        """A time after that of every event before."""
        self._count += 1
        return self.start + dt.timedelta(microseconds=self._count)

    def of(self, name: str | None, uri: str | None) -> list[AssetEvent]:
        """The events of an asset."""
        return [e for e in self.events if (name is None or e.name == name) and (uri is None or e.uri == uri)]

    def register(
        self,
        profiles: Iterable[Any],
        told: Iterable[Mapping[str, Any]],
        *,
        dag_id: str,
        run_id: str,
        task_id: str,
        map_index: int | None,
    ) -> None:
        """What Airflow makes of a task that succeeded: an event for each of its outlets, and for the assets that it has added to aliases."""
        told = list(told)
        source = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
        for profile in profiles:
            if profile.type == "Asset":
                mine = [
                    one for one in told if _is(one.get("dest_asset_key"), profile) and "source_alias_name" not in one
                ]
                for one in mine or [{"extra": {}}]:
                    self._add(profile.name, profile.uri, one.get("extra") or {}, source)
        for one in told:
            if "source_alias_name" in one:
                key = _fields(one["dest_asset_key"])
                self._add(key["name"], key["uri"], one.get("extra") or {}, source)

    def _add(self, name: str, uri: str, extra: Mapping[str, Any], source: Mapping[str, Any]) -> None:
        self.events.append(AssetEvent(name, uri, dict(extra), self.next_moment(), **source))


def _is(key: Any, profile: Any) -> bool:
    return key is not None and (_fields(key)["name"], _fields(key)["uri"]) == (profile.name, profile.uri)


def _fields(key: Any) -> Mapping[str, str]:
    return key if isinstance(key, Mapping) else {"name": key.name, "uri": key.uri}

"""The step cache at run time: before a step executes its key is looked up; after it has, its outputs are kept under it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from sematic_airflow_provider.artifacts.digest import short
from sematic_airflow_provider.artifacts.healing import make_way
from sematic_airflow_provider.errors import StoreError
from sematic_airflow_provider.lineage import capture
from sematic_airflow_provider.lineage.naming import output_name
from sematic_airflow_provider.steps import flight, records
from sematic_airflow_provider.steps.keeping import flaw
from sematic_airflow_provider.steps.policy import CachePolicy, policy_of
from sematic_airflow_provider.worker.cacheable import returns_nothing, why_not_cacheable
from sematic_airflow_provider.worker.context import step_key

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository
    from sematic_airflow_provider.artifacts.store import Store
    from sematic_airflow_provider.lineage.step import StepRecord
    from sematic_airflow_provider.settings import Settings
    from sematic_airflow_provider.steps.cache_key import CacheKey
    from sematic_airflow_provider.worker.operator import SematicOperator

log = logging.getLogger(__name__)

Status = Literal["hit", "miss", "off", "refreshed"]
_SHOWN = 8
_MOST_TOLD = 50
_PATIENCE = 2.0  # seconds: less than it takes to be deferred and to come back


@contextmanager
def caching(
    operator: SematicOperator, context: Any, record: StepRecord, store: Repository, settings: Settings
) -> Iterator[StepCache]:
    """The cache for one execution of a step. What fails in it is logged, and the step is executed: it never fails because of its cache."""
    made = StepCache(operator, context, record, store, settings)
    try:
        yield made
    finally:
        made.close()


class StepCache:
    """Fills ``record.cache``, the content of the facet ``sematic_cache``, where the step asks for the cache."""

    def __init__(
        self, operator: SematicOperator, context: Any, record: StepRecord, store: Repository, settings: Settings
    ) -> None:
        self._operator, self._context, self._record = operator, context, record
        self._repository, self._store, self._settings = store, store.store, settings
        self._by_default = operator.cache is None
        self._policy = policy_of(settings.cache if self._by_default else operator.cache)
        self._key: CacheKey | None = None
        self._lease: flight.Lease | None = None
        self._refresh = False

    def found(self) -> bool:
        """Whether the outputs of this step are known: then the record is filled, and nothing need be executed. May wait for another run that computes it."""
        if self._policy is None:
            return False
        try:
            return self._found(self._policy)
        except Exception as error:  # noqa: BLE001 - whatever stands in the store, the step can be executed
            told = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
            self._off(f"the cache cannot be asked: {told}", warn=True)
            self._key = None
            return False

    def keep(self, value: Any = None) -> None:
        """Keep what the step has returned. ``value`` is that, where it is at hand."""
        if self._key is None or self._policy is None or (self._by_default and not self._record.outputs):
            return  # who returns nothing does something else: that is repeated unless somebody says that it need not be
        try:
            extras = self._extras()
            if extras is not None:
                self._write(self._entry(self._key, self._policy, value, extras))
        except Exception as error:  # noqa: BLE001 - the step has succeeded, and what it told beside may be anything
            told = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
            log.warning("the result is not kept in the cache: %s", told)

    def close(self) -> None:
        """Let others compute the step, where it was not."""
        if self._lease is not None:
            self._lease.end()
            self._lease = None

    def _found(self, policy: CachePolicy) -> bool:
        reason = self._why_off(policy)
        if reason is not None:
            self._off(reason)
            return False
        self._key = key = self._key_of(policy)
        if key is None:
            return False
        last = self._last(key)
        if was_cleared(self._operator, self._context):
            self._refresh = True
            self._lease = flight.try_lead(self._store, key.digest, str(self._by()))
            self._told("refreshed", "the task instance was cleared", last)
            return False
        unusable: list[str] = []

        def look() -> records.Entry | None:
            return usable(self._store, key, policy, unusable, allow_pickle=self._settings.allow_pickle)

        entry = look()
        if entry is None:
            entry, self._lease = self._lead_or_find(key, look)
        if entry is None:
            self._told("miss", unusable[-1] if unusable else _why_missed(key, last), last)
            return False
        self._replay(entry)
        self._told("hit", f"computed by {entry.by}", last, entry.by)
        return True

    def _lead_or_find(
        self, key: CacheKey, look: Callable[[], records.Entry | None]
    ) -> tuple[records.Entry | None, flight.Lease | None]:
        """The lease, or what others compute meanwhile; a step that may be deferred gives its slot away while it waits for them."""
        by = str(self._by())
        if not self._operator.deferrable or self._operator.overdue:
            pace = flight.FlightPace(limit=0.0) if self._operator.overdue else None
            return flight.lead_or_find(self._store, key.digest, by, look, pace)
        try:
            return flight.lead_or_find(self._store, key.digest, by, look, patience=_PATIENCE)
        except flight.ComputedElsewhereError as error:
            from sematic_airflow_provider.worker.triggers import StepComputedTrigger

            log.info("step %s is %s: deferred until it is there", short(key.digest), error)
            self._operator.defer(trigger=StepComputedTrigger(key.digest), method_name="execute_computed")
            raise AssertionError("unreachable") from error

    def _why_off(self, policy: CachePolicy) -> str | None:
        if _switched_off(self._context):
            return 'switched off by the configuration of this run: {"sematic": {"cache": false}}'
        function = self._operator.python_callable
        if self._by_default and returns_nothing(function):
            return "it returns nothing, so it must do something else, which is repeated unless it says cache=True"
        return why_not_cacheable(function, policy) if self._by_default else None

    def _key_of(self, policy: CachePolicy) -> CacheKey | None:
        from sematic_airflow_provider.worker.cache_parts import NoKeyError, key_of

        try:
            return key_of(self._operator, self._context, self._record, self._repository, self._settings, policy)
        except NoKeyError as error:
            self._off(str(error), warn=not self._by_default)
            return None

    def _last(self, key: CacheKey) -> records.Last | None:
        """What the last run of this task had; this run's own takes its place."""
        by = self._by()
        last = records.read_last(self._store, by.dag_id, by.task_id, by.map_index)
        if last is None or last.key != key.digest:
            records.write_last(self._store, records.Last(key.digest, key.parts, by))
        return last

    def _replay(self, entry: records.Entry) -> None:
        """Fill the record as the execution did that computed the entry, under the names of this task."""
        names = (self._operator.dag_id, self._operator.task_id)
        record = self._record
        record.outputs = {key: ref.named(output_name(*names, key)) for key, ref in entry.outputs.items()}
        record.metrics, record.facts = dict(entry.metrics), dict(entry.facts)
        record.length = entry.length
        own = {ref.digest: ref for ref in record.arguments.values() if ref.name}
        collections = {ref.within.name: ref.within for ref in record.arguments.values() if ref.within is not None}
        step = capture.for_step(step_key(self._context["ti"]))
        for ref in entry.reads:
            step.note_read(own.get(ref.digest) or collections.get(ref.name, ref))
        step.metrics.update(entry.metrics)
        events = self._outlets()
        for extra in entry.extras:
            if (outlet := (extra["name"], extra["uri"])) in events:
                events[outlet].extra.update(extra["extra"])

    def _entry(self, key: CacheKey, policy: CachePolicy, value: Any, extras: tuple[Any, ...]) -> records.Entry:
        step = capture.for_step(step_key(self._context["ti"]))
        by = self._by()
        return records.Entry(
            key=key.digest,
            parts=key.parts,
            outputs=dict(self._record.outputs),
            by=by,
            namespace=policy.namespace,
            expires=None if policy.ttl is None else by.at + policy.ttl.total_seconds(),
            metrics=dict(self._record.metrics or step.metrics),
            facts=dict(self._record.facts),
            reads=tuple(ref.member_of(None) for ref in step.reads.values()),
            extras=extras,
            length=_length(value),
        )

    def _write(self, entry: records.Entry) -> None:
        overtaken = not self._refresh and (self._lease is None or not self._lease.held())
        if overtaken:
            records.create_entry(self._store, entry)  # what another has written meanwhile stays
        else:
            records.write_entry(self._store, entry)

    def _extras(self) -> tuple[Mapping[str, Any], ...] | None:
        """What the function said in the events of its outlets; None where that cannot be said again."""
        found = []
        for (name, uri), event in self._outlets().items():
            if event.asset_alias_events or getattr(event, "partition_keys", None):
                log.info("the result is not kept in the cache: the events of %s name assets or partitions", name)
                return None
            if extra := {key: value for key, value in event.extra.items() if key != "sematic"}:
                found.append({"name": name, "uri": uri, "extra": extra})
        return tuple(found)

    def _outlets(self) -> dict[tuple[str, str], Any]:
        from airflow.sdk.definitions.asset import Asset, AssetAlias

        events = self._context["outlet_events"]
        return {
            (outlet.name, getattr(outlet, "uri", "")): events[outlet]
            for outlet in self._operator.outlets
            if isinstance(outlet, (Asset, AssetAlias))
        }

    def _by(self) -> records.By:
        key = step_key(self._context["ti"])
        return records.By(key.dag_id, key.run_id, key.task_id, key.map_index, time.time())

    def _off(self, reason: str, *, warn: bool = False) -> None:
        (log.warning if warn else log.info)("cache off: %s", reason)
        self._record.cache = _facet("off", None, reason, [], None)

    def _told(
        self, status: Status, reason: str, last: records.Last | None, computed_by: records.By | None = None
    ) -> None:
        assert self._key is not None  # noqa: S101 - nothing is told before there is one
        changed = records.changes(last.parts, self._key.parts) if last is not None else []
        log.info("cache %s: %s (key %s)", status, reason, short(self._key.digest))
        self._record.cache = _facet(status, self._key.digest, reason, changed, computed_by)


def usable(
    store: Store, key: CacheKey, policy: CachePolicy, unusable: list[str], *, allow_pickle: bool = False
) -> records.Entry | None:
    """The entry of a key, where it may be used; else ``unusable`` is told why. What is damaged is made way for, so that the step's output is written anew.

    Raises:
        StoreError: the store fails.
    """
    entry = records.read_entry(store, key.digest)
    if entry is None:
        return None
    now = time.time()
    if entry.expired(now) or (policy.ttl is not None and entry.by.at + policy.ttl.total_seconds() <= now):
        unusable.append(f"the result computed by {entry.by} has expired")
        return None
    if not allow_pickle and any(ref.codec_name.startswith("pickle/") for ref in entry.outputs.values()):
        unusable.append(f"the result computed by {entry.by} is a pickle, and [sematic] allow_pickle is off")
        return None
    found = flaw(store, entry, verify=policy.verify)
    if found is None:
        return entry
    make_way(store, found.digest, entry.outputs.values())
    records.delete_entry(store, key.digest)
    unusable.append(f"the result computed by {entry.by} cannot be used: {found.what}")
    log.warning("the cached result of step %s cannot be used and is computed again: %s", short(key.digest), found.what)
    return None


def was_cleared(operator: SematicOperator, context: Any) -> bool:
    """Whether a person cleared this task instance: that raises ``max_tries`` above what the task's own retries make it, and a retry does not."""
    most = getattr(context["ti"], "max_tries", None)
    return isinstance(most, int) and most > (operator.retries or 0)


def _switched_off(context: Any) -> bool:
    conf = getattr(context.get("dag_run"), "conf", None)
    options = conf.get("sematic") if isinstance(conf, Mapping) else None
    wish = options.get("cache", True) if isinstance(options, Mapping) else True
    if not isinstance(wish, bool):
        log.warning("the configuration of this run says cache: %r. It must be true or false: the cache is used", wish)
    return wish is False


def _why_missed(key: CacheKey, last: records.Last | None) -> str:
    if last is None:
        return "this task has not run with the cache before"
    found = [str(change) for change in records.changes(last.parts, key.parts)]
    if not found:
        return f"nothing has changed since {last.by}, but no result was kept: it failed, or was purged"
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{', '.join(found[:_SHOWN])}{more}; last run: {last.by}"


def _facet(
    status: Status, key: str | None, reason: str, changed: list[records.Change], by: records.By | None
) -> dict[str, Any]:
    computed = None
    if by is not None:
        at = by.moment.isoformat()
        computed = {"dagId": by.dag_id, "runId": by.run_id, "taskId": by.task_id, "mapIndex": by.map_index, "at": at}
    told = [{"part": change.part, "was": change.was, "now": change.now} for change in changed[:_MOST_TOLD]]
    return {"status": status, "key": key, "reason": reason, "changed": told, "computedBy": computed}


def _length(value: Any) -> int | None:
    """Over how many members other tasks can be expanded."""
    mappable = isinstance(value, (Sequence, Mapping)) and not isinstance(value, (str, bytes, bytearray))
    return len(value) if mappable else None

"""The operator behind ``@sematic_task``: resolves refs, runs the function here or in a pod, saves its outputs, tells lineage."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk.bases.decorator import DecoratedOperator
from airflow.sdk.definitions._internal.expandinput import MappedArgument
from airflow.sdk.definitions.asset import BaseAsset
from airflow.sdk.definitions.xcom_arg import PlainXComArg, XComArg

from sematic_airflow_provider.artifacts.codecs.type_names import classes_of
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.errors import ArtifactCorruptedError, SematicError, StepError
from sematic_airflow_provider.lineage import capture, source
from sematic_airflow_provider.lineage.naming import RETURN_KEY, output_name
from sematic_airflow_provider.lineage.resources import ResourceMeter
from sematic_airflow_provider.lineage.seeds import check_seed, seeded
from sematic_airflow_provider.lineage.step import StepRecord
from sematic_airflow_provider.steps.validation import Validator
from sematic_airflow_provider.worker.arguments import (
    artifact_of_asset,
    as_passed,
    bind,
    collect_assets,
    handed,
    has_lazy,
    like_before,
)
from sematic_airflow_provider.worker.cacheable import checked_policy
from sematic_airflow_provider.worker.context import step_key
from sematic_airflow_provider.worker.fields import field_outputs, taken_fields
from sematic_airflow_provider.worker.generators import result_of, teller
from sematic_airflow_provider.worker.mapping import collection, length_of, own_member
from sematic_airflow_provider.worker.xcom import MappableRef, lazy_refs

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository
    from sematic_airflow_provider.settings import Settings
    from sematic_airflow_provider.steps.policy import CachePolicy

COMPUTE = ("local", "kubernetes")


class NoCache(AbstractContextManager["NoCache"]):
    """Knows nothing and keeps nothing: the cache of a step that has none."""

    def __exit__(self, *_: object) -> None: ...

    def found(self) -> bool:
        """Never."""
        return False

    def keep(self, value: Any = None) -> None:
        """Not here."""


class SematicOperator(DecoratedOperator, PythonOperator):
    """Runs a Python function as a step.

    :param python_callable: the function
    :param compute: ``local`` (in the worker's process) or ``kubernetes`` (in a pod); by default ``[sematic] compute``
    :param cache: True, False or a CachePolicy: whether what an equal step returned before is used; by default ``[sematic] cache``
    :param seed: set and recorded for Python's, NumPy's and PyTorch's generators before the function runs
    :param deferrable: whether a step that waits for another run to compute it is deferred and takes no slot; by default ``[operators] default_deferrable``
    """

    custom_operator_name = "@task.sematic"
    op_args: Any
    op_kwargs: Any

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Any,
        op_kwargs: Any,
        compute: str | None = None,
        seed: int | None = None,
        cache: bool | CachePolicy | None = None,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if compute is not None and compute not in COMPUTE:
            raise ValueError(f"compute must be one of {', '.join(COMPUTE)}, it is {compute!r}")
        if cache is not None:
            checked_policy(cache, python_callable)
        for_python_operator = {"python_callable": python_callable, "op_args": op_args, "op_kwargs": op_kwargs}
        super().__init__(kwargs_to_upstream=for_python_operator, **for_python_operator, **kwargs)
        self.compute = compute
        self.cache = cache
        self.deferrable = (
            conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable
        )
        self.overdue = False
        self.seed = None if seed is None else check_seed(seed)
        self.show_return_value_in_logs = False  # values belong into the store, not into logs
        self.inlets.extend(asset for asset in collect_assets(self.op_args, self.op_kwargs) if asset not in self.inlets)
        self._record: StepRecord | None = None
        self._assets_read: dict[str, str] = {}
        self._assets_written: dict[str, str] = {}

    def render_template(
        self, content: Any, context: Any, jinja_env: Any = None, seen_oids: set[int] | None = None
    ) -> Any:
        """Like the base method, but what other tasks pushed arrives by ref, and an asset as the artifact it carries."""
        if isinstance(content, (ArtifactRef, Enum)):  # a StrEnum would come back as text
            return content
        if isinstance(content, BaseAsset):
            ref = artifact_of_asset(content, context)
            self._assets_read[getattr(content, "name", "")] = ref.digest
            return ref
        if isinstance(content, MappedArgument):
            return own_member(content, context)
        if isinstance(content, XComArg) and not isinstance(content, PlainXComArg):
            return list(collection(content, context))  # what map, zip or concat make of outputs
        if has_lazy(content):
            with lazy_refs():
                return super().render_template(content, context, jinja_env, seen_oids)
        if isinstance(content, str) and not self._is_template(content):
            return content  # Jinja would change line ends, and make "3.10" a number where templates become objects
        rendered = super().render_template(content, context, jinja_env, seen_oids)
        if type(rendered) is dict and type(content) is not dict and isinstance(content, dict):
            return like_before(content, rendered)
        return rendered

    def _is_template(self, text: str) -> bool:
        return (
            "{" in text
            or text.endswith(tuple(self.template_ext))
            or bool(self.dag is not None and self.dag.jinja_environment_kwargs)
        )

    def execute(self, context: Any) -> Any:
        """Run the step.

        Raises:
            AirflowFailException: running it again cannot help (a gate said no, a value no codec knows, corrupted input).
        """
        from airflow.providers.common.compat.sdk import AirflowFailException

        try:
            with classes_of(self.python_callable):
                return self._execute_step(context)
        except SematicError as error:
            if isinstance(error, ArtifactCorruptedError):
                raise AirflowFailException(f"{error} {self._healed(error)}") from error
            if error.permanent:
                raise AirflowFailException(str(error)) from error
            raise

    def execute_computed(self, context: Any, event: Any = None) -> Any:
        """Go on after another run has computed the step, or has died over it, or takes too long: the cache has it, or it is executed here."""
        self.overdue = bool(event and event.get("overdue"))
        return self.execute(context)

    def _healed(self, error: ArtifactCorruptedError) -> str:
        from sematic_airflow_provider.artifacts.healing import heal
        from sematic_airflow_provider.worker.stores import repository

        return heal(error, repository().store, self._record.arguments.values() if self._record is not None else ())

    def _execute_step(self, context: Any) -> Any:
        from sematic_airflow_provider.settings import load_settings
        from sematic_airflow_provider.worker.provenance import StepProvenance
        from sematic_airflow_provider.worker.setup_checks import check_xcom_backend, warn_without_lineage
        from sematic_airflow_provider.worker.stores import repository

        check_xcom_backend()
        warn_without_lineage(self.log)
        settings = load_settings()
        found = source.locate(self.python_callable)
        told = StepProvenance(found.file, settings, self, context)  # first: git answers while the store is opened
        store = repository(settings)
        step = capture.for_step(step_key(context["ti"]))
        self._record = record = self._begin(found, store)
        told.begin(record, store)
        meter = ResourceMeter()
        seeds: dict[str, int] = {}
        try:
            record.arguments, record.context_arguments = bind(self, context, store)
            with self._caching(context, record, store, settings) as cache:
                if cache.found():
                    pass
                elif (self.compute or settings.compute) == "kubernetes":
                    from sematic_airflow_provider.worker.pod_step import run_in_pod

                    run_in_pod(self, context, record, store, settings)
                    cache.keep()
                else:
                    with seeded(self.seed) as seeds:
                        value = self._call(context, store)
                        record.outputs = self._save(value, store)
                    record.facts = self._facts(value)
                    cache.keep(value)
        finally:
            told.end(record, store, seeds)
            store.scratch.clear()
            record.metrics = record.metrics or step.metrics
            record.checks = record.checks or step.checks
            if record.resources is None:
                record.resources = meter.read()
        self._attach_to_outlets(context, record, store)
        self._push_fields(context, record, store)
        return self._returned(record, store, mapped=context["ti"].map_index not in (None, -1))

    def _caching(self, context: Any, record: StepRecord, store: Repository, settings: Settings) -> Any:
        """The step cache; most steps use none, and need not load what it takes."""
        if not (settings.cache if self.cache is None else self.cache):
            return NoCache()
        from sematic_airflow_provider.worker.cache import caching

        return caching(self, context, record, store, settings)

    def _begin(self, found: source.FunctionSource, store: Repository) -> StepRecord:
        """What is known before the function runs: where it stands, and what it reaches."""
        record = StepRecord(found.function, found.file, found.line, found.text)
        try:
            code: Any = source.reachable_source(self.python_callable)
            if source.imports_something(code):  # perhaps modules of the user's own, which are recorded too
                from sematic_airflow_provider.steps import recording

                code = recording.recorded_code(self.python_callable)
            record.code = store.save(code)
        except source.SourceUnavailableError as error:
            record.code_unavailable = str(error)
        return record

    def _call(self, context: Any, store: Repository) -> Any:
        """Load the inputs and run the function the way PythonOperator does, with Airflow's context arguments."""
        validator = Validator(self.python_callable)
        bound = inspect.signature(self.python_callable).bind_partial(*self.op_args, **self.op_kwargs)
        for name, value in bound.arguments.items():
            bound.arguments[name] = handed(value, validator.annotation(name), store)
            validator.argument(name, bound.arguments[name])
        self.op_args, self.op_kwargs = as_passed(bound, len(self.op_args), self.op_kwargs)
        self._tell_assets = teller(context["outlet_events"])
        return validator.returned(super().execute(context))

    def execute_callable(self) -> Any:
        """Like the base method, but what a generator function yields is kept."""
        if not inspect.isgeneratorfunction(self.python_callable):
            return super().execute_callable()
        return result_of(self.python_callable(*self.op_args, **self.op_kwargs), self._tell_assets)

    def _save(self, value: Any, store: Repository) -> dict[str, ArtifactRef]:
        from sematic_airflow_provider.lineage.outputs import save_outputs

        return save_outputs(store, value, multiple=bool(self.multiple_outputs), prefix=f"{self.dag_id}.{self.task_id}")

    def _facts(self, value: Any) -> dict[str, dict[str, Any]]:
        from sematic_airflow_provider.artifacts.repository import facts_of

        outputs = value if self.multiple_outputs and isinstance(value, Mapping) else {RETURN_KEY: value}
        return {key: facts_of(member) for key, member in outputs.items()}

    def _attach_to_outlets(self, context: Any, record: StepRecord, store: Repository) -> None:
        """Let the events of declared outlet assets carry the output, for steps that take the asset as an argument."""
        from airflow.sdk.definitions.asset import Asset

        assets = [outlet for outlet in self.outlets if isinstance(outlet, Asset)]
        if not assets or not record.outputs:
            return
        ref = self._whole(record, store)
        for asset in assets:
            context["outlet_events"][asset].extra["sematic"] = ref.to_json()
            self._assets_written[asset.name] = ref.digest

    def _whole(self, record: StepRecord, store: Repository) -> ArtifactRef:
        """One ref for all that the step returned."""
        if not self.multiple_outputs:
            return record.outputs[RETURN_KEY]
        return store.save(dict(record.outputs), name=output_name(self.dag_id, self.task_id))

    def _push_fields(self, context: Any, record: StepRecord, store: Repository) -> None:
        """Push the fields of the output that other tasks take by name."""
        if RETURN_KEY not in record.outputs or not (names := taken_fields(self)):
            return
        for name, ref in field_outputs(self, record.outputs[RETURN_KEY], names, store).items():
            record.outputs[name] = ref
            context["ti"].xcom_push(name, ref)

    def _returned(self, record: StepRecord, store: Repository, *, mapped: bool) -> Any:
        """What Airflow pushes: refs, in the shape that it expects of this task."""
        if not record.outputs:
            return None
        if self.multiple_outputs:
            return dict(record.outputs)
        ref = record.outputs[RETURN_KEY]
        if mapped or next(iter(self.iter_mapped_dependants()), None) is None:
            return ref  # over a mapped task, others are expanded instance by instance
        length = length_of(ref, store) if record.length is None else record.length
        if length is not None:
            return MappableRef(ref, length)
        raise StepError(
            f"task {self.task_id} returned {ref.type}, but other tasks are expanded over its result: return a list or a dict"
        )

    def get_openlineage_facets_on_start(self) -> Any:
        """Called by the OpenLineage provider when the task starts: nothing but the function is known yet."""
        from sematic_airflow_provider.worker.openlineage import lineage_of_step

        found = source.locate(self.python_callable)
        return lineage_of_step(StepRecord(found.function, found.file, found.line, found.text), reads=())

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Called by the OpenLineage provider when the task has succeeded."""
        return self._told(task_instance)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """Called by the OpenLineage provider when the task has failed: with all that is known by then."""
        return self._told(task_instance, failed=True)

    def _told(self, task_instance: Any, *, failed: bool = False) -> Any:
        from sematic_airflow_provider.worker.openlineage import lineage_of_step
        from sematic_airflow_provider.worker.telling import with_surroundings

        if self._record is None:
            return self.get_openlineage_facets_on_start()
        step = capture.for_step(step_key(task_instance))
        return with_surroundings(
            lineage_of_step(self._record, reads=tuple(step.reads.values())),
            task_instance,
            step,
            read=self._assets_read,
            written=self._assets_written,
            failed=failed,
        )

"""The operator behind ``@sematic_task``: resolves refs, runs the function here or in a pod, saves its outputs, tells lineage."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk.bases.decorator import DecoratedOperator
from airflow.sdk.definitions.asset import BaseAsset

from sematic_airflow_provider.artifacts.codecs.type_names import classes_of
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.errors import SematicError, StepError
from sematic_airflow_provider.lineage import capture, provenance, source
from sematic_airflow_provider.lineage.naming import RETURN_KEY, output_name
from sematic_airflow_provider.lineage.resources import ResourceMeter
from sematic_airflow_provider.lineage.step import StepRecord
from sematic_airflow_provider.worker.arguments import artifact_of_asset, bind, collect_assets, handed, has_lazy
from sematic_airflow_provider.worker.context import step_key
from sematic_airflow_provider.worker.generators import result_of, teller
from sematic_airflow_provider.worker.validation import Validator
from sematic_airflow_provider.worker.xcom import MappableRef, lazy_refs

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository

COMPUTE = ("local", "kubernetes")


class SematicOperator(DecoratedOperator, PythonOperator):
    """Runs a Python function as a step.

    :param python_callable: the function
    :param compute: ``local`` (in the worker's process) or ``kubernetes`` (in a pod); by default ``[sematic] compute``
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
        **kwargs: Any,
    ) -> None:
        if compute is not None and compute not in COMPUTE:
            raise ValueError(f"compute must be one of {', '.join(COMPUTE)}, it is {compute!r}")
        for_python_operator = {"python_callable": python_callable, "op_args": op_args, "op_kwargs": op_kwargs}
        super().__init__(kwargs_to_upstream=for_python_operator, **for_python_operator, **kwargs)
        self.compute = compute
        self.show_return_value_in_logs = False  # values belong into the store, not into logs
        self.inlets.extend(asset for asset in collect_assets(self.op_args, self.op_kwargs) if asset not in self.inlets)
        self._record: StepRecord | None = None

    def render_template(
        self, content: Any, context: Any, jinja_env: Any = None, seen_oids: set[int] | None = None
    ) -> Any:
        """Like the base method, but what other tasks pushed arrives by ref, and an asset as the artifact it carries."""
        if isinstance(content, ArtifactRef):
            return content
        if isinstance(content, BaseAsset):
            return artifact_of_asset(content, context)
        if has_lazy(content):
            with lazy_refs():
                return super().render_template(content, context, jinja_env, seen_oids)
        return super().render_template(content, context, jinja_env, seen_oids)

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
            if error.permanent:
                raise AirflowFailException(str(error)) from error
            raise

    def _execute_step(self, context: Any) -> Any:
        from sematic_airflow_provider.settings import load_settings
        from sematic_airflow_provider.worker.setup_checks import check_xcom_backend, warn_without_lineage
        from sematic_airflow_provider.worker.stores import repository

        check_xcom_backend()
        warn_without_lineage(self.log)
        settings, store = load_settings(), repository()
        step = capture.for_step(step_key(context["ti"]))
        self._record = record = self._begin(store)
        meter = ResourceMeter()
        try:
            record.arguments, record.context_arguments = bind(self, context, store)
            if (self.compute or settings.compute) == "kubernetes":
                from sematic_airflow_provider.worker.pod_step import run_in_pod

                run_in_pod(self, context, record, store, settings)
            else:
                value = self._call(context, store)
                record.outputs = self._save(value, store)
                record.facts = self._facts(value)
        finally:
            store.scratch.clear()
            record.metrics = record.metrics or step.metrics
            if record.resources is None:
                record.resources = meter.read()
        self._attach_to_outlets(context, record, store)
        return self._returned(record, store)

    def _begin(self, store: Repository) -> StepRecord:
        """What is known before the function runs: where it stands, what it reaches, and where it runs."""
        found = source.locate(self.python_callable)
        record = StepRecord(found.function, found.file, found.line, found.text)
        try:
            record.code = store.save(source.reachable_source(self.python_callable))
        except source.SourceUnavailableError as error:
            record.code_unavailable = str(error)
        record.provenance = provenance.collect(found.file)
        record.provenance["packages"] = store.save(provenance.packages()).to_json()
        return record

    def _call(self, context: Any, store: Repository) -> Any:
        """Load the inputs and run the function the way PythonOperator does, with Airflow's context arguments."""
        validator = Validator(self.python_callable)
        bound = inspect.signature(self.python_callable).bind_partial(*self.op_args, **self.op_kwargs)
        for name, value in bound.arguments.items():
            bound.arguments[name] = handed(value, validator.annotation(name), store)
            validator.argument(name, bound.arguments[name])
        self.op_args, self.op_kwargs = list(bound.args), dict(bound.kwargs)
        self._tell_assets = teller(context["outlet_events"])
        return validator.returned(super().execute(context))

    def execute_callable(self) -> Any:
        """Like the base method, but what a generator function yields is kept."""
        if not inspect.isgeneratorfunction(self.python_callable):
            return super().execute_callable()
        return result_of(self.python_callable(*self.op_args, **self.op_kwargs), self._tell_assets)

    def _save(self, value: Any, store: Repository) -> dict[str, ArtifactRef]:
        from sematic_airflow_provider.pod.run import save_outputs

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

    def _whole(self, record: StepRecord, store: Repository) -> ArtifactRef:
        """One ref for all that the step returned."""
        if not self.multiple_outputs:
            return record.outputs[RETURN_KEY]
        return store.save(dict(record.outputs), name=output_name(self.dag_id, self.task_id))

    def _returned(self, record: StepRecord, store: Repository) -> Any:
        """What Airflow pushes: refs, in the shape that it expects of this task."""
        if not record.outputs:
            return None
        if self.multiple_outputs:
            return dict(record.outputs)
        ref = record.outputs[RETURN_KEY]
        if next(iter(self.iter_mapped_dependants()), None) is None:
            return ref
        value = store.load(ref)
        if isinstance(value, Mapping):
            return MappableRef(ref, list(value.items()))
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)):
            return MappableRef(ref, value)
        raise StepError(
            f"task {self.task_id} returned {ref.type}, but other tasks are expanded over its result: return a list or a dict"
        )

    def get_openlineage_facets_on_start(self) -> Any:
        """Called by the OpenLineage provider when the task starts: nothing but the function is known yet."""
        from sematic_airflow_provider.worker.openlineage import lineage_of_step

        found = source.locate(self.python_callable)
        return lineage_of_step(StepRecord(found.function, found.file, found.line, found.text), reads=())

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Called by the OpenLineage provider when the task has succeeded, and when it has failed: with all that is known by then."""
        from sematic_airflow_provider.worker.openlineage import lineage_of_step

        if self._record is None:
            return self.get_openlineage_facets_on_start()
        step = capture.for_step(step_key(task_instance))
        return lineage_of_step(self._record, reads=tuple(step.reads.values()))

"""``@sematic_task`` and ``@task.sematic``: TaskFlow tasks whose values are artifacts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Literal, overload

import attr
from airflow.sdk.bases.decorator import _TaskDecorator
from airflow.sdk.definitions._internal.contextmanager import DagContext
from airflow.sdk.definitions.xcom_arg import XComArg

from sematic_airflow_provider.errors import WiringError
from sematic_airflow_provider.steps.validation import check_annotations
from sematic_airflow_provider.worker.cacheable import checked_policy
from sematic_airflow_provider.worker.fields import StepOutput
from sematic_airflow_provider.worker.functions import check_multiple_outputs, check_options, stepped_function
from sematic_airflow_provider.worker.mapping import by_refs
from sematic_airflow_provider.worker.operator import SematicOperator
from sematic_airflow_provider.worker.signatures import P, R, Step, StepDecorator
from sematic_airflow_provider.worker.wiring import check_call, check_context_names, check_expansion, misfit

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.batches import Batches
    from sematic_airflow_provider.steps.policy import CachePolicy


@attr.define(slots=False)
class SematicTask(_TaskDecorator):
    """What a decorated function becomes: a task where a Dag is being built, the plain function everywhere else."""

    def __attrs_post_init__(self) -> None:
        check_options(self.kwargs, SematicOperator)
        super().__attrs_post_init__()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A task in a Dag; outside one, and with plain values, the function's own result."""
        if (
            DagContext.get_current() is None
            and "dag" not in self.kwargs
            and not any(map(_is_xcom, (*args, *kwargs.values())))
        ):
            return self.function(*args, **kwargs)
        check_context_names(self.function, args, kwargs)
        try:
            inspect.signature(self.function).bind_partial(*args, **kwargs)
            output = super().__call__(*args, **kwargs)
        except TypeError as error:
            if isinstance(error, WiringError):
                raise
            raise misfit(self.function, error) from None
        check_call(self.function, output.operator, args, kwargs)
        return StepOutput(output.operator, output.key)

    def override(self, **kwargs: Any) -> Any:
        """The same step with other options."""
        options = {name: value for name, value in kwargs.items() if name != "multiple_outputs"}
        changed = super().override(**options)
        return attr.evolve(changed, multiple_outputs=kwargs["multiple_outputs"]) if options != kwargs else changed

    def _expand(self, expand_input: Any, *, strict: bool) -> Any:
        """A mapped task whose instances fetch their own members only."""
        output = super()._expand(by_refs(expand_input), strict=strict)
        check_expansion(self.function, output.operator, self.kwargs.get("op_kwargs", {}), expand_input)
        return output


def _is_xcom(value: Any) -> bool:
    return isinstance(value, XComArg)


@overload
def sematic_task(python_callable: Callable[P, Coroutine[Any, Any, R]]) -> Step[P, R]: ...
@overload
def sematic_task(python_callable: Callable[P, Iterator[R]]) -> Step[P, Batches[R]]: ...
@overload
def sematic_task(python_callable: Callable[P, None]) -> Step[P, XComArg]: ...
@overload
def sematic_task(python_callable: Callable[P, R]) -> Step[P, R]: ...
@overload
def sematic_task(
    python_callable: None = None,
    multiple_outputs: bool | None = None,
    *,
    compute: Literal["local", "kubernetes"] | None = None,
    cache: bool | CachePolicy | None = None,
    seed: int | None = None,
    deferrable: bool | None = None,
    **kwargs: Any,
) -> StepDecorator: ...
def sematic_task(python_callable: Any = None, multiple_outputs: bool | None = None, **kwargs: Any) -> Any:
    """Make a function a step: its arguments and results travel as verified, content-hashed artifacts, and its lineage is recorded.

    Use it like ``@task``, bare or with arguments; everything that TaskFlow tasks have (``override``, ``expand``, ``partial``, ``multiple_outputs``,
    retries, pools, outlets, …) works the same. Called outside a Dag, in a unit test or from another function, it is the plain function.

    :param python_callable: the function to decorate
    :param multiple_outputs: make each key of a returned dict an output of its own; by default so where the return annotation is a dict
    :param compute: ``local`` or ``kubernetes``: where the step runs; by default as ``[sematic] compute`` says
    :param cache: True, or a CachePolicy: use what a step with the same code, inputs and packages has returned before; by default as ``[sematic] cache`` says
    :param seed: set and recorded for Python's, NumPy's and PyTorch's random generators before the function runs
    :param deferrable: whether a step that waits for another run to compute it is deferred and takes no slot; by default ``[operators] default_deferrable``
    :param kwargs: arguments that every operator takes (``retries``, ``pool``, ``outlets``, …)
    """

    def decorate(function: Callable[..., Any]) -> SematicTask:
        function = stepped_function(function)
        check_annotations(function)
        check_multiple_outputs(function, multiple_outputs)
        if kwargs.get("cache") is not None:
            checked_policy(kwargs["cache"], function)
        return SematicTask(  # type: ignore[call-arg]
            function=function,
            multiple_outputs=attr.NOTHING if multiple_outputs is None else multiple_outputs,
            operator_class=SematicOperator,
            kwargs=kwargs,
        )

    return decorate if python_callable is None else decorate(python_callable)

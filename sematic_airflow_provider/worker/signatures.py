"""Steps as type checkers see them: they take and give what their functions do, so wrong wiring is reported before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from airflow.sdk.definitions.xcom_arg import XComArg

    from sematic_airflow_provider.artifacts.batches import Batches

P = ParamSpec("P")
R = TypeVar("R")


class MappedStep(Protocol[R]):
    """A step that has some of its arguments. What it is expanded to is a list."""

    def expand(self, **collections: XComArg | Sequence[Any] | Mapping[Any, Any] | Iterable[Any]) -> list[R]: ...
    def expand_kwargs(self, kwargs: XComArg | Sequence[Mapping[str, Any]], *, strict: bool = True) -> list[R]: ...
    def partial(self, **kwargs: Any) -> MappedStep[R]: ...


class Step(MappedStep[R], Protocol[P, R]):
    """A decorated function. Called in a Dag it gives, for a type checker, what the function returns."""

    function: Callable[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    def override(self, **options: Any) -> Step[P, R]: ...


class StepDecorator(Protocol):
    """``@sematic_task(…)``: what an asynchronous function awaits is its result; what a generator function yields arrives as batches; nothing has an order."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> Step[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, Iterator[R]]) -> Step[P, Batches[R]]: ...
    @overload
    def __call__(self, function: Callable[P, None]) -> Step[P, XComArg]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> Step[P, R]: ...

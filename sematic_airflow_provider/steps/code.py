"""The code of a step: everything in it that determines what the step returns, apart from its inputs.

What counts: the function and all first-party code that it reaches, by its meaning and not by its looks; constants by their values; what the function
closes over; defaults; versions of the distributions that this code imports. Docstrings count, since programs read them (as prompts, as help, as schemas).
What does not: comments, formatting, order, code that is not reached, the Dag around the step, Airflow and this package.

Reached is what the text of the function names, and what that names in turn; run-time values show the rest: what decorators wrapped, what registries hold.
Nothing is imported or executed to find out. Where code is too dynamic to be followed, more counts than need be; what cannot be seen at all is told in
``unknown``. What a function reads while it runs (files it opens, environment variables, databases, the clock) is no code: pass it in, or name it in the policy.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes, digest_record
from sematic_airflow_provider.steps.functions import innermost
from sematic_airflow_provider.steps.modules import Modules, SourceModule, read_source
from sematic_airflow_provider.steps.normal import digest_of_code
from sematic_airflow_provider.steps.reach import Reach

_MOST_ROUNDS = 8


@dataclass(frozen=True)
class StepCode:
    """What a step's function reaches.

    ``definitions``: ``module:name`` to digest of the text; the function's own module is the empty name. ``values``: ``module:NAME``, ``closure:name``,
    ``default:parameter`` to digest of the value. ``packages``: distribution to version. ``unknown``: what cannot be followed, in words: where there is
    something, code may change without a change of the digest.
    """

    definitions: Mapping[str, str]
    values: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def digest(self) -> Digest:
        """One digest for all of it."""
        fields = {"definitions": dict(self.definitions), "values": dict(self.values), "packages": dict(self.packages)}
        return digest_record("step code/1", fields)


def code_of(
    function: Callable[..., Any], value_digest: Callable[[object], str | None], classes: Iterable[str] = ()
) -> StepCode:
    """Everything that a function reaches; never raises.

    ``value_digest`` gives the digest of a value's content, or None where no codec knows it. It is asked only for values of types that are not Python's own.
    ``classes`` are the types of its arguments as refs name them (``module.Class``): their methods are code of the step even where it does not name them.
    """
    own = innermost(function)
    try:
        return _reached(function, own, value_digest, sorted(set(classes)))
    except Exception as error:  # noqa: BLE001 - code may be stranger than we thought: then all of the module counts
        return _coarse(own, f"all but the function's own module, because of {type(error).__name__}: {error}")


def _reached(
    function: Callable[..., Any],
    own: types.FunctionType | None,
    value_digest: Callable[[object], str | None],
    classes: Sequence[str],
) -> StepCode:
    modules = Modules(own.__code__.co_filename if own is not None else None)
    sure: set[SourceModule] = set()
    for _ in range(_MOST_ROUNDS):
        reach = Reach(modules, value_digest, sure)
        reach.running.root(function, own)
        for name in classes:
            reach.named(name, own.__module__ if own is not None else "")
        reach.finish()
        if reach.unsure.isdisjoint(reach.sure):
            break
        sure = reach.sure  # a module turned out to be loaded for certain after its constants had been looked at
    return StepCode(
        dict(sorted(reach.definitions.items())),
        dict(sorted(reach.values.items())),
        dict(sorted(reach.packages.items())),
        tuple(sorted(reach.unknown)),
    )


def _coarse(own: types.FunctionType | None, why: str) -> StepCode:
    if own is None:
        return StepCode({}, unknown=(why,))
    text = read_source(own.__code__.co_filename, own.__module__ or "")
    return StepCode({":*": digest_bytes(text), ":(compiled)": digest_of_code(own.__code__)}, unknown=(why,))

"""Run a PodTask in this process: load code and inputs from the store, call the function, save the outputs."""

from __future__ import annotations

import asyncio
import inspect
import linecache
import sys
import traceback
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from sematic_airflow_provider.artifacts.digest import short
from sematic_airflow_provider.artifacts.handing import handed_over, read_with
from sematic_airflow_provider.artifacts.healing import heal
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository, open_repository
from sematic_airflow_provider.errors import ArtifactCorruptedError, SematicError, StepError
from sematic_airflow_provider.lineage import capture
from sematic_airflow_provider.lineage.outputs import save_outputs
from sematic_airflow_provider.lineage.provenance import Provenance
from sematic_airflow_provider.lineage.resources import ResourceMeter
from sematic_airflow_provider.lineage.seeds import seeded
from sematic_airflow_provider.pod.recorded_modules import split
from sematic_airflow_provider.pod.spec import PodResult, PodTask
from sematic_airflow_provider.steps.validation import Validator


def run(task: PodTask) -> PodResult:
    """Run the step and write its result document; an error of the step is in the result, not raised.

    Raises:
        StoreError: the store cannot be opened, or the result not be written.
    """
    repository = open_repository(
        task.store,
        inline_limit=task.inline_limit,
        allow_pickle=task.allow_pickle,
        previews=task.previews,
        compress=task.compress,
    )
    provenance = Provenance(None, record_env=task.record_env)
    provenance.begin(repository)
    meter = ResourceMeter()
    record = capture.for_step(capture.StepKey("", task.result, task.function))
    outputs: Mapping[str, ArtifactRef] = {}
    error, permanent = "", False
    seeds: dict[str, int] = {}
    try:
        with seeded(task.seed) as seeds:
            outputs = _execute(task, repository, record)
    except Exception as failure:  # noqa: BLE001 - whatever a user's function raises is the result of its step
        error = "".join(traceback.format_exception(failure))
        permanent = isinstance(failure, SematicError) and failure.permanent
        if isinstance(failure, ArtifactCorruptedError):
            error += heal(failure, repository.store, task.arguments.values())
    result = PodResult(
        outputs=outputs,
        resources=meter.read(),
        provenance=provenance.end(repository, seeds),
        metrics=record.metrics,
        checks=record.checks,
        error=error,
        permanent=permanent,
        reads=list(record.reads.values()),
    )
    repository.scratch.clear()
    repository.store.write_document(task.result, result.to_json())
    return result


def _execute(task: PodTask, repository: Repository, record: capture.Capture) -> dict[str, ArtifactRef]:
    code = repository.load(task.code)
    with split(code, task.code.digest)[1].installed():  # classes of arguments are theirs, too
        return _execute_recorded(task, code, repository, record)


def _execute_recorded(
    task: PodTask, code: Any, repository: Repository, record: capture.Capture
) -> dict[str, ArtifactRef]:
    function = load_function(code, task.function, task.code.digest, task.module)

    def load(value: Any) -> Any:
        if not isinstance(value, ArtifactRef):
            return value
        for ref in read_with(value, repository):
            record.note_read(ref)
        return repository.load(value)

    validator = Validator(function)
    arguments: dict[str, Any] = {}
    for name, ref in task.arguments.items():
        arguments[name] = handed_over(ref, validator.annotation(name), repository, record.note_read, load)
        validator.argument(name, arguments[name])
    value = validator.returned(call(function, arguments))
    return save_outputs(repository, value, multiple=task.multiple_outputs, prefix=task.output_names)


def load_function(code: str | Mapping[str, Any], name: str, digest: str, module: str = "") -> Callable[..., Any]:
    """Define the module that a code artifact holds and return its function. Classes in it are those of the module that it was taken from.

    Modules that were recorded with it are imported from there, while it is defined and while the function runs.

    Raises:
        StepError: a module that it imports is missing here, or it does not define the function.
    """
    text, modules = split(code, digest)
    module_name = f"sematic_step_{short(digest)}" + (f"_{module}" if module else "")
    file = f"<{module_name}>"
    made = ModuleType(module_name)
    made.__file__ = file
    sys.modules[module_name] = made
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # so that tracebacks show the lines
    try:
        with modules.installed():
            exec(compile(text, file, "exec", dont_inherit=True), made.__dict__)  # noqa: S102 - running recorded step code is what this module is for
    except ImportError as error:
        raise StepError(f"the step {name} needs a module that is not installed here: {error}") from error
    function = getattr(made, name, None)
    if not callable(function):
        raise StepError(f"the recorded code {short(digest)} does not define {name}")
    return modules.around(function) if modules else function


def call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call with arguments by parameter name; positional-only and variadic parameters get theirs the way the signature says."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in arguments:
            continue
        value = arguments[parameter.name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional.extend(value)
        elif parameter.kind is parameter.VAR_KEYWORD:
            named.update(value)
        elif parameter.kind is parameter.KEYWORD_ONLY:
            named[parameter.name] = value
        else:
            positional.append(value)
    result = function(*positional, **named)
    return asyncio.run(result) if inspect.iscoroutine(result) else result

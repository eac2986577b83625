"""What determines the result of a step, as the task process knows it: arguments, context, code, files, options."""

from __future__ import annotations

import datetime as dt
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sematic_airflow_provider.artifacts.codecs.type_names import stable_module
from sematic_airflow_provider.artifacts.digest import digest_bytes, digest_record
from sematic_airflow_provider.artifacts.hashing import hashing_repository
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.errors import ArtifactError, NoCodecError, StoreError

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository
    from sematic_airflow_provider.lineage.step import StepRecord
    from sematic_airflow_provider.settings import Settings
    from sematic_airflow_provider.steps.cache_key import CacheKey
    from sematic_airflow_provider.steps.policy import CachePolicy
    from sematic_airflow_provider.worker.operator import SematicOperator

_READABLE = 100
_PRIVATE = ("params", "templates_dict")
"""People put secrets there: not the values, only their digests are told."""


class NoKeyError(Exception):
    """The result is determined by what cannot be told; the message says what."""


def key_of(
    operator: SematicOperator,
    context: Any,
    record: StepRecord,
    store: Repository,
    settings: Settings,
    policy: CachePolicy,
) -> CacheKey:
    """The key of this execution.

    Raises:
        NoKeyError: there is none.
        StoreError: the store cannot be read.
    """
    from sematic_airflow_provider.steps.cache_key import cache_key
    from sematic_airflow_provider.steps.code import code_of

    code = code_of(operator.python_callable, value_digest, _classes(record, store, policy))
    if code.unknown:
        raise NoKeyError(f"it cannot be told what the result depends on: {'; '.join(code.unknown)}")
    return cache_key(
        code,
        inputs=_inputs(operator, record, policy),
        output=_output(operator),
        policy=policy,
        context=_context(operator, context, record, policy) | _options(operator, settings),
        files=_files(policy, record.file),
    )


def value_digest(value: object) -> str | None:
    """The digest of a value's content with its codec's name; None where no codec knows it. Nothing is stored."""
    try:
        ref = hashing_repository().save(value)
    except (NoCodecError, RecursionError):
        return None
    return f"{ref.codec} {ref.digest}"


def _classes(record: StepRecord, store: Repository, policy: CachePolicy) -> set[str]:
    """The classes that the arguments are made of."""
    from sematic_airflow_provider.worker.input_classes import classes_in

    refs = [ref for name, ref in record.arguments.items() if name not in policy.ignore]
    try:
        return classes_in(refs, store)
    except StoreError:
        raise
    except ArtifactError as error:
        raise NoKeyError(f"an argument cannot be read: {error}") from error


def _inputs(operator: SematicOperator, record: StepRecord, policy: CachePolicy) -> dict[str, str]:
    passed = inspect.signature(operator.python_callable).bind_partial(*operator.op_args, **operator.op_kwargs).arguments
    found: dict[str, str] = {}
    for name, value in passed.items():
        if name in policy.ignore:
            continue
        if name not in record.arguments:
            raise NoKeyError(
                f"the argument {name} has no digest: no codec can store {type(value).__name__}. "
                f"Register a codec, or say cache=CachePolicy(ignore=[{name!r}]) where it does not matter for the result"
            )
        found[name] = _identity(value, record.arguments[name])
    return found


def _identity(value: Any, described: ArtifactRef) -> str:
    """What an argument is, whatever the tasks are called that made it or parts of it."""
    if isinstance(value, (list, tuple, dict)) and (_holds_refs(value) or _is_unsorted(value)):
        return f"refs {digest_record('arguments', {'value': _shape(value)})}"
    return f"{described.codec} {described.digest}"


def _holds_refs(value: Any) -> bool:
    if isinstance(value, ArtifactRef):
        return True
    members = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return any(map(_holds_refs, members))


def _is_unsorted(value: Any) -> bool:
    """Whether a dict in it has an order that its digest does not tell. What tasks pass on comes sorted; what a Dag file says comes as it stands there."""
    if isinstance(value, dict):
        keys = list(value)
        if not all(isinstance(key, str) for key in keys) or keys != sorted(keys):
            return True
    members = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return any(map(_is_unsorted, members))


def _shape(value: Any) -> Any:
    if isinstance(value, ArtifactRef):
        return ["ref", value.codec, value.digest]
    if isinstance(value, dict):
        return ["dict", [[_shape(key), _shape(member)] for key, member in value.items()]]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [_shape(member) for member in value]]
    digest = value_digest(value)
    if digest is None:
        raise NoKeyError(f"no codec can store {type(value).__name__}, which is a part of an argument")
    return ["value", digest]


def _output(operator: SematicOperator) -> str:
    """The annotation of what is returned: another one may validate or store it in another way."""
    annotation = getattr(operator.python_callable, "__annotations__", {}).get("return")
    text = "" if annotation is None else annotation if isinstance(annotation, str) else _annotation(annotation)
    return f"{text} in several outputs" if operator.multiple_outputs else text


def _annotation(annotation: Any) -> str:
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return f"{stable_module(annotation.__module__)}.{annotation.__qualname__}"
    text = inspect.formatannotation(annotation)
    module = getattr(annotation, "__module__", "") or ""
    return text.replace(module, stable_module(module)) if module else text


def _context(operator: SematicOperator, context: Any, record: StepRecord, policy: CachePolicy) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in record.context_arguments:
        if name in policy.ignore or name.startswith("**"):
            continue
        value = operator.templates_dict if name == "templates_dict" else context[name]
        found[name] = _text(value, readable=name not in _PRIVATE)
    return found


def _text(value: Any, *, readable: bool = True) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, str):
        return value if readable and len(value) <= _READABLE else digest_bytes(value.encode())
    plain = dict(value) if isinstance(value, Mapping) else value
    text = json.dumps(plain, sort_keys=True, default=str)
    return text if readable and len(text) <= _READABLE else digest_bytes(text.encode())


def _options(operator: SematicOperator, settings: Settings) -> dict[str, str]:
    """What else of the task can change the result: the seed, and the image of its pod, where other versions are installed than here."""
    found: dict[str, str] = {}
    if getattr(operator, "seed", None) is not None:
        found["seed"] = str(operator.seed)
    if (operator.compute or settings.compute) == "kubernetes":
        found["pod image"] = settings.pod_image
        if settings.pod_template_file and (template := Path(settings.pod_template_file)).is_file():
            found["pod template"] = digest_bytes(template.read_bytes())
    return found


def _files(policy: CachePolicy, source: str | None) -> dict[str, str]:
    from sematic_airflow_provider.steps.cache_key import MISSING, files_of

    found = files_of(policy.files, Path(source).parent if source else None)
    if absent := [path for path, digest in found.items() if digest == MISSING]:
        raise NoKeyError(f"CachePolicy names files that are not there or cannot be read: {', '.join(absent)}")
    return found

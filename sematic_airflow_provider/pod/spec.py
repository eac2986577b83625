"""PodTask: the small message that says which step to run where there is no Airflow. It carries refs, never values or pickles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.errors import StepError

FORMAT: Final = 1
TASK_VARIABLE: Final = "SEMATIC_POD_TASK"


@dataclass(frozen=True, slots=True)
class PodTask:
    """One step: code artifact and function in it, arguments by ref, the store, and the document that takes the result.

    ``module`` is the name of the module that the function was taken from: classes of values go by it. ``multiple_outputs`` makes a returned dict one
    output for each of its keys; ``output_names`` is the prefix of the outputs' logical names.
    """

    code: ArtifactRef
    function: str
    arguments: Mapping[str, ArtifactRef]
    store: str
    result: str
    module: str = ""
    multiple_outputs: bool = False
    output_names: str = ""
    inline_limit: int = 1024
    allow_pickle: bool = False
    previews: bool = True
    compress: bool = False
    seed: int | None = None
    record_env: Sequence[str] = ()

    def to_json(self) -> str:
        """The message as text."""
        return json.dumps(
            {
                "format": FORMAT,
                "code": self.code.to_json(),
                "function": self.function,
                "arguments": {name: ref.to_json() for name, ref in self.arguments.items()},
                "store": self.store,
                "result": self.result,
                "module": self.module,
                "multiple_outputs": self.multiple_outputs,
                "output_names": self.output_names,
                "inline_limit": self.inline_limit,
                "allow_pickle": self.allow_pickle,
                "previews": self.previews,
                "compress": self.compress,
                "seed": self.seed,
                "record_env": list(self.record_env),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> PodTask:
        """Read a message.

        Raises:
            StepError: it is not one, or of another format.
        """
        try:
            record = json.loads(text)
            if record["format"] != FORMAT:
                raise StepError(
                    f"this pod task has format {record['format']!r}, the image reads format {FORMAT}: "
                    "use the same version of sematic-airflow-provider in the worker and in the image"
                )
            return cls(
                code=ArtifactRef.from_json(record["code"]),
                function=_text(record, "function"),
                arguments={name: ArtifactRef.from_json(ref) for name, ref in record["arguments"].items()},
                store=_text(record, "store"),
                result=_text(record, "result"),
                module=_text(record, "module"),
                multiple_outputs=record["multiple_outputs"] is True,
                output_names=_text(record, "output_names"),
                inline_limit=int(record["inline_limit"]),
                allow_pickle=record["allow_pickle"] is True,
                previews=record.get("previews", True) is True,  # a worker of an earlier version does not say
                compress=record.get("compress", False) is True,
                seed=None if record.get("seed") is None else int(record["seed"]),
                record_env=tuple(str(name) for name in record.get("record_env", ())),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise StepError(f"not a pod task ({type(error).__name__}: {error}): {text[:200]!r}") from error


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text")
    return value


@dataclass(frozen=True, slots=True)
class PodResult:
    """What the step left behind: its outputs as refs, or the error that ended it."""

    outputs: Mapping[str, ArtifactRef]
    resources: Mapping[str, Any]
    provenance: Mapping[str, Any]
    metrics: Mapping[str, float | str]
    error: str = ""
    permanent: bool = False
    reads: Sequence[ArtifactRef] = ()
    checks: Sequence[Mapping[str, str]] = ()

    def to_json(self) -> bytes:
        """The result as a document."""
        return json.dumps(
            {
                "format": FORMAT,
                "outputs": {key: ref.to_json() for key, ref in self.outputs.items()},
                "resources": dict(self.resources),
                "provenance": dict(self.provenance),
                "metrics": dict(self.metrics),
                "error": self.error,
                "permanent": self.permanent,
                "reads": [ref.to_json() for ref in self.reads],
                "checks": [dict(check) for check in self.checks],
            }
        ).encode()

    @classmethod
    def from_json(cls, data: bytes) -> PodResult:
        """Read a result document.

        Raises:
            StepError: it is not one.
        """
        try:
            record = json.loads(data)
            return cls(
                outputs={key: ArtifactRef.from_json(ref) for key, ref in record["outputs"].items()},
                resources=record["resources"],
                provenance=record["provenance"],
                metrics=record["metrics"],
                error=record["error"],
                permanent=record["permanent"] is True,
                reads=[ArtifactRef.from_json(ref) for ref in record["reads"]],
                checks=record.get("checks", ()),  # an image with an earlier version of this package tells none
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise StepError(f"not the result of a step ({type(error).__name__}: {error}): {data[:200]!r}") from error

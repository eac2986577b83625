"""Every error this package raises on purpose.

* SematicError
  x ArtifactError
    + ArtifactNotFoundError   (FileNotFoundError)  digest, store
    + ArtifactCorruptedError  expected, actual, path
    + NoCodecError            (TypeError)
    + InvalidRefError         (ValueError)
    + MissingPartError        (LookupError)
    + StoreError              (OSError)            store
      - DocumentTooLargeError
    + CollectionRefusedError
  x LineageError
    + EventRejectedError      (ValueError)         field
    + NodeNotFoundError       (LookupError)
    + ExportTooLargeError
    + LineageRequestError                          url, status
    + DeliveryError                                status, wait, unfit
  x StepError                 (RuntimeError)
  x WiringError               (TypeError)
  x GateFailedError           (AssertionError)     failures
  x DagRunFailedError         (AssertionError)     result
  x ConfigurationError        (ValueError)         option
  x MissingExtraError         (ImportError)        extra

``permanent`` is the only retry knowledge: where it is true, running the same thing again cannot help.
"""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """What an error says in one line. What SQLAlchemy adds below, statement and values, belongs into no log."""
    return (str(error).splitlines() or [type(error).__name__])[0]


class SematicError(Exception):
    """Base of all errors of this package."""

    permanent: bool = False


class ArtifactError(SematicError):
    """Something is wrong with an artifact or the store that holds it."""


class ArtifactNotFoundError(ArtifactError, FileNotFoundError):
    """The store has no artifact with this digest."""

    def __init__(self, digest: str, store: str) -> None:
        super().__init__(f"The store {store} has no artifact {digest}. It was deleted, or written to another store.")
        self.digest = digest
        self.store = store

    def __str__(self) -> str:
        return str(self.args[0])


class ArtifactCorruptedError(ArtifactError):
    """The stored bytes are not those that were saved."""

    permanent = True

    def __init__(self, expected: str, actual: str, path: str) -> None:
        super().__init__(
            f"{path} is corrupted: its content hashes to {actual}, expected {expected}. "
            "Restore it from a backup, or delete it and run the step that made it again."
        )
        self.expected = expected
        self.actual = actual
        self.path = path


class NoCodecError(ArtifactError, TypeError):
    """No codec can store this value, or read this artifact."""

    permanent = True


class InvalidRefError(ArtifactError, ValueError):
    """A reference that is not well-formed: it was written by something else, or tampered with."""

    permanent = True


class MissingPartError(ArtifactError, LookupError):
    """An artifact has no such column or file."""

    permanent = True


class StoreError(ArtifactError, OSError):
    """The store cannot be reached, or refuses to read or write."""

    def __init__(self, message: str, store: str) -> None:
        super().__init__(message)
        self.store = store

    def __str__(self) -> str:
        return str(self.args[0])


class DocumentTooLargeError(StoreError):
    """A document is larger than any may be: one in the store was put there by somebody else, and is not read."""

    permanent = True

    def __init__(self, path: str, limit: int, store: str) -> None:
        super().__init__(
            f"the document {path} of the store {store} has more than {limit} bytes, the most that a document may have",
            store,
        )
        self.path = path


class CollectionRefusedError(ArtifactError):
    """Artifacts are not collected, because what must be kept cannot be told."""


class LineageError(SematicError):
    """Something is wrong with a lineage event or the graph built from events."""


class EventRejectedError(LineageError, ValueError):
    """An event that does not follow the OpenLineage specification."""

    permanent = True

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class NodeNotFoundError(LineageError, LookupError):
    """The lineage has no such run or artifact."""


class ExportTooLargeError(LineageError):
    """A part of the lineage that is asked for is larger than any that is exported at once."""

    permanent = True


class LineageRequestError(LineageError):
    """The lineage API refused a request, or could not be reached: then ``status`` is None."""

    def __init__(self, message: str, url: str, status: int | None = None) -> None:
        super().__init__(message)
        self.url = url
        self.status = status


class DeliveryError(LineageError):
    """Events could not be delivered to the API server now.

    ``status`` is what it answered, ``wait`` how many seconds it asks to wait. ``unfit``: it refuses them as they are, one of them or their size.
    """

    def __init__(
        self, message: str, *, status: int | None = None, wait: float | None = None, unfit: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.wait = wait
        self.unfit = unfit


class StepError(SematicError, RuntimeError):
    """A step cannot run as asked: its function or arguments cannot be sent where it should run."""

    permanent = True


class WiringError(SematicError, TypeError):
    """Steps of a Dag are connected in a way that can never work: an output of one type where another is asked for, say."""

    permanent = True


class GateFailedError(SematicError, AssertionError):
    """A gate judged a model or data set and said no."""

    permanent = True

    def __init__(self, message: str, failures: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.failures = failures


class DagRunFailedError(SematicError, AssertionError):
    """A Dag that was run in a test failed. ``result`` has all that came of the run."""

    permanent = True

    def __init__(self, message: str, result: object) -> None:
        super().__init__(message)
        self.result = result


class ConfigurationError(SematicError, ValueError):
    """An option in ``[sematic]``, or one that we need elsewhere, is missing or wrong."""

    permanent = True

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


class MissingExtraError(SematicError, ImportError):
    """A feature needs an optional dependency that is not installed."""

    permanent = True

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs: pip install 'sematic-airflow-provider[{extra}]'")
        self.extra = extra

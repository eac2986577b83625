"""Artifact: what a step takes instead of a value it does not want to load, or not all of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, KeysView, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from sematic_airflow_provider.artifacts.ref import ArtifactRef

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository
    from sematic_airflow_provider.artifacts.trees import Tree

T = TypeVar("T")
Note = Callable[[ArtifactRef], None]


class Artifact(Generic[T]):
    """A stored value that is loaded when it is asked for; a parameter annotated ``Artifact[T]`` gets one, of the value that was passed.

    ::

        @sematic_task
        def delays(flights: Artifact[pd.DataFrame]) -> float:
            return flights["arr_delay"].mean()  # reads this column alone

    Lineage tells what was read, not what could have been.
    """

    def __init__(
        self, ref: ArtifactRef, repository: Repository, note: Note = lambda ref: None, within: ArtifactRef | None = None
    ) -> None:
        self.ref = ref
        self._repository, self._note, self._within = repository, note, within
        self._known: Tree | None = None

    @classmethod
    def of(cls, value: T) -> Artifact[T]:
        """An artifact held in memory, for unit tests of steps that take one. In a Dag, a step's output stays itself: type checkers see an artifact."""
        if hasattr(value, "iter_references"):
            return value  # type: ignore[return-value]
        from sematic_airflow_provider.artifacts.repository import open_repository

        repository = open_repository("memory://sematic-artifact-of")
        return cls(repository.save(value), repository)

    @property
    def digest(self) -> str:
        """SHA-256 of its stored bytes."""
        return self.ref.digest

    @property
    def type(self) -> str:
        """The type of the value."""
        return self.ref.type

    @property
    def size(self) -> int:
        """Bytes as stored, without members."""
        return self.ref.size

    @overload
    def load(self) -> T: ...
    @overload
    def load(self, columns: Sequence[str]) -> Any: ...
    def load(self, columns: Sequence[str] | None = None) -> Any:
        """The value; of a table only these columns, if any are named.

        Raises:
            ArtifactError: it cannot be read as it was saved.
            LookupError: it has no such column.
            TypeError: columns were named, and it is no table.
        """
        value = self._repository.load(self.ref) if columns is None else self._repository.load_columns(self.ref, columns)
        self._touched()
        return value

    def __getitem__(self, key: Any) -> Any:
        """A part of the value, alone where it is stored alone: a member of a collection, columns of a table, a file of a folder.

        Raises:
            LookupError: it has no such part.
            ArtifactError: the part cannot be read as it was saved.
        """
        if self._tree is not None:
            if isinstance(key, slice):
                return [self.member(number).load() for number in range(*key.indices(len(self)))]
            return self.member(key).load()
        if self.ref.codec == "files/1":
            path = self._repository.load_file(self.ref, key)
            self._touched()
            return path
        names = [key] if isinstance(key, str) else key
        if self.ref.codec_name.endswith("parquet/1") and isinstance(names, list):
            table = self.load(names)
            return table[key] if names is not key else table
        return self.load()[key]  # type: ignore[index]

    def member(self, key: Any) -> Artifact[Any]:
        """A member of a list, tuple, dict, dataclass or generator's result, not loaded yet.

        Raises:
            LookupError: it has no such member.
            TypeError: it is not stored as a collection of members.
        """
        tree = self._tree
        if tree is None:
            raise TypeError(f"{self!r} is not stored as a collection: load() it")
        ref = tree.member(key)
        return Artifact(ref, self._repository, self._note, None if ref.name else self._within or self.ref)

    def keys(self) -> KeysView[Any]:
        """The keys of a dict, or the names of a dataclass's fields.

        Raises:
            TypeError: it is neither.
        """
        tree = self._tree
        if tree is not None and tree.kind in ("dict", "map", "object"):
            return dict.fromkeys(tree.labels()).keys()
        value = self.load() if tree is None else None
        if not isinstance(value, Mapping):
            raise TypeError(f"{self!r} has no keys")
        return value.keys()

    def __iter__(self) -> Iterator[Any]:
        """As the value does; members of a collection are loaded one at a time."""
        tree = self._tree
        if tree is None:
            return iter(self.load())  # type: ignore[call-overload]
        if tree.kind in ("dict", "map"):
            return iter(tree.labels())
        return (self.member(key).load() for key in tree.labels())

    def __len__(self) -> int:
        return len(self._tree.members) if self._tree is not None else len(self.load())  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        return True  # there is a value, whatever its length

    def __repr__(self) -> str:
        return f"Artifact({self.ref!r})"

    @property
    def _tree(self) -> Tree | None:
        if self._known is None:
            self._known = self._repository.tree(self.ref)
        return self._known

    def _touched(self) -> None:
        from sematic_airflow_provider.artifacts.handing import read_with

        for ref in read_with(self._within or self.ref, self._repository):
            self._note(ref)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Validated as what it is: the value is not there to be looked at."""
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(cls)

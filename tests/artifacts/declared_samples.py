"""Classes of which the tests store values: every kind that declares its fields, with what makes each kind hard."""

from __future__ import annotations

import collections
import dataclasses
import enum
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, field_validator

T = TypeVar("T")


class Colour(enum.Enum):
    RED = 1
    GREEN = "green"
    ALSO_RED = 1  # noqa: PIE796


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Kind(str, enum.Enum):
    A = "a"
    B = "b"


class Right(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()
    RUN = enum.auto()
    ALL = READ | WRITE | RUN


class Mode(enum.IntFlag):
    X = 1
    W = 2
    R = 4


class Point(NamedTuple):
    x: int
    y: Any = 0


Pair = collections.namedtuple("Pair", "left right")


class Rich(Point):
    """A named tuple with a method and a constructor of its own."""

    def __new__(cls, x: int) -> Rich:
        raise AssertionError("made anew")


@dataclass
class Plain:
    a: int
    b: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    name: str
    inner: Plain | None = None


@dataclass(slots=True)
class Slotted:
    a: int
    b: str = "b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strict:
    a: int
    b: float


@dataclass
class Child(Plain):
    c: dict[str, Any] = field(default_factory=dict, compare=False)
    shared: ClassVar[int] = 5


@dataclass
class Surprising:
    """What it holds is not what its constructor takes."""

    a: int
    factor: InitVar[int]
    doubled: int = field(init=False)

    def __post_init__(self, factor: int) -> None:
        if factor < 0:
            raise AssertionError("never again after it was saved")
        self.doubled = self.a * factor

    @cached_property
    def costly(self) -> int:
        return self.a + 1


@dataclass
class Box(Generic[T]):
    content: T


@dataclass
class Outer:
    point: Point
    colours: set[Colour]
    by_level: dict[Level, Plain]


@dataclass
class Untidy:
    a: int

    def __post_init__(self) -> None:
        self.not_a_field = 5


@dataclass
class FromDict(dict[str, int]):
    a: int


@dataclass
class Holder:
    """For values that JSON has no form for."""

    content: Any


class Model(BaseModel):
    a: int
    b: str = "b"
    inner: Plain | None = None


class Doubling(BaseModel):
    """A validator that would change what was saved."""

    model_config = ConfigDict(frozen=True)
    a: int

    @field_validator("a")
    @classmethod
    def _doubled(cls, value: int) -> int:
        return value * 2


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Secretive(BaseModel):
    a: int
    _hidden: int = PrivateAttr(default=0)


class GenericModel(BaseModel, Generic[T]):
    content: T


class IntModel(GenericModel[int]):
    pass


WRONG_NAME = dataclasses.make_dataclass("Misnamed", ["a"])


def with_secret(a: int, hidden: int) -> Secretive:
    model = Secretive(a=a)
    model._hidden = hidden
    return model


def with_cache(a: int) -> Surprising:
    value = Surprising(a, 2)
    assert value.costly
    return value


def rich(x: int, y: int) -> Rich:
    return tuple.__new__(Rich, (x, y))


def local_class() -> Any:
    @dataclass
    class Local:
        a: int = 1

    return Local()

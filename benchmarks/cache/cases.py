"""The edits between two runs, and what a cache must make of each. Texts are those of a user's project; ``@STEP`` stands where each way puts its decorator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

MISS, HIT, STORED, TOGETHER = "must miss", "must hit", "stored bytes", "two at once"

STEP = """
@STEP
def compute(value: int) -> int:
    ran()
    return {}
"""
ARRAY_STEP = """
import numpy as np


@STEP
def compute(value: int) -> np.ndarray:
    ran()
    return np.arange(400_000, dtype=float) * value
"""
ARRAY_SUM = float(sum(range(400_000)) * 3)


@dataclass(frozen=True)
class Case:
    """One edit: the project's files before and after, the arguments, and the number that is right each time."""

    name: str
    kind: str
    before: dict[str, str]
    after: dict[str, str]
    expected: tuple[float, float] = (6, 9)
    arguments: tuple[str, str] = ("3", "3")
    library: tuple[str, str] | None = None  # versions of a small distribution that the step imports
    seeds: tuple[str, str] = ("0", "0")
    to_stored: str = ""  # what befalls the stored value: "flip" or "delete"
    verifying: bool = False  # asks for verification, where there is such an option
    kill: bool = False

    @property
    def reads_file(self) -> bool:
        """Whether the step takes a file, which each way declares in its own manner."""
        return "INPUT_FILE" in self.before["steps.py"]


@dataclass
class _Cases:
    made: list[Case] = field(default_factory=list)

    def edit(self, name: str, text: str, old: str, new: str, file: str = "steps.py", **others: str) -> None:
        """What must be seen: in one file, ``old`` becomes ``new``, which makes 6 into 9."""
        self._add(name, MISS, {"steps.py": text} | others, old, new, file, (6, 9))

    def same(self, name: str, text: str, old: str, new: str) -> None:
        """What changes nothing: 6 stays 6."""
        self._add(name, HIT, {"steps.py": text}, old, new, "steps.py", (6, 6))

    def _add(
        self, name: str, kind: str, files: dict[str, str], old: str, new: str, file: str, expected: tuple[int, int]
    ) -> None:
        files = {path.replace("_py", ".py"): content for path, content in files.items()}
        if old not in files[file]:
            raise ValueError(f"case {name}: {old!r} is not in {file}")
        self.made.append(Case(name, kind, files, files | {file: files[file].replace(old, new)}, expected))


_HELPER = "def helper(value: int) -> int:\n    return 2 * value\n"
_DECORATED = """
import functools


def scaled(function):
    @functools.wraps(function)
    def inner(value: int) -> int:
        return 2 * function(value)

    return inner


@STEP
@scaled
def compute(value: int) -> int:
    ran()
    return value
"""
_CLOSURE = """
def make(factor: int):
    @STEP
    def compute(value: int) -> int:
        ran()
        return factor * value

    return compute


compute = make(2)
"""
_DEFAULT = """
@STEP
def compute(value: int, factor: int = 2) -> int:
    ran()
    return factor * value
"""
_CLASSES = """
class Base:
    factor = 2


class Scaler(Base):
    def apply(self, value: int) -> int:
        return self.factor * value

"""
_METHOD = """
class Scaler:
    def apply(self, value: int) -> int:
        return 2 * value

"""
_FILE = """
@STEP
def compute(value: INPUT_FILE) -> int:
    ran()
    return int(READ_FILE)
"""
_MAPPING = """
@STEP
def compute(value: dict[str, int]) -> int:
    ran()
    return value["a"] * value["b"]
"""


def _edits(cases: _Cases) -> None:
    used = STEP.format("helper(value)")
    cases.edit("function body", STEP.format("2 * value"), "2 *", "3 *")
    cases.edit("helper in the same file", _HELPER + used, "2 *", "3 *")
    in_parts = "from parts import helper\n" + used
    cases.edit("helper in another module", in_parts, "2 *", "3 *", "parts.py", parts_py=_HELPER)
    chain = "from more import deeper\n\n\ndef helper(value: int) -> int:\n    return deeper(value)\n"
    deeper = _HELPER.replace("helper", "deeper")
    cases.edit("helper of a helper", in_parts, "2 *", "3 *", "more.py", parts_py=chain, more_py=deeper)
    cases.edit("module constant", "FACTOR = 2\n" + STEP.format("FACTOR * value"), "= 2", "= 3")
    elsewhere = "import options\n" + STEP.format("options.FACTOR * value")
    cases.edit("constant in another module", elsewhere, "= 2", "= 3", "options.py", options_py="FACTOR = 2\n")
    cases.edit("closure", _CLOSURE, "make(2)", "make(3)")
    cases.edit("default", _DEFAULT, "= 2", "= 3")
    cases.edit("decorator", _DECORATED, "2 *", "3 *")
    cases.edit("base class", _CLASSES + STEP.format("Scaler().apply(value)"), "= 2", "= 3")
    cases.edit("method", _METHOD + STEP.format("Scaler().apply(value)"), "2 *", "3 *")
    cases.edit("input file", _FILE, "6", "9", "input.txt", **{"input.txt": "6"})
    cases.made[-1] = replace(cases.made[-1], arguments=("INPUT_FILE", "INPUT_FILE"))
    library = "import benchtool\n" + STEP.format("benchtool.scale(value)")
    cases.made.append(
        Case("third-party version", MISS, {"steps.py": library}, {"steps.py": library}, library=("2.0", "3.0"))
    )


def _no_edits(cases: _Cases) -> None:
    mapping = {"steps.py": _MAPPING}
    order = ('{"a": 2, "b": 3}', '{"b": 3, "a": 2}')
    cases.made.append(Case("order of a dict", HIT, mapping, mapping, (6, 6), order))
    cases.made.append(
        Case("another hash seed", HIT, mapping, mapping, (6, 6), (order[0], order[0]), seeds=("1", "2024"))
    )
    used, plain = _HELPER + STEP.format("helper(value)"), STEP.format("2 * value")
    cases.same("comment", used, "    ran()", "    # counted\n    ran()")
    cases.same("formatting", used, "helper(value)\n", "helper(\n        value,\n    )\n")
    cases.same("comment in a helper", used, "    return 2", "    # twice\n    return 2")
    other = "def other(value: int) -> int:\n    return value\n"
    swapped = _HELPER + "\n\n" + other
    cases.same("order of functions", swapped + STEP.format("helper(other(value))"), swapped, other + "\n\n" + _HELPER)
    cases.same("unrelated function", plain + "\n\n" + other, "return value\n", "return value + 1\n")


def _stored(cases: _Cases) -> None:
    files = {"steps.py": ARRAY_STEP}
    both = (ARRAY_SUM, ARRAY_SUM)
    cases.made.append(Case("stored bytes flipped", STORED, files, files, both, to_stored="flip"))
    cases.made.append(
        Case("the same, verification asked for", STORED, files, files, both, to_stored="flip", verifying=True)
    )
    cases.made.append(Case("stored value deleted", STORED, files, files, both, to_stored="delete"))


def _together(cases: _Cases) -> None:
    files = {"steps.py": STEP.format("2 * value")}
    cases.made.append(Case("the same step twice at once", TOGETHER, files, files, (6, 6)))
    cases.made.append(Case("owner killed half-way", TOGETHER, files, files, (6, 6), kill=True))


def all_cases() -> dict[str, Case]:
    """All cases by their names, in the order of the table."""
    cases = _Cases()
    for add in (_edits, _no_edits, _stored, _together):
        add(cases)
    return {case.name: case for case in cases.made}

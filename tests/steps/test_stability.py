"""Properties of step codes: looks never count, meaning always does."""

from __future__ import annotations

import ast
import io
import random
import tempfile
import tokenize
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sematic_airflow_provider.steps.code import StepCode
from tests.steps.projects import Project

SOURCES = {
    "flow.py": '''
import functools
import math as m
from dataclasses import dataclass, field

import helpers
from helpers import clean, LIMIT

FACTOR = 3
TABLE = {"a": [1, 2, (3, 4)], "b": {"c", "d"}}

@dataclass
class Config:
    """What is set."""

    n: int = 1
    names: list[str] = field(default_factory=lambda: ["a", "b"])

    def scaled(self, by=FACTOR):
        return self.n * by

def times(n):
    def deco(f):
        @functools.wraps(f)
        def inner(*a, **k):
            return f(*a, **k) * n
        return inner
    return deco

@times(2)
def weight(x, *, power=2):
    return m.pow(x, power) if x > 0 else -x

def unrelated(x):
    return x

def step(x: "Config", y=LIMIT):
    total = 0
    for i in range(FACTOR):
        if i % 2:
            total += weight(i)
        else:
            total -= clean(i) + helpers.far(i)
    return total, TABLE, [v for v in TABLE.values()], f"{x.scaled():>{FACTOR}}", (lambda q: q + total)(1)
''',
    "helpers.py": '''
LIMIT = 10

def far(x):
    return near(x) + 1

def near(x):
    return x * 2 + LIMIT

def clean(x):
    try:
        return int(x)
    except ValueError:
        return 0
''',
}  # fmt: skip


def _code(files: dict[str, str]) -> StepCode:
    with tempfile.TemporaryDirectory() as folder:
        return Project(Path(folder), files).code()


BEFORE = _code(SOURCES)


def test_loaded_code_is_what_the_text_says() -> None:
    assert not [name for name in BEFORE.definitions if "as loaded" in name]


def _reformatted(text: str, seed: int) -> str:
    """The same program with other comments, blank lines and spaces."""
    chance = random.Random(seed)
    lines: list[str] = []
    starts = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in (tokenize.NL, tokenize.NEWLINE)
    }
    strings = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.STRING
        for line in range(token.start[0], token.end[0])
    }
    for number, line in enumerate(text.splitlines(), start=1):
        indent = " " * (len(line) - len(line.lstrip()))
        while number not in {n + 1 for n in strings} and chance.random() < 0.3:
            lines.append(chance.choice(["", f"{indent}# {chance.random()}", "# é " + "x" * chance.randint(0, 30)]))
        if number in starts and line.strip() and number not in strings and chance.random() < 0.3:
            line += chance.choice(["  # why", "   ", " # type: x", ";" if _is_simple(line) else ""])
        lines.append(line)
    return "\n".join(lines) + "\n" * chance.randint(1, 4)


def _is_simple(line: str) -> bool:
    try:
        (node,) = ast.parse(line.strip()).body
    except (SyntaxError, ValueError):
        return False
    return isinstance(node, (ast.Assign, ast.Import, ast.ImportFrom))


def _reordered(text: str, seed: int) -> str:
    """The functions without decorators in another order, at the end of the module; what they are used by on import stays behind them."""
    tree = ast.parse(text)
    functions = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.decorator_list and not node.args.defaults
    ]
    on_import = {
        name.id for node in tree.body if node not in functions for name in ast.walk(node) if isinstance(name, ast.Name)
    }
    free = [node for node in functions if node.name not in on_import]
    rest = [node for node in tree.body if node not in free]
    random.Random(seed).shuffle(free)
    return ast.unparse(ast.Module([*rest, *free], []))


FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@FEW
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_comments_blank_lines_and_spaces_never_count(one: int, other: int) -> None:
    files = {"flow.py": _reformatted(SOURCES["flow.py"], one), "helpers.py": _reformatted(SOURCES["helpers.py"], other)}
    assert {name: ast.dump(ast.parse(text)) for name, text in files.items()} == {
        name: ast.dump(ast.parse(text)) for name, text in SOURCES.items()
    }
    assert _code(files) == BEFORE


@FEW
@given(st.integers(0, 10**6))
def test_the_order_of_functions_and_how_they_are_written_never_count(seed: int) -> None:
    assert _code({name: _reordered(text, seed) for name, text in SOURCES.items()}) == BEFORE


def _constants(tree: ast.AST) -> list[ast.Constant]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is int]


NUMBERS = [(name, i) for name, text in SOURCES.items() for i in range(len(_constants(ast.parse(text))))]


@settings(max_examples=len(NUMBERS), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(NUMBERS))
def test_every_number_in_reached_code_counts(place: tuple[str, int]) -> None:
    name, index = place
    tree = ast.parse(SOURCES[name])
    _constants(tree)[index].value += 1000  # type: ignore[operator]
    assert _code({**SOURCES, name: ast.unparse(tree)}).digest != BEFORE.digest


@FEW
@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Z"]), max_size=40), st.booleans())
def test_new_functions_and_constants_that_nothing_reaches_never_count(text: str, first: bool) -> None:
    added = (
        f"NEW = {text!r}\ndef new(x):\n    return {text!r} + NEW + near_new(x)\ndef near_new(x):\n    return TABLE\n"
    )
    files = {name: f"{added}\n{old}" if first else f"{old}\n{added}" for name, old in SOURCES.items()}
    assert _code(files) == BEFORE

"""The source that a function reaches in its own module: enough to define the function again, somewhere else, later.

Of the module stay the function, the top-level definitions, assignments and imports it uses, and what those use in turn. Decorators that belong to
Airflow or to this package are dropped, so that the text runs where there is no Airflow. Functions of other modules stay imports. The text is what
``ast.unparse`` prints: comments and formatting do not change it.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

_DROPPED_DECORATORS = ("airflow", "sematic_airflow_provider")


class SourceUnavailableError(Exception):
    """The function cannot be defined from text alone; the message says why."""


class FunctionSource(NamedTuple):
    """Where a function stands, as it was written."""

    function: str
    file: str | None
    line: int | None
    text: str | None


def locate(function: Callable[..., Any]) -> FunctionSource:
    """Name, file, first line and text of a function; what cannot be found is None."""
    file = _source_file(function)
    module = Path(file).stem if file else getattr(function, "__module__", "")
    name = f"{module}.{getattr(function, '__qualname__', repr(function))}"
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return FunctionSource(name, file, None, None)
    return FunctionSource(name, file, first, textwrap.dedent("".join(lines)))


def reachable_source(function: Callable[..., Any]) -> str:
    """Text of a module that defines the function and what it uses.

    Raises:
        SourceUnavailableError: no source, or the function uses variables of an enclosing function.
    """
    code = getattr(function, "__code__", None)
    if code is None:
        raise SourceUnavailableError(f"{function!r} is not a Python function")
    if function.__name__ == "<lambda>":
        raise SourceUnavailableError("a lambda has no name to be found by: use def")
    if code.co_freevars:
        names = ", ".join(sorted(code.co_freevars))
        raise SourceUnavailableError(
            f"{function.__qualname__} uses {names} of the function around it: move it to the top level of its module and pass {names} as arguments"
        )
    module = sys.modules.get(function.__module__) or inspect.getmodule(function)
    try:
        own = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        tree = ast.parse(Path(_source_file(function) or "").read_text(encoding="utf-8"))
    except (OSError, TypeError, SyntaxError, IndexError) as error:
        raise SourceUnavailableError(f"the source of {function.__qualname__} cannot be read: {error}") from error
    if not isinstance(own, (ast.FunctionDef, ast.AsyncFunctionDef)):
        raise SourceUnavailableError(f"{function.__qualname__} is not defined by a def statement of its own")
    statements = list(_top_level(tree.body))
    kept = _reach(own, statements, _package_of(module), getattr(module, "__dict__", {}))
    return ast.unparse(ast.fix_missing_locations(ast.Module(body=kept, type_ignores=[]))) + "\n"


def imports_something(text: str) -> bool:
    """Whether a text that ``reachable_source`` gave imports anything; it may seem so where a string holds such a line."""
    lines = map(str.strip, text.splitlines())
    return any(line.startswith(("import ", "from ")) and not line.startswith("from __future__ ") for line in lines)


def _source_file(function: Callable[..., Any]) -> str | None:
    try:
        return inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        return None


def _package_of(module: ModuleType | None) -> str:
    return getattr(module, "__package__", None) or ""


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements at module level; those in ``with`` blocks are module level too (``with DAG(...):``)."""
    for statement in body:
        if isinstance(statement, (ast.With, ast.AsyncWith)):
            yield from _top_level(statement.body)
        else:
            yield statement


def _reach(
    own: ast.FunctionDef | ast.AsyncFunctionDef, statements: list[ast.stmt], package: str, namespace: dict[str, Any]
) -> list[ast.stmt]:
    """The statements that define the names the function uses, in the module's order, the function last."""
    target = _undecorated(own, namespace)
    defines = [_bound_names(statement) for statement in statements]
    needed: set[str] = set()
    chosen: set[int] = set()
    pending = _used_names(target)
    while pending:
        needed |= pending
        found: set[str] = set()
        for index, (statement, names) in enumerate(zip(statements, defines, strict=True)):
            if index in chosen or not names & pending or own.name in names:
                continue
            chosen.add(index)
            if not isinstance(statement, (ast.Import, ast.ImportFrom)):
                statements[index] = clean = _undecorated(statement, namespace)
                found |= _used_names(clean)
        pending = found - needed
    future = [s for s in statements if isinstance(s, ast.ImportFrom) and s.module == "__future__"]
    rest = [
        _narrowed(s, needed, package) if isinstance(s, (ast.Import, ast.ImportFrom)) else s
        for i, s in enumerate(statements)
        if i in chosen and s not in future
    ]
    return [*future, *rest, target]


def _undecorated(statement: ast.stmt, namespace: dict[str, Any]) -> Any:
    """The statement without decorators of Airflow and of this package."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        statement.decorator_list = [d for d in statement.decorator_list if not _is_dropped(d, namespace)]
    return statement


def _is_dropped(decorator: ast.expr, namespace: dict[str, Any]) -> bool:
    root: ast.expr = decorator
    while not isinstance(root, ast.Name):
        if isinstance(root, ast.Call):
            root = root.func
        elif isinstance(root, ast.Attribute):
            root = root.value
        else:
            return False
    found = namespace.get(root.id)
    home = found.__name__ if isinstance(found, ModuleType) else getattr(found, "__module__", None)
    return (home or type(found).__module__).split(".")[0] in _DROPPED_DECORATORS


def _bound_names(statement: ast.stmt) -> set[str]:
    """Names that a top-level statement defines; inside if, try and loops as well, but not inside functions."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.iter_child_nodes(statement):
        if isinstance(node, ast.stmt):
            names |= _bound_names(node)
        elif isinstance(node, ast.ExceptHandler):
            names |= {name for inner in node.body for name in _bound_names(inner)}
    return names


def _used_names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _narrowed(statement: ast.Import | ast.ImportFrom, needed: set[str], package: str) -> ast.stmt:
    """The import with only the names that are needed, and absolute."""
    names = [
        alias for alias in statement.names if alias.name == "*" or (alias.asname or alias.name).split(".")[0] in needed
    ]
    if isinstance(statement, ast.Import):
        return ast.Import(names=names)
    module = statement.module
    if statement.level:
        base = package.rsplit(".", statement.level - 1)[0] if statement.level > 1 else package
        module = f"{base}.{module}" if module else base
    return ast.ImportFrom(module=module, names=names, level=0)

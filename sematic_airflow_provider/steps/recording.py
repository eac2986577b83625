"""The code of a step as it is recorded: enough to run the step where none of the user's modules are installed.

The function's own module is recorded as ``lineage/source.py`` cuts it; of the other first-party modules that are reached, the statements that are.
"""

from __future__ import annotations
import __future__

import ast
import types
from collections.abc import Callable
from typing import Any, Final

from sematic_airflow_provider.lineage import source
from sematic_airflow_provider.steps.functions import innermost
from sematic_airflow_provider.steps.modules import Modules, SourceModule, stable_name
from sematic_airflow_provider.steps.reach import Reach
from sematic_airflow_provider.steps.scopes import import_targets
from sematic_airflow_provider.steps.units import Parsed, Unit

FORMAT: Final = 2
"""Of the record with several modules. A text alone is the older form, and still that of a step which reaches one module only."""


def recorded_code(function: Callable[..., Any]) -> str | dict[str, Any]:
    """A text that defines the function, or a record ``{"format": 2, "main": text, "modules": {name: text}, "packages": [name]}``.

    Raises:
        SourceUnavailableError: the function cannot be defined from text.
    """
    main = source.reachable_source(function)
    own = innermost(function)
    if own is None:
        return main
    try:
        recorder = _Recorder(Modules(own.__code__.co_filename))
        if not recorder.imports_own_modules(main):
            return main
        modules, packages = recorder.record(main, own)
    except Exception:  # noqa: BLE001 - code that is too strange to be cut keeps its imports, as it always did
        return main
    return {"format": FORMAT, "main": main, "modules": modules, "packages": packages} if modules else main


class _Recorder(Reach):
    """A reach by texts alone, which keeps the statements."""

    def __init__(self, modules: Modules) -> None:
        super().__init__(modules, lambda value: None, set())
        self._kept: dict[SourceModule, dict[Unit, list[ast.expr]]] = {}

    def is_sure(self, module: SourceModule) -> bool:
        """No values: what the text says is what will run."""
        return False

    def keep(self, module: SourceModule, unit: Unit, decorators: list[ast.expr]) -> None:
        """Note the statement."""
        self._kept.setdefault(module, {})[unit] = decorators

    def imports_own_modules(self, main: str) -> bool:
        """Whether there is anything to record besides the text of the function's own module."""
        imports = [node for node in ast.walk(ast.parse(main)) if isinstance(node, (ast.Import, ast.ImportFrom))]
        names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in imports if isinstance(node, ast.ImportFrom) and node.module}
        return any(self.modules.place(name).origin == "first" for name in names)

    def record(self, main: str, own: types.FunctionType) -> tuple[dict[str, str], list[str]]:
        """Texts of modules by name, and which of them are packages."""
        self.running.root(own, own)
        self.finish()
        module = self.modules.source_of_file(own.__code__.co_filename, own.__module__, own.__globals__)
        for node in ast.parse(
            main
        ).body:  # what the text imports and the reach does not need must be there all the same
            for _, target in import_targets(node) if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
                if target.name is not None and target.name != "*":
                    self.imported(module, target, (), sure=False)
                elif isinstance(node, ast.Import):
                    for alias in node.names:
                        self._must_exist(alias.name)
        self.finish()
        texts: dict[str, str] = {}
        packages: set[str] = set()
        for found, units in self._kept.items():
            if found.label == "" or stable_name(found.name) == "" or found.parsed is None:
                continue
            texts[found.name] = _text(found.parsed, units)
            if found.place.folders:
                packages.add(found.name)
        for name in list(texts):
            parts = name.split(".")
            for end in range(1, len(parts)):
                parent = ".".join(parts[:end])
                texts.setdefault(parent, "")
                packages.add(parent)
        for text in texts.values():
            compile(text, "<recorded>", "exec", dont_inherit=True)
        return dict(sorted(texts.items())), sorted(packages)

    def _must_exist(self, name: str) -> None:
        if self.modules.place(name).origin == "first":
            self._kept.setdefault(self.modules.source(name), {})


def _text(parsed: Parsed, kept: dict[Unit, list[ast.expr]]) -> str:
    """The kept statements in the module's order."""
    whole = {unit.blocks[-1] for unit in kept if isinstance(unit.node, (ast.With, ast.AsyncWith)) and unit.blocks}
    body: list[ast.stmt] = []
    written: set[ast.stmt] = set()
    for unit in parsed.units:
        if unit not in kept:
            continue
        block = next((block for block in unit.blocks if block in whole), None)
        if block is not None and block in written:
            continue
        if block is not None:
            written.add(block)
        node: ast.stmt = block or _with_decorators(unit.node, kept[unit])
        for test, branch in reversed(unit.guards):
            node = ast.If(test if branch else ast.UnaryOp(ast.Not(), test), [node], [])
        body.append(node)
    future = [
        name for name in __future__.all_feature_names if parsed.future_flags & getattr(__future__, name).compiler_flag
    ]
    if future:
        body.insert(0, ast.ImportFrom("__future__", [ast.alias(name) for name in future], 0))
    return ast.unparse(ast.fix_missing_locations(ast.Module(body, type_ignores=[]))) + "\n" if body else ""


def _with_decorators(node: ast.stmt, decorators: list[ast.expr]) -> ast.stmt:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return node
    fields = {name: getattr(node, name, None) for name in node._fields}
    return ast.copy_location(type(node)(**{**fields, "decorator_list": decorators}), node)  # type: ignore[arg-type]

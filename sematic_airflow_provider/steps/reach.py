"""What a function reaches: from name to name through the texts of the user's modules, as far as they go."""

from __future__ import annotations

import ast
import builtins
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.steps.distributions import distribution_of
from sematic_airflow_provider.steps.functions import layers
from sematic_airflow_provider.steps.memory import fillers, may_be_memory, run_on_import
from sematic_airflow_provider.steps.modules import Modules, SourceModule, is_ours, stable_name
from sematic_airflow_provider.steps.running import Running
from sematic_airflow_provider.steps.scopes import Chain, ImportTarget, Uses
from sematic_airflow_provider.steps.units import Unit, environment_in


class Reach:
    """Collects what one function reaches.

    ``sure`` are the modules that are loaded whenever the function's own module is: the values of their constants can be told. A module that only functions
    import may be loaded or not, by chance; its constants count by their statements, so that the key does not depend on that.
    """

    def __init__(self, modules: Modules, value_digest: Callable[[object], str | None], sure: set[SourceModule]) -> None:
        self.definitions: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.packages: dict[str, str] = {}
        self.unknown: set[str] = set()
        self.modules = modules
        self.sure = set(sure)
        self.unsure: set[SourceModule] = set()
        self.running = Running(self, value_digest)
        self._queue: deque[tuple[SourceModule, str, Chain]] = deque()
        self._seen: set[tuple[SourceModule, str, Chain]] = set()
        self._later: list[tuple[SourceModule, str]] = []

    def finish(self) -> None:
        """Go on until nothing new is reached."""
        while self._queue or self._later:
            while self._queue:
                module, name, chain = self._queue.popleft()
                self._name(module, name, chain)
            later, self._later = self._later, []
            for module, name in later:
                self._constant(module, name, self._is_memory(module, name))

    def push(self, module: SourceModule, name: str, chain: Chain = ()) -> None:
        """A top-level name of a first-party module is used."""
        if (module, name, chain) not in self._seen:
            self._seen.add((module, name, chain))
            self._queue.append((module, name, chain))

    def follow(self, uses: Uses, module: SourceModule, where: str) -> None:
        """All that a piece of code in this module uses."""
        for name in sorted(uses.names):
            chains = uses.names[name]
            for chain in [()] if () in chains else sorted(chains):
                self.push(module, name, chain)
        for target, chain in sorted(uses.imports, key=repr):
            self.imported(module, target, chain, sure=False)
        self.unknown |= {f"{where} {what}" for what in uses.dynamic}
        if uses.whole_module:
            self.whole(module)

    def imported(self, module: SourceModule, target: ImportTarget, chain: Chain, *, sure: bool) -> str:
        """Something that this module imports is used; returns what it is, in words for digests."""
        name = module.absolute(target.module, target.level)
        full = chain if target.name is None else (target.name, *chain)
        if not target.may_fail and self.modules.place(name).origin == "missing":
            self.unknown.add(
                f"the module {name}, which {module.label or 'the module of the step'} imports and which is not found"
            )
        label = self.module(name, full, sure=sure, asked_by=module)
        return label if target.name is None else f"{label}:{target.name}"

    def module(self, name: str, chain: Chain, *, sure: bool, asked_by: SourceModule | None = None) -> str:
        """A module is used, or what the chain takes of it. A package that imports from itself means a submodule."""
        place = self.modules.place(name)
        if "get_current_context" in chain and name.partition(".")[0] == "airflow":
            self.unknown.add("it calls get_current_context(), through which it can reach anything")
        if place.origin == "third":
            self.third_party(self._deepest(name, chain))
        if place.origin != "first":
            return name
        module = self.modules.source(name)
        if sure:
            self.sure.add(module)
        if module.parsed is None or not chain:
            self.whole(module)
        elif (chain[0] not in module.parsed.binders or module is asked_by) and self.modules.place(
            f"{name}.{chain[0]}"
        ).origin != "missing":
            self.module(f"{name}.{chain[0]}", chain[1:], sure=sure)
        else:
            self.push(module, chain[0], chain[1:])
        return module.label

    def _deepest(self, name: str, chain: Chain) -> str:
        """The module that is meant, where its parents are folders that several distributions share."""
        for attribute in chain:
            if self.modules.place(name).file or self.modules.place(f"{name}.{attribute}").origin == "missing":
                break
            name = f"{name}.{attribute}"
        return name

    def named(self, qualified: str, own: str) -> None:
        """A class of the user's, by the name that refs have for it; ``own`` is the module of the step, which refs call by the name of its file."""
        parts = qualified.split(".")
        for end in range(len(parts) - 1, 0, -1):
            module = ".".join(parts[:end])
            if own.endswith(f"_{module}") and stable_name(own) == "":
                module = own
            if self.modules.place(module).origin == "first":
                self.module(module, (parts[end],), sure=False)  # it may be loaded by now, or not, by chance
                return

    def whole(self, module: SourceModule) -> None:
        """A module is used in a way that does not tell what of it."""
        if module.parsed is None:
            self.definitions[f"{module.label}:*"] = digest_bytes(module.content)
            return
        for name in module.parsed.binders:
            self.push(module, name)
        for unit in module.parsed.stars:
            for target in unit.targets["*"]:
                self.module(module.absolute(target.module, target.level), (), sure=module in self.sure)

    def third_party(self, name: str) -> None:
        """A module that was installed is used: its distribution's version counts."""
        found = distribution_of(name)
        if found is not None:
            self.packages[found[0]] = found[1]
        else:
            self.unknown.add(f"the version of {name.partition('.')[0]}, which belongs to no installed distribution")

    def keep(self, module: SourceModule, unit: Unit, decorators: list[ast.expr]) -> None:
        """A statement is part of the reach. Nothing here asks for it."""

    def note(self, into: dict[str, str], key: str, digest: str) -> None:
        """Write down a digest; another thing of the same name gets a number."""
        numbered, number = key, 1
        while into.get(numbered, digest) != digest:
            number += 1
            numbered = f"{key} #{number}"
        into[numbered] = digest

    def kept_decorators(self, decorators: Sequence[ast.expr], module: SourceModule) -> list[ast.expr]:
        """Those that are not Airflow's or ours."""
        return [decorator for decorator in decorators if not self._is_ours(decorator, module)]

    def is_sure(self, module: SourceModule) -> bool:
        """Whether run-time values of the module count."""
        if module in self.sure:
            return module.namespace is not None
        self.unsure.add(module)
        return False

    def _name(self, module: SourceModule, name: str, chain: Chain) -> None:
        units = module.parsed.binders.get(name, []) if module.parsed is not None else []
        if not units:
            self._unbound(module, name, chain)
        elif all("import" in unit.bindings[name] for unit in units) and chain:
            self._statements(module, name, chain, units)
        else:
            kinds = {kind for unit in units for kind in unit.bindings[name]}
            if "assignment" in kinds and "definition" not in kinds and self._may_wait(module, name):
                self._later.append((module, name))
            elif "assignment" in kinds and "definition" not in kinds:
                self._constant(module, name, False, chain)
            else:
                self._statements(module, name, chain, units)

    def _constant(self, module: SourceModule, name: str, is_memory: bool, chain: Chain = ()) -> None:
        if not is_memory and self.is_sure(module) and module.namespace and name in module.namespace:
            digest, is_data = self.running.constant(module.namespace[name], module)
            if digest is not None:
                self.values[f"{module.label}:{name}"] = digest
                if is_data:
                    return
            elif (state := self.running.settled(module.namespace[name], module)) is not None:
                self.values[f"{module.label}:{name}"] = state
        units = module.parsed.binders[name] if module.parsed is not None else []
        self._statements(module, name, chain, units)

    def _statements(self, module: SourceModule, name: str, chain: Chain, units: list[Unit]) -> None:
        label = f"{module.label}:{name}"
        texts: list[str] = []
        for unit in units:
            kinds = unit.bindings[name]
            if set(kinds) == {"change"} and self._is_wiring(unit, module):
                continue
            is_sure = module in self.sure and not unit.for_type_checkers
            for target in unit.targets.get(name, ()):
                never_runs = target._replace(may_fail=target.may_fail or unit.for_type_checkers)
                texts.append(f"import {self.imported(module, never_runs, chain, sure=is_sure)}")
            if set(kinds) == {"import"}:
                self.keep(module, unit, [])
            if set(kinds) != {"import"} or unit.guards:
                kept = self.kept_decorators(unit.decorators, module)
                self.keep(module, unit, kept)
                texts.append(unit.text(kept))
                self.follow(unit.uses(kept), module, label)
                if not self.is_sure(module) and "assignment" in kinds:
                    self._environment(unit)
        self.definitions[label] = digest_bytes("\n".join(texts).encode("utf-8", "surrogatepass"))
        if self.is_sure(module) and module.namespace and name in module.namespace:
            self.running.bound(module.namespace[name], module, name, units)

    def _environment(self, unit: Unit) -> None:
        """A constant whose value cannot be told was made of environment variables."""
        for name in environment_in(unit.node):
            self.values[f"environment:{name}"] = digest_bytes(
                repr(os.environ.get(name)).encode("utf-8", "surrogatepass")
            )

    def _unbound(self, module: SourceModule, name: str, chain: Chain) -> None:
        """A name that no statement of the module binds: it comes from a star import, by magic, or is built in."""
        if name.startswith("__") and name.endswith("__"):
            return
        label = f"{module.label}:{name}"
        sources: list[str] = []  # the last one that ran wins, and conditions may say which run
        for unit in module.parsed.stars if module.parsed is not None else ():
            for target in unit.targets["*"]:
                source = module.absolute(target.module, target.level)
                if self._provides(source, name, set()):
                    self.keep(module, unit, [])
                    self.module(source, (name, *chain), sure=module in self.sure)
                    sources.append(f"{source} {unit.text(())}" if unit.guards else source)
                    self.follow(unit.uses(()), module, label)
        if sources:
            self.definitions[label] = digest_bytes(f"import * {' '.join(sources)}".encode())
            return
        if hasattr(builtins, name):
            return
        if self.is_sure(module) and module.namespace and name in module.namespace:
            digest, _ = self.running.deep(module.namespace[name], module)
            if digest is None:
                self.unknown.add(f"{label}, which no statement of its module defines")
            else:
                self.values[label] = digest
        elif module.parsed is not None and "__getattr__" in module.parsed.binders:
            self.push(module, "__getattr__")

    def _provides(self, module: str, name: str, seen: set[str]) -> bool:
        """Whether a star import of a module brings a name."""
        place = self.modules.place(module)
        if place.origin != "first":
            loaded = sys.modules.get(module)
            return name in vars(loaded) if isinstance(loaded, ModuleType) else not hasattr(builtins, name)
        if module in seen:
            return False
        source = self.modules.source(module)
        if source.parsed is None or name in source.parsed.binders:
            return True
        return any(
            self._provides(source.absolute(target.module, target.level), name, {*seen, module})
            for unit in source.parsed.stars
            for target in unit.targets["*"]
        )

    def _may_wait(self, module: SourceModule, name: str) -> bool:
        return module.parsed is not None and may_be_memory(module.parsed, name)

    def _is_memory(self, module: SourceModule, name: str) -> bool:
        """Whether functions that the step reaches fill the variable, and none did on import."""
        if module.parsed is None:
            return False
        filling = fillers(module.parsed, name)
        if not any(f"{module.label}:{filler}" in self.definitions for filler in filling):
            return False
        return filling.isdisjoint(run_on_import(module.parsed, self._steps(module))) and not self._run_elsewhere(
            module, filling
        )

    def _run_elsewhere(self, module: SourceModule, functions: set[str]) -> bool:
        """Whether other modules of the user's call one of these functions while they are imported."""
        own = module.namespace or {}
        wanted = [own[name] for name in functions if name in own]
        for other in self.modules.loaded():
            namespace = other.namespace or {}
            direct = {name for name, value in namespace.items() if any(value is one for one in wanted)}
            through = {
                name for name, value in namespace.items() if isinstance(value, ModuleType) and vars(value) is own
            }
            if namespace is own or other.parsed is None or not (direct or through):
                continue
            for unit in other.parsed.units:
                if isinstance(unit.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    continue  # what decorators register is looked at as it is
                uses = unit.uses(())
                called = {chain[0] for name in through for chain in uses.names.get(name, ()) if chain}
                if not direct.isdisjoint(uses.names) or not functions.isdisjoint(called):
                    return True
        return False

    def _steps(self, module: SourceModule) -> list[str]:
        return [
            getattr(unit.node, "name", "")
            for unit in (module.parsed.units if module.parsed is not None else ())
            if unit.decorators and len(self.kept_decorators(unit.decorators, module)) < len(unit.decorators)
        ]

    def _is_wiring(self, unit: Unit, module: SourceModule) -> bool:
        """Whether a call only connects steps, or makes something of Airflow's."""
        if unit.caller is None or module.parsed is None:
            return False
        for binder in module.parsed.binders.get(unit.caller, ()):
            names = [module.absolute(target.module, target.level) for target in binder.targets.get(unit.caller, ())]
            if any(name.partition(".")[0] in ("airflow", "sematic_airflow_provider") for name in names):
                return True
            if len(self.kept_decorators(binder.decorators, module)) < len(binder.decorators):
                return True
        return False

    def _is_ours(self, decorator: ast.expr, module: SourceModule) -> bool:
        attributes: list[str] = []
        root = decorator
        while not isinstance(root, ast.Name):
            if isinstance(root, ast.Call):
                root = root.func
            elif isinstance(root, ast.Attribute):
                attributes.insert(0, root.attr)
                root = root.value
            else:
                return False
        for unit in module.parsed.binders.get(root.id, ()) if module.parsed is not None else ():
            targets = unit.targets.get(root.id, ())
            if any(is_ours(module.absolute(target.module, target.level)) for target in targets):
                return True
        found: Any = (module.namespace or {}).get(root.id) if module in self.sure else None
        for name in attributes:
            found = vars(found).get(name) if isinstance(found, ModuleType) else found
        return any(
            is_ours(getattr(layer, "__module__", None) or "") or is_ours(type(layer).__module__)
            for layer in layers(found)
            if not isinstance(layer, ModuleType)
        )

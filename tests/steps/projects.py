"""Small projects of modules on disk: written, loaded as Airflow loads Dag files, edited, and loaded anew."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from sematic_airflow_provider.steps.code import StepCode, code_of

_numbers = itertools.count()


def nobody_knows(value: object) -> str | None:
    """No codec."""
    return None


class Project:
    """A folder with a Dag file ``flow.py`` and modules beside it."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder
        for name, text in files.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a piece of text that stands there."""
        text = (self.folder / name).read_text()
        assert old in text, f"{old!r} does not stand in {name}:\n{text}"
        self.write(name, text.replace(old, new))

    @contextmanager
    def loaded(self, dag_file: str = "flow.py") -> Iterator[ModuleType]:
        """The Dag file's module in a process that knew none of the project's modules."""
        own = {path.name.removesuffix(".py") for path in self.folder.iterdir()}
        hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in own}
        before = set(sys.modules)
        sys.path.insert(0, str(self.folder))
        sys.dont_write_bytecode, written = True, sys.dont_write_bytecode
        importlib.invalidate_caches()
        name = f"unusual_prefix_{next(_numbers):040x}_{Path(dag_file).stem}"
        try:
            spec = importlib.util.spec_from_file_location(name, self.folder / dag_file)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
            yield module
        finally:
            sys.dont_write_bytecode = written
            sys.path.remove(str(self.folder))
            for added in set(sys.modules) - before:
                names = vars(sys.modules[added])
                file = names.get("__file__") or ""
                paths = [str(path) for path in names.get("__path__", ())]
                if any(place.startswith(str(self.folder)) for place in [file, *paths]):
                    del sys.modules[added]
            sys.modules.pop(name, None)
            sys.modules.update(hidden)

    def code(
        self,
        step: str = "step",
        dag_file: str = "flow.py",
        value_digest: Callable[[object], str | None] = nobody_knows,
    ) -> StepCode:
        """What a step of the Dag file reaches."""
        with self.loaded(dag_file) as module:
            return code_of(function_of(getattr(module, step)), value_digest)


def function_of(step: Any) -> Any:
    """The function below Airflow's decorator, as an operator gets it."""
    return step.function if type(step).__module__.startswith("sematic_airflow_provider.") else step

"""Modules of recorded code, importable by their names: what was recorded runs, whatever is installed under the same names."""

from __future__ import annotations

import inspect
import linecache
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from sematic_airflow_provider.artifacts.digest import short
from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.steps.recording import FORMAT


class RecordedModules(MetaPathFinder, Loader):
    """Texts of modules by name. A submodule that was not recorded is not found, though it may be installed: old and new code never mix."""

    def __init__(self, texts: Mapping[str, str], packages: Sequence[str], origin: str) -> None:
        self._texts = texts
        self._packages = frozenset(packages)
        self._origin = origin
        self._loaded: dict[str, ModuleType] = {}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._texts)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A module that was recorded; None for all others."""
        if fullname not in self._texts:
            return None
        return ModuleSpec(fullname, self, origin=self._file(fullname), is_package=fullname in self._packages)

    def exec_module(self, module: ModuleType) -> None:
        """Run its text."""
        name = module.__name__
        text, file = self._texts[name], self._file(name)
        module.__file__ = file
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # for tracebacks
        exec(compile(text, file, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - recorded code of the step

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Be asked first for a while. What was loaded under these names before is hidden, and comes back afterwards."""
        if self in sys.meta_path:
            yield
            return
        hidden = self._taken()
        sys.modules.update(self._loaded)
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)
            self._loaded = self._taken()
            sys.modules.update(hidden)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with these modules installed while it runs."""
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def running(*args: Any, **kwargs: Any) -> Any:
                with self.installed():
                    return await function(*args, **kwargs)

        elif inspect.isgeneratorfunction(function):

            @wraps(function)
            def running(*args: Any, **kwargs: Any) -> Any:
                with self.installed():
                    return (yield from function(*args, **kwargs))

        else:

            @wraps(function)
            def running(*args: Any, **kwargs: Any) -> Any:
                with self.installed():
                    return function(*args, **kwargs)

        return running

    def _taken(self) -> dict[str, ModuleType]:
        """Modules of these names, taken out of those that are loaded."""
        names = [name for name in sys.modules if name in self._texts or name.partition(".")[0] in self._texts]
        return {name: sys.modules.pop(name) for name in names}

    def _file(self, name: str) -> str:
        return f"<{self._origin}/{name}>"


_known: dict[str, RecordedModules] = {}


def split(code: str | Mapping[str, Any], digest: str) -> tuple[str, RecordedModules]:
    """The text that defines a recorded function, and the modules that it imports. Code of older versions is a text alone.

    Raises:
        StepError: a record of a newer version.
    """
    if isinstance(code, str):
        return code, RecordedModules({}, (), "")
    if code.get("format") != FORMAT:
        raise StepError(
            f"the recorded code {short(digest)} has format {code.get('format')!r}, this version reads format {FORMAT}: "
            "use the version of sematic-airflow-provider that recorded it, or a newer one"
        )
    if digest not in _known:
        _known[digest] = RecordedModules(code["modules"], code["packages"], f"sematic_step_{short(digest)}")
    return code["main"], _known[digest]

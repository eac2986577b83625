"""What a step reaches beyond its text: values, environment, files, packages, machines; and what cannot be told."""

from __future__ import annotations

import functools
import importlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.steps import distributions
from sematic_airflow_provider.steps.code import code_of
from tests.steps.edits import Edit, edits
from tests.steps.projects import Project, function_of, nobody_knows

ENVIRONMENT = edits("environment")
ROOT = Path(__file__).parents[2]


def _project(folder: Path, flow: str, **modules: str) -> Project:
    return Project(folder, {"flow.py": flow, **{f"{name}.py": text for name, text in modules.items()}})


def test_a_constant_from_the_environment_counts_by_its_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = _project(tmp_path, "import os\nN = int(os.environ.get('LIMIT', '1'))\ndef step(x):\n    return N\n")
    unset = project.code()
    monkeypatch.setenv("LIMIT", "1")
    assert project.code() == unset, "the same value"
    monkeypatch.setenv("LIMIT", "2")
    assert project.code().digest != unset.digest


@pytest.mark.parametrize("case", ENVIRONMENT, ids=[case.name for case in ENVIRONMENT])
def test_the_environment_counts_wherever_it_gets_in_when_modules_load(
    case: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path, case.files)
    monkeypatch.setenv("LIMIT", "1")
    one = project.code()
    monkeypatch.setenv("LIMIT", "2")
    assert project.code().digest != one.digest
    monkeypatch.setenv("LIMIT", "1")
    assert project.code() == one


def test_files_named_by_constants_count_by_their_content(tmp_path: Path) -> None:
    project = _project(
        tmp_path,
        "from pathlib import Path\nTABLE = Path(__file__).parent / 'rates.csv'\ndef step(x):\n    return TABLE.read_text()\n",
    )
    absent = project.code()
    (tmp_path / "rates.csv").write_text("1,2")
    first = project.code()
    (tmp_path / "rates.csv").write_text("1,3")
    second = project.code()
    assert len({absent.digest, first.digest, second.digest}) == 3
    (tmp_path / "rates.csv").write_text("1,2")
    assert project.code() == first


def test_an_edit_of_the_same_size_within_the_same_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    project = _project(
        tmp_path, "import helpers\ndef step(x):\n    return helpers.f(x)\n", helpers="def f(x):\n    return x + 1\n"
    )
    before = project.code()
    stamp = (tmp_path / "helpers.py").stat()
    project.edit("helpers.py", "x + 1", "x + 2")
    os.utime(tmp_path / "helpers.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert project.code().digest != before.digest


EVERYTHING = """
    import functools
    import os
    from pathlib import Path

    import helpers
    from helpers import Config

    HERE = os.path.dirname(os.path.abspath(__file__))
    DATA = Path(__file__).resolve().parent / "data.csv"
    UP = os.path.dirname(HERE) + "/other"
    SET = {"a", "b", "c"}
    NESTED = {"paths": [HERE, DATA], "sets": [SET, frozenset({(1, 2), "x"})]}

    def times(n):
        def deco(f):
            @functools.wraps(f)
            def inner(*a):
                return f(*a) * n
            return inner
        return deco

    @times(3)
    def step(x: Config, n=HERE):
        return helpers.clean(x), DATA, UP, SET, NESTED, {"p", "q"}, x in {"r", "s", "t"}
"""
HELPERS = """
    from dataclasses import dataclass

    @dataclass
    class Config:
        n: int = 1

    TABLE = {"f": lambda x: x in {"a", "b", "c"}}

    def clean(x):
        return TABLE["f"](x)
"""


def test_the_place_of_the_checkout_and_the_name_of_the_dag_file_do_not_count(tmp_path: Path) -> None:
    one, other = tmp_path / "one" / "repo", tmp_path / "deep" / "down" / "there" / "repo"
    before = Project(one, {"flow.py": EVERYTHING, "helpers.py": HELPERS, "data.csv": "1"}).code()
    shutil.copytree(one, other)
    (other / "flow.py").rename(other / "renamed_flow.py")
    assert Project(other, {}).code(dag_file="renamed_flow.py") == before
    assert not before.unknown


def test_no_seed_of_hashes_and_no_other_process_changes_the_code(tmp_path: Path) -> None:
    project = Project(tmp_path, {"flow.py": EVERYTHING, "helpers.py": HELPERS, "data.csv": "1"})
    program = textwrap.dedent("""
        import json, pathlib, sys
        from tests.steps.projects import Project, nobody_knows
        from sematic_airflow_provider.steps.code import code_of
        with Project(pathlib.Path(sys.argv[1]), {}).loaded() as module:
            code = code_of(module.step, nobody_knows)
        print(json.dumps([code.definitions, code.values, code.packages, code.digest]))
    """)
    found = {
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed, "HOME": home, "USER": "u" + seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]
        for seed, home in (("0", "/home/a"), ("1", "/root"), ("2", str(tmp_path)))
    }
    here = project.code()
    assert [json.loads(one)[-1] for one in found] == [here.digest]


def test_names_in_the_code_are_readable(tmp_path: Path) -> None:
    project = _project(
        tmp_path,
        "import helpers\nN = 1\ndef near(x):\n    return x\ndef step(x, n=2):\n    return near(x) + helpers.clean(x) + helpers.LIMIT + N\n",
        helpers="LIMIT = 3\ndef clean(x):\n    return x\n",
    )
    code = project.code()
    assert set(code.definitions) == {":step", ":near", ":helpers", "helpers:clean"}
    assert set(code.values) == {":N", "helpers:LIMIT", "default:n"}


def test_a_module_that_only_the_function_imports_counts_the_same_before_and_after_it_is_loaded(tmp_path: Path) -> None:
    project = _project(
        tmp_path,
        "def step(x):\n    import late\n    return late.f(x)\n",
        late="import other\nN = max(1, 2)\nM = [1, 2]\ndef f(x):\n    return x + N + other.K, M\n",
        other="K = max(3, 4)\n",
    )
    with project.loaded() as module:
        before = code_of(module.step, nobody_knows)
        module.step(1)
        assert "late" in sys.modules
        assert code_of(module.step, nobody_knows) == before


def test_what_functions_put_into_module_variables_while_they_run_does_not_count(tmp_path: Path) -> None:
    project = _project(
        tmp_path,
        """
        import functools
        CACHE = {}
        CALLS = 0

        def memoised(f):
            known = {}
            @functools.wraps(f)
            def inner(x):
                if x not in known:
                    known[x] = f(x)
                return known[x]
            return inner

        def counted(f):
            calls = 0
            def inner(x):
                nonlocal calls
                calls += 1
                return f(x)
            return inner

        @memoised
        @counted
        def slow(x):
            return x * 2

        @functools.lru_cache
        def quick(x):
            return x

        def step(x, seen=[]):
            global CALLS
            CALLS += 1
            seen.append(x)
            if x not in CACHE:
                CACHE[x] = slow(x) + quick(x)
            return CACHE[x]
        """,
    )
    with project.loaded() as module:
        before = code_of(module.step, nobody_knows)
        assert module.step(1) == 3
        assert module.CACHE == {1: 3}
        assert code_of(module.step, nobody_knows) == before
        assert not before.unknown


def test_what_objects_classes_and_functions_keep_while_they_run_does_not_count(tmp_path: Path) -> None:
    project = _project(
        tmp_path,
        """
        import keeper, other
        def step(x):
            keeper.slow.calls = x
            keeper.Keeper.count += 1
            return keeper.KEEPER.get(x) + other.another(x) + keeper.TABLE.add(x)
        """,
        keeper="""
        import functools, threading
        MEMO = {}
        def memoised(f):
            @functools.wraps(f)
            def inner(x):
                return MEMO.setdefault(x, f(x))
            return inner

        class Keeper:
            count = 0
            known = []
            def __init__(self, n):
                self.n, self.lock, self.last, self.cache = n, threading.Lock(), None, {}
            def get(self, x):
                Keeper.count += 1
                self.known.append(x)
                self.last = x
                self.cache[x] = slow(x)
                return self.n

        class Table(dict):
            def add(self, x):
                self[x] = x
                return x

        def slow(x):
            slow.calls = getattr(slow, "calls", 0) + 1
            return x

        KEEPER, TABLE = Keeper(3), Table()
        """,
        other="import keeper\n@keeper.memoised\ndef another(x):\n    return x\n",
    )
    with project.loaded() as module:
        before = code_of(module.step, nobody_knows)
        assert module.step(1) == 5
        assert code_of(module.step, nobody_knows) == before
        assert not before.unknown


def test_what_another_module_lets_a_function_put_into_a_variable_on_import_counts(tmp_path: Path) -> None:
    project = _project(
        tmp_path,
        "import cfg, boot\ndef step(x):\n    return cfg.get('a')\n",
        cfg="D = {}\ndef put(k, v):\n    D[k] = v\ndef get(k):\n    put('z', 0)\n    return D[k]\n",
        boot="import cfg\ncfg.put('a', 3)\n",
    )
    before = project.code()
    project.edit("boot.py", "'a', 3", "'a', 4")
    assert project.code().digest != before.digest


def test_code_that_was_loaded_before_its_file_was_edited_is_not_taken_for_the_new_text(tmp_path: Path) -> None:
    project = _project(
        tmp_path,
        "import helpers\ndef step(x):\n    return helpers.clean(x) + helpers.A().f()\n",
        helpers="def clean(x):\n    return x + 1\nclass A:\n    def f(self):\n        return 1\n",
    )
    for old, new in (("x + 1", "x + 2"), ("return 1", "return 2")):
        with project.loaded() as module:
            before = code_of(module.step, nobody_knows)
            project.edit("helpers.py", old, new)
            old_code_new_text = code_of(module.step, nobody_knows)
        new_code = project.code()
        assert len({before.digest, old_code_new_text.digest, new_code.digest}) == 3


def test_loaded_code_is_what_the_text_says_for_all_examples(tmp_path: Path) -> None:
    for file in sorted((ROOT / "dags_examples").glob("*.py")):
        project = Project(tmp_path, {file.name: file.read_text()})
        with project.loaded(file.name) as module:
            for step in _steps(module):
                code = code_of(step, nobody_knows)
                assert not [name for name in code.definitions if "as loaded" in name or "compiled" in name]
                assert not code.unknown, (file.name, step, code.unknown)


def test_examples_have_the_same_code_wherever_they_lie_and_whatever_they_are_called(tmp_path: Path) -> None:
    number = 0
    for file in sorted((ROOT / "dags_examples").glob("*.py")):
        found = []
        for folder, name in ((tmp_path / "a", file.name), (tmp_path / "b" / "c", f"other_{file.name}")):
            project = Project(folder, {name: file.read_text()})
            with project.loaded(name) as module:
                found.append({step.__name__: code_of(step, nobody_knows) for step in _steps(module)})
        assert found[0] == found[1]
        number += len(found[0])
    assert number > 10


def _steps(module: Any) -> list[Any]:
    return [function_of(value) for value in vars(module).values() if function_of(value) is not value]


def test_packages_are_those_that_the_reached_code_imports(tmp_path: Path) -> None:
    project = _project(
        tmp_path,
        """
        import yaml
        import numpy as np
        import pandas as pd
        from sklearn.linear_model import LinearRegression as Model
        from airflow.sdk import dag

        def unrelated():
            return pd.DataFrame()

        def helper(x):
            return Model().fit(x)

        def step(x):
            import pyarrow.parquet as pq
            return helper(np.zeros(3)), pq.read_table, yaml.safe_load
        """,
    )
    code = project.code()
    assert set(code.packages) == {"numpy", "scikit-learn", "pyarrow", "pyyaml"}
    assert all(code.packages.values())


def test_a_new_version_of_a_package_changes_the_code(tmp_path: Path) -> None:
    site = tmp_path / "venv" / "site-packages"
    (site / "thirdparty").mkdir(parents=True)
    (site / "thirdparty" / "__init__.py").write_text("def f():\n    return 1\n")
    info = site / "third_party_dist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Third.Party-Dist\nVersion: 1.0\n")
    (info / "RECORD").write_text("thirdparty/__init__.py,,\n")
    project = _project(tmp_path / "dags", "import thirdparty\ndef step(x):\n    return thirdparty.f()\n")
    sys.path.append(str(site))
    try:
        distributions.distribution_of.cache_clear()
        before = project.code()
        assert before.packages == {"third-party-dist": "1.0"}
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Third.Party-Dist\nVersion: 1.1\n")
        distributions.distribution_of.cache_clear()
        assert project.code().digest != before.digest
        (info / "direct_url.json").write_text('{"url": "git+x", "vcs_info": {"vcs": "git", "commit_id": "abc"}}')
        distributions.distribution_of.cache_clear()
        assert project.code().packages == {"third-party-dist": "1.1@abc"}
        shutil.rmtree(info)
        distributions.distribution_of.cache_clear()
        assert "thirdparty" in project.code().unknown[0]
    finally:
        sys.path.remove(str(site))
        sys.modules.pop("thirdparty", None)
        distributions.distribution_of.cache_clear()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy", "numpy"), ("sklearn", "scikit-learn"), ("yaml", "pyyaml"), ("dateutil", "python-dateutil"), ("attr", "attrs"),
        ("jwt", "pyjwt"), ("pydantic_core", "pydantic-core"), ("airflow.providers.standard.operators.python", "apache-airflow-providers-standard"),
        ("google.protobuf", "protobuf"), ("opentelemetry.sdk", "opentelemetry-sdk"),
    ],
)  # fmt: skip
def test_distributions_are_found_by_the_names_of_their_modules(module: str, name: str) -> None:
    distributions.distribution_of.cache_clear()
    pytest.importorskip(module.partition(".")[0])
    found = distributions.distribution_of(module)
    assert found is not None
    assert found[0] == name
    assert found[1]


def test_values_that_a_codec_knows_count_by_content_and_not_by_how_they_are_made(tmp_path: Path) -> None:
    import numpy as np

    def knows_arrays(value: object) -> str | None:
        return digest_bytes(value.tobytes()) if isinstance(value, np.ndarray) else None

    project = _project(tmp_path, "import numpy as np\nW = np.ones(3)\ndef step(x):\n    return W.sum()\n")
    before = project.code(value_digest=knows_arrays)
    assert set(before.packages) == {"numpy"}
    project.edit("flow.py", "np.ones(3)", "np.zeros(3) + 1")
    assert project.code(value_digest=knows_arrays) == before
    project.edit("flow.py", "+ 1", "+ 2")
    assert project.code(value_digest=knows_arrays).digest != before.digest


LOCKED = """
import threading
def make(lock):
    def inner(x):
        with lock:
            return x
    return inner
step = make(threading.Lock())
"""


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        ("def step(x):\n    return eval(x)\n", "eval"),
        ("run = eval\ndef step(x):\n    return run(x)\n", "eval"),
        ("def helper(x):\n    exec(x)\ndef step(x):\n    return helper(x)\n", "exec"),
        ("def step(x):\n    import sys\n    sys.path.append('/elsewhere')\n    import not_here\n    return not_here.f(x)\n", "not_here"),
        ("class B:\n    pass\ndef step(x):\n    return B.__subclasses__()\n", "subclasses"),
        ("import importlib\ndef step(x):\n    return importlib.import_module(x)\n", "known only when it runs"),
        ("import sys\ndef step(x):\n    return sys.modules[x]\n", "known only when it runs"),
        ("from airflow.sdk import get_current_context\ndef f():\n    return get_current_context()\ndef step(x):\n    return f()\n", "current_context"),
        ("import airflow.sdk as af\ndef f():\n    return af.get_current_context()\ndef step(x):\n    return f()\n", "current_context"),
        (LOCKED, "lock"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_told(flow: str, words: str, tmp_path: Path) -> None:
    code = _project(tmp_path, flow).code()
    assert len(code.unknown) == 1
    assert words in code.unknown[0]


def test_a_module_that_need_not_be_there_is_no_reason_for_having_no_key(tmp_path: Path) -> None:
    project = _project(
        tmp_path,
        """
        from __future__ import annotations
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from not_here_at_all import Table
        try:
            import not_here as fast
        except ImportError:
            fast = None
        def step(x: Table):
            try:
                from not_here_either import f
            except ImportError:
                f = len
            return f(fast or x)
        """,
    )
    assert project.code().unknown == ()


def test_dag_files_in_archives_count_like_others(tmp_path: Path) -> None:
    files = {
        "flow.py": "import zipped_helpers\ndef step(x):\n    return zipped_helpers.f(x)\n",
        "zipped_helpers.py": "def f(x):\n    return x + 1\n",
    }

    def found(folder: Path) -> Any:
        archive = folder / "dags.zip"
        with zipfile.ZipFile(archive, "w") as opened:
            for name, text in files.items():
                opened.writestr(name, text)
        sys.path.insert(0, str(archive))
        importlib.invalidate_caches()
        try:
            module = importlib.import_module("flow")
            return code_of(module.step, nobody_knows)
        finally:
            sys.path.remove(str(archive))
            for name in files:
                sys.modules.pop(name.removesuffix(".py"), None)

    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    before = found(folders[0])
    assert set(before.definitions) == {":step", ":zipped_helpers", "zipped_helpers:f"}
    assert found(folders[1]) == before
    files["zipped_helpers.py"] = files["zipped_helpers.py"].replace("+ 1", "+ 2")
    assert found(folders[2]).digest != before.digest


def test_functions_without_source_count_by_their_compiled_code_and_the_values_they_use() -> None:
    def made(text: str, **names: object) -> Any:
        namespace: dict[str, Any] = {"__name__": "made", **names}
        exec(text, namespace)
        return code_of(namespace["step"], nobody_knows)

    one = made("def step(x):\n    return x + N\n", N=1)
    assert made("def step(x):\n    # why\n\n    return (x + N)\n", N=1, M=2) == one
    assert made("def step(x):\n    return x + N\n", N=2).digest != one.digest
    assert made("def step(x):\n    return x - N\n", N=1).digest != one.digest
    assert (
        made("def step(x):\n    return f(x)\ndef f(x):\n    return 1\n").digest
        != made("def step(x):\n    return f(x)\ndef f(x):\n    return 2\n").digest
    )
    assert not one.unknown


@pytest.mark.parametrize("name", ["flow.A", "models.A"])
def test_classes_of_arguments_count_where_the_step_does_not_name_them(name: str, tmp_path: Path) -> None:
    text = "class A:\n    def f(self):\n        return 1\n"
    project = _project(tmp_path, f"import models\n{text}def step(x):\n    return x.f()\n", models=text)

    def found() -> Any:
        with project.loaded() as module:
            return code_of(module.step, nobody_knows, classes=[name, "builtins.int", "numpy.ndarray", "odd", "gone.B"])

    before = found()
    project.edit(f"{name.partition('.')[0]}.py", "return 1", "return 2")
    assert found().digest != before.digest
    assert not before.packages


class Strange:
    """Answers to every name, and fails to be looked at."""

    def __call__(self) -> int:
        return 1

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]


def test_strange_functions_have_a_code_too() -> None:
    recursive: list[Any] = []
    recursive.append(recursive)
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    namespace: dict[str, Any] = {"deep": deep, "recursive": recursive}
    exec("def uses_deep():\n    return deep\ndef uses_recursive():\n    return recursive\n", namespace)
    strange = [
        len, print, str.upper, "".join, int, dict, Strange(), Strange, functools.partial(Strange()), namespace["uses_deep"],
        namespace["uses_recursive"], functools.partial(print, recursive), object(), None, 5, sys, type("Made", (), {"f": lambda self: 1})().f,
    ]  # fmt: skip
    for function in strange:
        code = code_of(function, nobody_knows)  # type: ignore[arg-type]
        assert code.digest == code_of(function, nobody_knows).digest  # type: ignore[arg-type]


def test_a_dag_file_that_is_no_python_any_more_counts_by_what_is_loaded(tmp_path: Path) -> None:
    project = _project(
        tmp_path, "import helpers\ndef step(x):\n    return helpers.f(x)\n", helpers="def f(x):\n    return x\n"
    )
    with project.loaded() as module:
        project.write("helpers.py", "def f(x:\n")
        broken = code_of(module.step, nobody_knows)
        project.write("helpers.py", "def f(y:\n")
        assert code_of(module.step, nobody_knows).digest != broken.digest


def test_a_step_of_300_lines_with_two_helper_modules_takes_a_few_milliseconds(tmp_path: Path) -> None:
    body = "".join(f"def f{i}(x):\n    y = x + {i}\n    return [y * k for k in range({i})]\n\n" for i in range(60))
    calls = " + ".join(f"f{i}(x)" for i in range(0, 60, 6))
    _project(
        tmp_path,
        f"import one\nfrom two import g3\n{body}\ndef step(x):\n    return {calls}, one.g1(x), g3(x)\n",
        one="".join(f"def g{i}(x):\n    return x + {i}\n" for i in range(50)),
        two="".join(f"def g{i}(x):\n    return x + {i}\n" for i in range(50)),
    )
    program = textwrap.dedent("""
        import pathlib, sys, time
        from tests.steps.projects import Project, nobody_knows
        from sematic_airflow_provider.steps.code import code_of
        with Project(pathlib.Path(sys.argv[1]), {}).loaded() as module:
            begin = time.process_time()
            code = code_of(module.step, nobody_knows)
            print((time.process_time() - begin) * 1000)
            assert len(code.definitions) == 15, code
    """)
    times = [
        float(
            subprocess.run(
                [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout
        )
        for _ in range(3)
    ]
    assert min(times) < 30, f"{times} ms: 6 to 8 ms are usual"

"""The package as a whole: names, options, imports."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import sematic_airflow_provider
from sematic_airflow_provider.errors import ConfigurationError
from sematic_airflow_provider.provider_info import get_provider_info
from sematic_airflow_provider.settings import Settings, load_settings


def test_every_public_name_resolves() -> None:
    for name in sematic_airflow_provider.__all__:
        assert getattr(sematic_airflow_provider, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sematic_airflow_provider.nothing  # type: ignore[attr-defined]


def test_the_documented_options_are_the_settings() -> None:
    options = get_provider_info()["config"]["sematic"]["options"]
    assert set(options) == set(Settings._fields)
    assert all(option["description"] and "default" in option for option in options.values())


def test_the_provider_info_follows_airflows_schema() -> None:
    import json
    from importlib.resources import files

    import jsonschema

    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


@pytest.mark.parametrize(
    ("option", "value"),
    [("compute", "cloud"), ("inline_limit", "many"), ("inline_limit", "-1"), ("allow_pickle", "perhaps")],
)
def test_an_impossible_option_is_named(monkeypatch: pytest.MonkeyPatch, option: str, value: str) -> None:
    monkeypatch.setenv(f"AIRFLOW__SEMATIC__{option.upper()}", value)
    with pytest.raises(ConfigurationError, match=rf"\[sematic\] {option}"):
        load_settings()


def test_every_module_imports() -> None:
    for module in pkgutil.walk_packages(sematic_airflow_provider.__path__, "sematic_airflow_provider."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _loaded_by(statement: str, *unwanted: str) -> list[str]:
    code = f"{statement}\nimport sys\nprint([m for m in {unwanted!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: list[str] = eval(done.stdout.splitlines()[-1])
    return found


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert _loaded_by("import sematic_airflow_provider", "airflow", "numpy", "pandas", "pydantic", "fsspec") == []


def test_the_decorator_imports_no_data_library_and_no_server() -> None:
    unwanted = (
        "pandas",
        "pyarrow",
        "sklearn",
        "kubernetes",
        "openlineage",
        "fastapi",
        "sematic_airflow_provider.db.models",
    )
    assert _loaded_by("from sematic_airflow_provider import sematic_task; sematic_task", *unwanted) == []


def test_the_pod_runs_without_airflow() -> None:
    block = "import sys; sys.modules['airflow'] = None; sys.modules['sqlalchemy'] = None\n"
    assert _loaded_by(f"{block}import sematic_airflow_provider.pod.__main__", "sematic_airflow_provider.worker") == []

"""Seeds of the libraries that a step uses."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

from sematic_airflow_provider.lineage.seeds import check_seed, seeded


def test_python_and_numpy_give_the_same_numbers_again() -> None:
    drawn = []
    for _ in range(2):
        with seeded(7) as table:
            drawn.append((random.random(), np.random.random(), np.random.permutation(5).tolist()))
        assert table["python"] == table["numpy"] == 7
    assert drawn[0] == drawn[1]
    with seeded(8):
        assert random.random() != drawn[0][0]


def test_without_a_seed_nothing_is_set() -> None:
    random.seed(1)
    expected = random.Random(1).random()
    with seeded(None) as table:
        assert random.random() == expected
    assert table == {}


def test_afterwards_imports_are_as_before() -> None:
    before = list(sys.meta_path)
    with pytest.raises(KeyError), seeded(7):
        raise KeyError
    assert sys.meta_path == before


def _in_a_fresh_process(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_numpy_that_the_function_imports_is_seeded_when_it_is_loaded() -> None:
    output = _in_a_fresh_process("""
        import sys
        from sematic_airflow_provider.lineage.seeds import seeded
        assert "numpy" not in sys.modules
        with seeded(7) as table:
            print(sorted(table))
            import numpy
            drawn = numpy.random.random()
            print(sorted(table), drawn)
        loader = type(numpy.random.__spec__.loader).__name__, type(numpy.random.__loader__).__name__
        print(*loader)
    """)
    assert output[0] == "['python']"
    assert output[1] == f"['numpy', 'python'] {np.random.RandomState(7).random_sample()}"
    assert output[2] == "SourceFileLoader SourceFileLoader"


def test_pytorch_is_seeded_by_its_own_function_when_it_is_loaded(tmp_path: Any) -> None:
    (tmp_path / "torch.py").write_text("given = []\ndef manual_seed(seed):\n    given.append(seed)\n")
    output = _in_a_fresh_process(f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from sematic_airflow_provider.lineage.seeds import seeded
        with seeded(7):
            import torch
            print(torch.given)
        with seeded(9):
            print(torch.given)
    """)
    assert output == ["[7]", "[7, 9]"]


def test_real_pytorch_gives_the_same_numbers_again() -> None:
    torch = pytest.importorskip("torch")
    drawn = []
    for _ in range(2):
        with seeded(7) as table:
            drawn.append(torch.rand(3).tolist())
        assert table["torch"] == 7
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("seed", [True, 1.5, "7", None])
def test_a_seed_that_is_no_whole_number_is_refused(seed: object) -> None:
    with pytest.raises(TypeError, match="whole number"):
        check_seed(seed)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_cannot_take_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="between 0 and 4294967295"):
        check_seed(seed)

"""What every codec keeps to."""

from __future__ import annotations

import subprocess
import sys
from abc import ABC
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactError


class CodecContract(ABC):
    """Subclasses name the codec and some values, as source text so that other processes can make them too."""

    codec: ClassVar[str]
    sources: ClassVar[tuple[str, ...]]
    header: ClassVar[str] = ""
    any_bytes_are_valid: ClassVar[bool] = False

    def make(self, source: str) -> Any:
        """A fresh value."""
        namespace: dict[str, Any] = {}
        exec(self.header, namespace)
        return eval(source, namespace)

    def same(self, one: Any, other: Any) -> bool:
        """Whether two values are equal, type by type."""
        return type(one) is type(other) and bool(one == other)

    @pytest.fixture
    def repository(self, tmp_path: Path) -> Repository:
        return Repository(LocalStore(tmp_path), inline_limit=0)

    def test_values_come_back_equal(self, repository: Repository) -> None:
        for source in self.sources:
            ref = repository.save(self.make(source))
            assert ref.codec_name == self.codec, source
            assert self.same(repository.load(ref), self.make(source)), source

    def test_equal_values_have_equal_digests_in_every_process(self, repository: Repository, tmp_path: Path) -> None:
        here = [repository.save(self.make(source)).digest for source in self.sources]
        code = "\n".join(
            [
                "from sematic_airflow_provider.artifacts.repository import open_repository",
                self.header,
                f"r = open_repository({str(tmp_path)!r})",
                *(f"print(r.save({source}).digest)" for source in self.sources),
            ]
        )
        for seed in ("1", "4321"):
            done = subprocess.run(
                [sys.executable, "-c", code],
                env={"PYTHONHASHSEED": seed, "PATH": ""},
                capture_output=True,
                text=True,
                check=True,
                cwd=Path(__file__).parents[2],
            )
            assert done.stdout.split() == here

    def test_a_loaded_value_is_the_same_artifact(self, repository: Repository) -> None:
        """A gate that returns the model it was given makes no new one."""
        for source in self.sources:
            ref = repository.save(self.make(source))
            assert repository.save(repository.load(ref)).digest == ref.digest, source

    def test_bytes_of_something_else_give_a_clear_error(self, repository: Repository) -> None:
        if self.any_bytes_are_valid:
            pytest.skip("any bytes are a value of this codec")
        whole = bytes(repository.store.get(repository.save(self.make(self.sources[0])).digest))
        self.check_junk(
            repository, [b"", b"\x00\xff" * 50, b"PK\x03\x04junk", b"{", whole[:-1], whole[: len(whole) // 2]]
        )

    def check_junk(self, repository: Repository, junk: list[bytes]) -> None:
        """Loading any of these is refused, by name."""
        ref = repository.save(self.make(self.sources[0]))
        for content in junk:
            stored = repository.store.put(of_bytes(content))
            with pytest.raises(ArtifactError, match=self.codec):
                repository.load(ArtifactRef(stored.digest, ref.codec, ref.type, stored.size))

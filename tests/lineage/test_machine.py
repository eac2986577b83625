"""The machine, as the files of its system and ``nvidia-smi`` tell it."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import pytest

from sematic_airflow_provider.lineage import gpus, machine

# As `nvidia-smi --query-gpu=index,name,uuid,memory.total,driver_version --format=csv,noheader,nounits` prints it.
TWO_GPUS = """\
0, NVIDIA H100 80GB HBM3, GPU-8a56a4bc-e184-a047-2620-be19fdf913d5, 81559, 535.129.03
1, NVIDIA H100 80GB HBM3, GPU-4b3a1d0e-95f1-0e3c-0a3b-2f64dd3fd1aa, 81559, 535.129.03
"""


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_this_machine_has_processors_memory_and_a_disk(tmp_path: Path) -> None:
    found = machine.describe(str(tmp_path))
    assert found["platform"] == platform.platform()
    assert found["cpuCount"] == len(os.sched_getaffinity(0))
    assert found["cpuModel"]
    assert found["memoryBytes"] > 1 << 28
    assert found["scratch"]["path"] == str(tmp_path)
    assert 0 < found["scratch"]["freeBytes"] < found["scratch"]["totalBytes"]


def test_limits_of_a_container_are_read_from_groups_of_version_2(tmp_path: Path) -> None:
    root = _tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/memory.max": "2147483648\n",
        },
    )
    found = machine.describe("/", root)
    assert (found["cpuLimit"], found["memoryLimitBytes"]) == (1.5, 2 << 30)


def test_limits_of_a_container_are_read_from_groups_of_version_1(tmp_path: Path) -> None:
    root = _tree(
        tmp_path,
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
        },
    )
    found = machine.describe("/", root)
    assert (found["cpuLimit"], found["memoryLimitBytes"]) == (0.5, 1 << 30)


def test_no_limit_is_none(tmp_path: Path) -> None:
    root = _tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/user.slice\n4:memory:/\n",
            "sys/fs/cgroup/cpu.max": "max 100000\n",
            "sys/fs/cgroup/user.slice/memory.max": "max\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    found = machine.describe("/", root)
    assert (found["cpuLimit"], found["memoryLimitBytes"]) == (None, None)


def test_the_narrowest_group_around_the_process_limits_its_memory(tmp_path: Path) -> None:
    root = _tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/memory.max": "max\n",
            "sys/fs/cgroup/a/memory.max": "1000000\n",
            "sys/fs/cgroup/a/b/memory.max": "4000000\n",
        },
    )
    assert machine.describe("/", root)["memoryLimitBytes"] == 1_000_000


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("cgroup", "0::/system.slice/docker-{}.scope\n"),
        ("cgroup", "3:memory:/kubepods/burstable/pod5f0c/{}\n"),
        ("mountinfo", "611 591 8:1 /var/lib/docker/containers/{}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"),
        (
            "mountinfo",
            "9 8 0:1 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{}/resolv.conf /etc rw - ext4 x rw\n",
        ),
    ],
)
def test_a_container_knows_its_id(tmp_path: Path, name: str, line: str) -> None:
    identity = "4f" * 32
    root = _tree(tmp_path, {"proc/self/cgroup": "0::/\n", f"proc/self/{name}": line.format(identity)})
    assert machine.describe("/", root)["containerId"] == identity


def test_layers_of_an_image_are_no_container_id(tmp_path: Path) -> None:
    mounts = f"1 0 0:2 / / rw - overlay overlay rw,upperdir=/var/lib/docker/overlay2/{'ab' * 32}/diff\n"
    root = _tree(tmp_path, {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mounts})
    assert machine.describe("/", root)["containerId"] is None


@pytest.mark.parametrize(
    ("image", "digest"),
    [
        ("registry.example.com/steps@sha256:" + "a1" * 32, "sha256:" + "a1" * 32),
        ("docker-pullable://steps@sha256:" + "a1" * 32, "sha256:" + "a1" * 32),
        ("sha256:" + "a1" * 32, "sha256:" + "a1" * 32),
        ("registry.example.com/steps:1.4", None),
        (None, None),
    ],
)
def test_an_image_that_is_named_by_digest_has_one(image: str | None, digest: str | None) -> None:
    assert machine.digest_of(image) == digest


def test_image_and_digest_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMATIC_IMAGE", "steps@sha256:" + "c0" * 32)
    found = machine.describe("/")
    assert (found["image"], found["imageDigest"]) == ("steps@sha256:" + "c0" * 32, "sha256:" + "c0" * 32)


def _nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    folder.mkdir(exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_gpus_are_listed_as_nvidia_smi_tells_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "said").write_text(TWO_GPUS)
    _nvidia_smi(tmp_path / "bin", monkeypatch, f'echo "$@" > {tmp_path}/asked; cat {tmp_path}/said')
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    found = gpus.GpuQuery().read()
    assert found is not None
    assert found["visible"] == "1"
    assert found["devices"][1] == {
        "index": 1,
        "name": "NVIDIA H100 80GB HBM3",
        "uuid": "GPU-4b3a1d0e-95f1-0e3c-0a3b-2f64dd3fd1aa",
        "memoryBytes": 81559 << 20,
        "driver": "535.129.03",
    }
    assert len(found["devices"]) == 2
    asked = (tmp_path / "asked").read_text().split()
    assert asked == ["--query-gpu=index,name,uuid,memory.total,driver_version", "--format=csv,noheader,nounits"]


def test_what_a_gpu_does_not_tell_is_none() -> None:
    (found,) = gpus.parse("0, Tesla K80, GPU-1, [N/A], [Not Supported]\n")
    assert (found["name"], found["memoryBytes"], found["driver"]) == ("Tesla K80", None, None)


@pytest.mark.parametrize(
    "script",
    [
        "echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'; exit 9",
        "echo 'No devices were found'; exit 6",
        "exit 0",
    ],
)
def test_a_machine_without_a_driver_or_gpus_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    _nvidia_smi(tmp_path / "bin", monkeypatch, script)
    assert gpus.GpuQuery().read() is None


def test_without_nvidia_smi_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert gpus.GpuQuery().read() is None


def test_an_nvidia_smi_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _nvidia_smi(tmp_path / "bin", monkeypatch, "exec sleep 30")
    monkeypatch.setattr(gpus, "_SECONDS", 0.2)
    before = time.monotonic()
    assert gpus.GpuQuery().read() is None
    abandoned = gpus.GpuQuery()
    abandoned.abandon()
    assert abandoned.read() is None
    assert time.monotonic() - before < 5

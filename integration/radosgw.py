"""Ceph's S3 server on a cluster of one machine, from the programs that are installed (Debian: apt install radosgw ceph-mon ceph-osd).

One monitor, one OSD that keeps everything in memory, one gateway; no manager. Nothing is asked of the system: any user can run it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from sematic_airflow_provider.cli.processes import free_port
from tests.artifacts.s3_servers import KEY, SECRET, S3Server

PROGRAMS = ("radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool")
_CONFIG = """
[global]
fsid = {cluster}
mon_host = v2:127.0.0.1:{monitor}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
# without keys there is nothing to encrypt with
ms_mon_client_mode = crc
ms_mon_cluster_mode = crc
ms_mon_service_mode = crc
keyring = {folder}/keyring
run_dir = {folder}
log_file = {folder}/$name.log
admin_socket = {folder}/$name.asok
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 0
mon_data_avail_warn = 0
mon_data = {folder}/monitor
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
"""


def missing_programs() -> list[str]:
    """What is not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


class Cluster:
    """What the gateway stands on, until ``stop``."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sematic-ceph-"))
        self._config = self._folder / "ceph.conf"
        self._daemons: list[subprocess.Popen[bytes]] = []
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def gateway(self) -> S3Server:
        """An S3 server on it, which knows the key of all test servers; the cluster ends with it."""
        port = free_port(17500)
        front = f"--rgw_frontends=beast endpoint=127.0.0.1:{port}"
        server = S3Server(
            ["radosgw", "-c", str(self._config), "-n", "client.rgw", "-f", front], port, self.stop
        )  # takes no connection before it has made its pools
        names = ["--uid", "test", "--display-name", "test"]
        self._run("radosgw-admin", "user", "create", *names, "--access-key", KEY, "--secret-key", SECRET)
        return server

    def stop(self) -> None:
        """End the processes and forget the data."""
        for daemon in reversed(self._daemons):
            daemon.kill()
            daemon.wait()
        self._daemons.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        cluster, disk, monitor = str(uuid.uuid4()), str(uuid.uuid4()), free_port(17000)
        self._config.write_text(_CONFIG.format(cluster=cluster, monitor=monitor, folder=self._folder))
        for name in ("monitor", "osd"):
            (self._folder / name).mkdir()
        keyring, monitors = str(self._folder / "keyring"), str(self._folder / "monitors")
        self._run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        address = f"[v2:127.0.0.1:{monitor}]"
        self._run("monmaptool", "--create", "--addv", "a", address, "--fsid", cluster, monitors)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", keyring)
        self._daemon("ceph-mon", "-i", "a")
        self._run("ceph", "osd", "new", disk)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._daemon("ceph-osd", "-i", "0")
        deadline = time.monotonic() + 60
        while '"num_up_osds":1' not in self._run("ceph", "osd", "stat", "--format", "json"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the OSD did not come up:\n{(self._folder / 'osd.0.log').read_text()[-2000:]}")
            time.sleep(0.2)

    def _daemon(self, program: str, *arguments: str) -> None:
        with (self._folder / f"{program}.out").open("wb") as output:
            command = [program, "-c", str(self._config), "-f", *arguments]
            self._daemons.append(subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL))

    def _run(self, program: str, *arguments: str) -> str:
        command = [program, *(() if program == "monmaptool" else ("-c", str(self._config))), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
        return done.stdout


def radosgw() -> S3Server:
    """Ceph's S3 server."""
    return Cluster().gateway()

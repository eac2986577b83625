"""The state of the git checkout that a file stands in: commit, branch, remote, and what is not committed.

A git process is started and asked for its answer later, so that it runs beside whatever else a step has to do before its function runs; so is a second one
where there is a difference to tell. A folder in no checkout costs no process. Remotes are read from the checkout's own configuration where that is plain, else
git is asked for them too. Where git is missing, or refuses (a checkout that another user owns), commit and branch are read from its files.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sematic_airflow_provider.lineage.sensitive import without_credentials

DIFF_LIMIT = 1 << 20
"""Bytes of a patch that are kept at most."""

_SECONDS = 2.0
_UNTRACKED_FILES = 50
_UNTRACKED_BYTES = 64 << 10
_UNTRACKED_DEPTH = 4
_REDIRECTS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE")
_STATUS = (
    "status",
    "--porcelain=v2",
    "--branch",
    "-z",
    "--untracked-files=normal",
    "--no-renames",
    "--ignore-submodules=none",
)
_REMOTES = ("config", "-z", "--get-regexp", r"^remote\..*\.url$")
_DIFF = (
    "diff",
    "HEAD",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)


class Patch(NamedTuple):
    """What is not committed, as text that ``git apply`` takes; or why there is none."""

    text: str | None
    unavailable: str | None = None


class Checkout:
    """The checkout of a folder, looked at once. ``None`` of ``open`` is: it stands in none."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._deadline = time.monotonic() + _SECONDS
        self._environment = _environment()
        self._status = self._start(_STATUS)
        self._urls = _plain_urls(root)
        self._remotes = self._start(_REMOTES) if self._urls is None else None
        self._diff: subprocess.Popen[bytes] | None = None
        self._untracked: tuple[str, ...] = ()

    @classmethod
    def open(cls, folder: Path) -> Checkout | None:
        """Start looking."""
        root = next((place for place in (folder, *folder.parents) if _is_checkout(place)), None)
        return None if root is None else cls(root)

    def state(self) -> dict[str, Any] | None:
        """``commit`` (None before the first), ``branch`` (None for a detached HEAD), ``remote`` (without credentials), ``dirty`` (None: unknown)."""
        status, remotes = self._answer(self._status), self._answer(self._remotes)
        urls = _listed_urls(remotes or "") if self._urls is None else self._urls
        if status is None:
            return _from_files(self.root)
        fields = [field for field in status.split("\0") if field]
        headers = dict(field[2:].split(" ", 1) for field in fields if field.startswith("# ") and " " in field[2:])
        self._untracked = tuple(field[2:] for field in fields if field.startswith("? "))
        commit, branch = headers.get("branch.oid", ""), headers.get("branch.head", "")
        return {
            "commit": commit if _is_commit(commit) else None,
            "branch": branch if branch and branch != "(detached)" else None,
            "remote": _remote(urls),
            "dirty": any(field.startswith(("1 ", "2 ", "u ")) for field in fields),
        }

    def ask_patch(self, *, changed: bool) -> None:
        """Start asking for what ``patch`` will tell."""
        if changed:
            self._diff = self._start(_DIFF)

    def patch(self, *, changed: bool) -> Patch:
        """Changes of tracked files, where ``state`` said that there are some, and small Python files that git does not know yet."""
        parts: list[bytes] = []
        room = DIFF_LIMIT
        if changed:
            tracked = self._read_diff()
            if tracked is None:
                return Patch(None, "git did not tell the difference in time, or refused")
            if len(tracked) > room:
                return Patch(None, f"the difference is larger than {DIFF_LIMIT >> 20} MiB")
            parts.append(tracked)
            room -= len(tracked)
        left_out = 0
        for name, content in self._new_files():
            added = b"" if content is None else _as_patch(name, content)
            if content is None or len(added) > room:
                left_out += 1
                continue
            parts.append(added)
            room -= len(added)
        text = b"".join(parts).decode("utf-8", errors="replace")
        why = f"{left_out} untracked Python files are left out: too many or too large" if left_out else None
        return Patch(text or None, why)

    def abandon(self) -> None:
        """Do not wait for answers."""
        for process in (self._status, self._remotes, self._diff):
            if process is not None and process.returncode is None:
                process.kill()
                process.communicate()

    def _start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes] | None:
        # Neither a watcher that stays behind nor a program that the checkout's configuration names for showing differences.
        switches = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-c", "diff.external=")
        try:
            return subprocess.Popen(  # noqa: S603 - fixed program and arguments, only the folder varies
                ["git", "-C", str(self.root), *switches, *arguments],  # noqa: S607 - git is where the user's PATH has it
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
            )
        except OSError:
            return None

    def _answer(self, process: subprocess.Popen[bytes] | None) -> str | None:
        if process is None:
            return None
        try:
            output, _ = process.communicate(timeout=max(0.01, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None
        return output.decode("utf-8", errors="surrogateescape") if process.returncode == 0 else None

    def _read_diff(self) -> bytes | None:
        """At most one byte more than is kept: a difference of gigabytes is not read into memory."""
        process, self._diff = self._diff or self._start(_DIFF), None
        if process is None or process.stdout is None:
            return None
        import threading

        watch = threading.Timer(_SECONDS, process.kill)
        watch.daemon = True
        watch.start()
        try:
            data = process.stdout.read(DIFF_LIMIT + 1)
            if len(data) > DIFF_LIMIT:
                process.kill()
                return data
            return data if process.wait() == 0 else None
        finally:
            watch.cancel()
            process.stdout.close()
            process.wait()

    def _new_files(self) -> Iterator[tuple[str, bytes | None]]:
        """Untracked Python files and their bytes, None for one that is too large or beyond the first fifty."""
        taken = 0
        for name in sorted(self._python_files()):
            path = self.root / name
            try:
                small = path.stat().st_size <= _UNTRACKED_BYTES and not path.is_symlink()
                content = path.read_bytes() if small and taken < _UNTRACKED_FILES else None
            except OSError:
                continue
            taken += 1
            yield name, content

    def _python_files(self) -> Iterator[str]:
        for name in self._untracked:
            if name.endswith(".py"):
                yield name
            elif name.endswith("/"):
                yield from _python_files_below(self.root, name.rstrip("/"), _UNTRACKED_DEPTH)


def _is_commit(text: str) -> bool:
    return len(text) in (40, 64) and not text.strip("0123456789abcdef")


def _is_checkout(folder: Path) -> bool:
    found = folder / ".git"
    return found.is_file() or (found / "HEAD").is_file()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _REDIRECTS} | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _remote(urls: Mapping[str, str]) -> str | None:
    """The URL of ``origin`` or, where there is none, of the first remote."""
    found = urls.get("origin") or next(iter(urls.values()), None)
    return without_credentials(found) if found else None


def _listed_urls(listing: str) -> dict[str, str]:
    """What ``git config`` lists."""
    urls: dict[str, str] = {}
    for entry in listing.split("\0"):
        key, _, url = entry.partition("\n")
        if url:
            urls.setdefault(key.removeprefix("remote.").removesuffix(".url"), url)
    return urls


def _plain_urls(root: Path) -> dict[str, str] | None:
    """URLs of remotes as the checkout's configuration has them; None where it is not as git itself writes it, or includes another."""
    try:
        text = (_git_folders(root)[1] / "config").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if (
        "\\" in text
        or "include" in text.lower()
        or "worktreeconfig" in text.lower()
        or "GIT_CONFIG_COUNT" in os.environ
    ):
        return None
    urls: dict[str, str] = {}
    remote: str | None = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            name = line.removeprefix('[remote "').removesuffix('"]')
            plain = line == f'[remote "{name}"]' and '"' not in name
            if not line.endswith("]") or line.count("]") != 1 or (line.lower().startswith("[remote") and not plain):
                return None
            remote = name if plain else None
        elif remote is not None and line.lower().startswith("url"):
            key, _, value = line.partition("=")
            if key.strip().lower() != "url" or not value.strip() or any(mark in value for mark in '"#;'):
                return None
            urls.setdefault(remote, value.strip())
    return urls


def _python_files_below(root: Path, folder: str, depth: int) -> Iterator[str]:
    """Not into virtual environments, hidden folders and what is not Python's."""
    try:
        entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
    except OSError:
        return
    if any(entry.name in ("pyvenv.cfg", ".git") for entry in entries):
        return
    for entry in entries:
        name = f"{folder}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            if depth > 1 and not entry.name.startswith((".", "__pycache__", "node_modules", "site-packages")):
                yield from _python_files_below(root, name, depth - 1)
        elif entry.name.endswith(".py"):
            yield name


def _as_patch(name: str, content: bytes) -> bytes:
    """A new file, the way git writes it."""
    path = name.encode("utf-8", errors="surrogateescape")
    head = b"diff --git a/%s b/%s\nnew file mode 100644\n" % (path, path)
    if not content:
        return head
    lines = content.split(b"\n")
    ends_open = lines[-1] != b""
    body = lines if ends_open else lines[:-1]
    text = b"".join(b"+" + line + b"\n" for line in body)
    tail = b"\\ No newline at end of file\n" if ends_open else b""
    return head + b"--- /dev/null\n+++ b/%s\n@@ -0,0 +1,%d @@\n" % (path, len(body)) + text + tail


def _from_files(root: Path) -> dict[str, Any] | None:
    """Commit and branch as git's files have them, without git."""
    try:
        folder, shared = _git_folders(root)
        head = (folder / "HEAD").read_text().strip()
        name = head.removeprefix("ref: ") if head.startswith("ref: ") else None
        commit = head if name is None else _resolved(name, (folder, shared))
    except (OSError, UnicodeDecodeError):
        return None
    known = commit if commit and _is_commit(commit) else None
    branch = name.removeprefix("refs/heads/") if name else None
    return {"commit": known, "branch": branch, "remote": None, "dirty": None} if known or branch else None


def _git_folders(root: Path) -> tuple[Path, Path]:
    """The checkout's own folder of git, and the one that it shares with others: of a worktree two, else one."""
    folder = root / ".git"
    if not folder.is_dir():
        folder = (root / folder.read_text().strip().removeprefix("gitdir: ")).resolve()  # a worktree or submodule
    common = folder / "commondir"
    return folder, (folder / common.read_text().strip()).resolve() if common.is_file() else folder


def _resolved(name: str, folders: Sequence[Path]) -> str | None:
    if ".." in name.split("/"):
        return None
    for folder in folders:
        loose = folder / name
        if loose.is_file():
            return loose.read_text().strip()
        packed = folder / "packed-refs"
        if packed.is_file():
            for line in packed.read_text().splitlines():
                commit, _, of = line.partition(" ")
                if of == name:
                    return commit
    return None

"""A spool in a folder of this machine: durable as soon as ``put`` returns, and private to the user who runs the workers."""

from __future__ import annotations

import datetime as dt
import errno
import fcntl
import heapq
import logging
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sematic_airflow_provider.artifacts.store import LARGEST_DOCUMENT
from sematic_airflow_provider.delivery import spool
from sematic_airflow_provider.delivery.spool import ATTEMPTS, REJECTED, check_whole, name_of
from sematic_airflow_provider.errors import EventRejectedError

log = logging.getLogger(__name__)

LOCK: Final = ".delivering"
LOG: Final = "delivery.log"
_TEMPORARY: Final = ".tmp-"
_ABANDONED_SECONDS: Final = 3600.0
_NAMES_AT_ONCE: Final = 10_000
_NO_LOCKS: Final = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)


class SpoolFolder:
    """See Spool. The folder is made when the first event waits; links, and files that are no events, are left alone."""

    def __init__(self, path: str | os.PathLike[str], *, older_than: float = 0) -> None:
        self.path = Path(path).expanduser().absolute()
        self.where = str(self.path)
        self._older_than = older_than

    def put(self, data: bytes) -> str:
        """Let an event wait; its name. A loss of power after this does not lose it.

        Raises:
            OSError: the folder cannot be written: the disk is full, or it belongs to somebody else.
        """
        name = name_of(data)
        temporary = self.path / f"{_TEMPORARY}{secrets.token_hex(4)}-{name}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            descriptor = os.open(temporary, flags, 0o600)
        except FileNotFoundError:
            self._make()
            descriptor = os.open(temporary, flags, 0o600)
        try:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, self.path / name)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        _sync(self.path)
        return name

    def waiting(self) -> Iterator[str]:
        """See Spool. However many there are, few names are held at a time.

        Raises:
            OSError: the folder cannot be read.
        """
        last = ""
        before = name_of(b"", dt.datetime.now(dt.timezone.utc) - dt.timedelta(seconds=self._older_than))
        while True:
            some = heapq.nsmallest(_NAMES_AT_ONCE, (name for name in self._names() if name > last))
            yield from (name for name in some if not self._older_than or not _is_younger(name, before))
            if len(some) < _NAMES_AT_ONCE:
                return
            last = some[-1]

    def has_waiting(self) -> bool:
        """Whether anything waits; False where the folder cannot be read."""
        with suppress(OSError):
            return next(self._names(), None) is not None
        return False

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """See Spool."""
        for name in names:
            try:
                data = self._content(self.path / name)
            except FileNotFoundError:
                continue  # delivered by another process
            except OSError as error:
                log.warning("the lineage event %s in %s cannot be read, it is left there: %s", name, self.where, error)
                continue
            if data is not None:
                yield name, data

    def remove(self, names: Sequence[str]) -> None:
        """See Spool."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def reject(self, name: str, data: bytes, reason: str) -> None:
        """See Spool. The event moves without being written again: a full disk takes at most its reason, which the log has too."""
        log.warning("the lineage event %s is rejected: %s", name, reason)
        aside = self.path / REJECTED
        aside.mkdir(mode=0o700, exist_ok=True)
        with suppress(OSError):
            note = os.open(aside / f"{name}.reason.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(note, "w", encoding="utf-8") as file:
                file.write(reason)
        with suppress(FileNotFoundError):
            os.rename(self.path / name, aside / name)

    def postpone(self, name: str, data: bytes, reason: str) -> None:
        """See Spool."""
        attempts = spool.attempts_of(name) + 1
        if attempts >= ATTEMPTS:
            self.reject(name, data, spool.tried_in_vain(attempts, reason))
            return
        with suppress(FileNotFoundError):
            os.rename(self.path / name, self.path / name_of(data, attempts=attempts))

    def rejected(self) -> list[str]:
        """See Spool."""
        with suppress(FileNotFoundError):
            return sorted(name for name in os.listdir(self.path / REJECTED) if spool.is_event_name(name))
        return []

    def restore(self, names: Sequence[str]) -> None:
        """See Spool."""
        for name in names:
            with suppress(FileNotFoundError):
                os.rename(self.path / REJECTED / name, self.path / name)
                (self.path / REJECTED / f"{name}.reason.txt").unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Be the one process that delivers from this folder; gives whether we are. It saves work, nothing depends on it."""
        self._make()
        lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield _locked(lock)
        finally:
            os.close(lock)

    def is_held(self) -> bool:
        """Whether a process delivers from this folder now."""
        try:
            lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in _NO_LOCKS
        else:
            return False
        finally:
            os.close(lock)

    def _names(self) -> Iterator[str]:
        try:
            entries = os.scandir(self.path)
        except FileNotFoundError:
            return
        with entries:
            for entry in entries:
                if entry.name.startswith(_TEMPORARY):
                    self._adopt(entry)
                elif spool.is_event_name(entry.name) and entry.is_file(follow_symlinks=False):
                    yield entry.name

    def _adopt(self, entry: os.DirEntry[str]) -> None:
        """What a writer left that was killed: the event, if all of it was written, else nothing of use."""
        with suppress(OSError):
            if time.time() - entry.stat(follow_symlinks=False).st_mtime < _ABANDONED_SECONDS:
                return
            name = entry.name.removeprefix(_TEMPORARY).partition("-")[2]
            try:
                check_whole(name, self._content(Path(entry.path)) or b"")
            except EventRejectedError:
                os.unlink(entry.path)
            else:
                os.rename(entry.path, self.path / name)

    def _content(self, path: Path) -> bytes | None:
        """Of a plain file; None for anything else, which no event is. A file that no server would take is put aside."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                log.warning("%s is no event of ours, it is left there", path)
                return None
            if found.st_size > LARGEST_DOCUMENT:
                self.reject(path.name, b"", f"it has {found.st_size} bytes, the most is {LARGEST_DOCUMENT}")
                return None
            return file.read()

    def _make(self) -> None:
        if not self.path.is_dir():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(self.path.parent)


def _is_younger(name: str, than: str) -> bool:
    return spool.waits_since(name) is not None and name > than


def _locked(lock: int) -> bool:
    """A few times: who only asks whether somebody delivers holds the lock for a moment too."""
    for _ in range(5):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return True
        time.sleep(0.02)
    return False


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

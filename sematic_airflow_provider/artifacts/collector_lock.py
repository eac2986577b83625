"""The lock of a LocalStore: its collector looks at a blob and deletes it while nobody renews or replaces one.

The system takes it back from a process that dies, and a process that is stopped keeps it; so there is nothing to clean up, and nothing to time.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class CollectorLock:
    """An open lock file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @contextmanager
    def held(self, *, exclusive: bool) -> Iterator[None]:
        """Alone, or with others that do not ask for it alone.

        Raises:
            OSError: it is asked for alone, and the file system has no locks. Who shares it then goes on without: nobody can have it alone.
        """
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        except OSError as error:
            if exclusive or error.errno not in _NO_LOCKS:
                raise
            yield
            return
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


@contextmanager
def opened(root: Path, *, writable: bool) -> Iterator[CollectorLock]:
    """The lock of the store in this folder. Over NFS, only who may write to the file can have the lock alone."""
    path = root / "gc" / "lock"
    path.parent.mkdir(exist_ok=True)
    descriptor = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with suppress(PermissionError):  # whoever made it has done so
            os.fchmod(descriptor, 0o666)
        yield CollectorLock(descriptor)
    finally:
        os.close(descriptor)

"""Files written whole, with the right mode, and a lock that several processes respect."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECRET = 0o600
PUBLIC = 0o644
_FOLDER = 0o700


def make_folder(path: Path) -> None:
    """Create `path` and its missing parents, each 0700 whatever the umask; those that exist are left alone."""
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        path.mkdir(mode=_FOLDER)
    except FileExistsError:
        return  # another process was faster
    path.chmod(_FOLDER)


def write_whole(path: Path, data: bytes, *, mode: int = SECRET) -> None:
    """Write `data` beside `path`, then rename: a reader sees the former file or the whole new one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when `path` is rewritten (inode, time in ns, size); None when it doesn't exist."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the exclusive lock of `folder`; threads and processes wait for each other, a dead holder lets go.

    The descriptor is opened anew each time, because `flock` excludes open files, not threads. Not reentrant.
    """
    make_folder(folder)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, SECRET)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

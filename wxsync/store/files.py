"""Files of the state directory: the day list, and locks that the kernel frees when a process dies. Floor: ground."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from wxsync.store.database import StoreFault


def write_whole(path: Path, text: str) -> None:
    """Replace a file so that a reader, or a power cut, sees the old or the new text, never half. Raises StoreFault."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)  # the new name itself must survive a power cut
        finally:
            os.close(directory)
    except OSError as error:
        raise StoreFault(f"无法写入：{error.strerror}", where=str(path), mend="检查磁盘空间和目录权限") from error


class DayList:
    """The local images.txt: what was asked for since the last rollover."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        """Return the list, empty when there is none yet; what is no UTF-8 is replaced. Raises StoreFault."""
        try:
            return self._path.read_bytes().decode("utf-8", "replace")  # read_text would fold CRLF
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise StoreFault(f"无法读取：{error.strerror}", where=str(self._path), mend="检查该文件和权限") from error

    def write(self, text: str) -> None:
        """Replace the list. Raises StoreFault."""
        write_whole(self._path, text)


class FileLock:
    """flock on a file that holds its owner's pid. (lockf would not exclude threads of one process.)"""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; tell whether it is held now. Raises StoreFault."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreFault(f"无法打开锁文件：{error.strerror}", where=str(self._path), mend="检查目录权限") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> str:
        """Return the pid that stands in the file, empty when none does; only a hint for a message."""
        with suppress(OSError, UnicodeDecodeError):
            return self._path.read_text(encoding="ascii").strip()[:20]
        return ""

"""Files that wait in the state directory until a job has uploaded them. Floor: ground."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from wxsync.errors import MemberError
from wxsync.store.database import StoreFault

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class SpoolFull(StoreFault):
    """The file does not fit on the disk of the state directory."""


class Spool:
    """A directory of files with random names, readable by their owner only. Any thread may call."""

    def __init__(self, directory: Path, *, max_bytes: int) -> None:
        """max_bytes: of one file."""
        self._directory = directory
        self._max_bytes = max_bytes

    def path(self, name: str) -> Path:
        """Return where a file of this name lies."""
        return self._directory / name

    def keep(self, blocks: Iterable[bytes | memoryview]) -> str:
        """Write the blocks into a new file that survives a power cut; return its name.

        Raises MemberError when they are more than max_bytes, SpoolFull, StoreFault, and whatever the blocks raise;
        then nothing is left.
        """
        name = secrets.token_hex(16)
        try:
            self._write(name, blocks)
        except OSError as error:
            self.drop(name)
            kind = SpoolFull if error.errno in FULL else StoreFault
            what = f"文件存不下来：{error.strerror}"
            raise kind(what, where=str(self._directory), mend="检查状态目录的磁盘空间和权限") from error
        except BaseException:
            self.drop(name)
            raise
        return name

    def drop(self, name: str) -> None:
        """Remove a file; one that is not there is no fault."""
        with suppress(OSError):
            self.path(name).unlink()

    def sweep(self, wanted: Collection[str]) -> None:
        """Remove all files but the wanted ones; only while nobody writes a new one."""
        with suppress(OSError):
            for path in list(self._directory.iterdir()):
                if path.name not in wanted:
                    self.drop(path.name)

    def _write(self, name: str, blocks: Iterable[bytes | memoryview]) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        size = 0
        with os.fdopen(descriptor, "wb") as file:
            for block in blocks:
                size += len(block)
                if size > self._max_bytes:
                    raise MemberError(f"文件太大，最多 {self._max_bytes} 字节", mend="改 [upload] max_bytes 或分开上传")
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

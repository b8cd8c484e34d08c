"""A local file as the body that a command hands in. Floor: cli."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from stat import S_ISREG

from wxsync.errors import MemberError

BLOCK_BYTES = 1 << 18
MAX_NAME_BYTES = 255


class HandedIn:
    """An open regular file: a `remote.exchange.Pieces`. Opened at once, while the command still has its rights."""

    def __init__(self, path: Path, is_unwanted: Callable[[], bool]) -> None:
        """is_unwanted: asked between blocks whether to stop. Raises OSError, MemberError when it is no regular file."""
        self.name = _sendable(path.name)
        self._is_unwanted = is_unwanted
        self._file = os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb", buffering=0)
        status = os.fstat(self._file.fileno())
        if not S_ISREG(status.st_mode):
            self._file.close()
            raise MemberError(f"{path} 不是普通文件", mend="目录请先打包")
        self.length = status.st_size

    def __iter__(self) -> Iterator[memoryview]:
        """Yield the bytes; MemberError when the file has become shorter, KeyboardInterrupt when it is unwanted."""
        buffer = memoryview(bytearray(BLOCK_BYTES))
        left = self.length
        while left:
            if self._is_unwanted():
                raise KeyboardInterrupt
            count = self._file.readinto(buffer[: min(left, BLOCK_BYTES)])
            if not count:
                raise MemberError(f"文件 {self.name} 在读取时变短了", mend="等它写完再上传")
            left -= count
            yield buffer[:count]


def _sendable(name: str) -> str:
    """Return the file's name as the API takes it; a name need not be UTF-8, nor printable, to be one."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(each if each.isprintable() and each != "\\" else "_" for each in text).encode()[
        :MAX_NAME_BYTES
    ].decode("utf-8", "ignore")

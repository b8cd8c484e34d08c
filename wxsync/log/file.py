"""Where log lines end up: an open descriptor, or a file that is rotated by size. Floor: ground."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol

from wxsync.errors import ConfigError

_MODE = 0o640


class Sink(Protocol):
    """Takes whole lines; one thread at a time."""

    def write(self, data: bytes) -> bool:
        """Write the lines; False, never an exception, when they could not be written whole."""

    def reopen(self) -> None:
        """Open anew what may have been moved away; what cannot be opened stays as it is."""

    def close(self) -> None:
        """Release the descriptor, if it is ours."""


class Descriptor:
    """A descriptor that somebody else opened, such as stderr."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_torn = False

    def write(self, data: bytes) -> bool:
        """Write the lines; after half a line (full disk) the next one begins with a line end of its own."""
        view = memoryview(b"\n" + data if self._is_torn else data)
        try:
            while view:
                view = view[os.write(self._descriptor, view):]
                self._is_torn = True
        except OSError:
            return False
        self._is_torn = False
        return True

    def reopen(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Leave it open for whoever opened it."""


class RotatedFile:
    """A file; when it would outgrow max_bytes it becomes `.1`, `.1` becomes `.2`, and the oldest goes.

    Raises ConfigError when the file cannot be opened at first.
    """

    def __init__(self, path: str, max_bytes: int, backups: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._rotate_at = max_bytes
        try:
            self._descriptor = self._open()
        except OSError as error:
            raise ConfigError(
                f"日志文件打不开：{error.strerror}", where=f"[log] file = {path}", mend="检查目录是否存在和权限"
            ) from error
        self._lines = Descriptor(self._descriptor)

    def write(self, data: bytes) -> bool:
        """Write the lines, into a fresh file when they would make this one too large."""
        try:
            size = os.fstat(self._descriptor).st_size
            if size and size + len(data) > self._rotate_at:
                self._make_room(size)
        except OSError:
            return False
        return self._lines.write(data)

    def reopen(self) -> None:
        """Open the path anew, after logrotate or an operator moved the file."""
        with contextlib.suppress(OSError):
            fresh = self._open()
            os.close(self._descriptor)
            self._descriptor, self._lines = fresh, Descriptor(fresh)
            self._rotate_at = self._max_bytes

    def close(self) -> None:
        """Close the file; later lines are lost."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        # The number may soon be another file's: a thread that still holds this sink must not write there.
        self._descriptor, self._lines = -1, Descriptor(-1)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE)

    def _make_room(self, size: int) -> None:
        try:
            if self._is_current():  # else another process has rotated already
                self._shift()
            self.reopen()
        except OSError:
            # A directory that cannot be written: go on in the same file and try again a whole file later.
            self._rotate_at = size + self._max_bytes

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(Path(self._path).stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _shift(self) -> None:
        if self._backups == 0:
            os.ftruncate(self._descriptor, 0)
            return
        names = [Path(self._path), *(Path(f"{self._path}.{number}") for number in range(1, self._backups + 1))]
        for older, newer in reversed(list(zip(names[1:], names))):
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)

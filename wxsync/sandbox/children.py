"""Child processes of the demo: started in a session of their own, watched, ended by pid and reaped. Floor: sandbox."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

TAIL_LINES, TAIL_BYTES = 15, 8192


class Child:
    """One child. Ctrl-C in a terminal does not reach it, so that the parent can end all in order.

    is_spoken_with: its stdin and stdout are pipes; else stdin is empty and stdout goes to the log with stderr.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str],
        is_spoken_with: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as errors:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  # our own files, no shell
                list(command), cwd=cwd, env=dict(env), stderr=errors, start_new_session=True,
                stdin=subprocess.PIPE if is_spoken_with else subprocess.DEVNULL,
                stdout=subprocess.PIPE if is_spoken_with else errors,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it lives."""
        return self._process.poll()

    @property
    def answers(self) -> IO[bytes]:
        """Its stdout, when it is spoken with."""
        assert self._process.stdout is not None
        return self._process.stdout

    def tell(self, line: str) -> None:
        """Write one line to its stdin; nothing happens when it is gone."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line.encode("ascii") + b"\n")
            self._process.stdin.flush()

    def hang_up(self) -> None:
        """Close its stdin."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def end(self, within_s: float, *, terminate: bool = True) -> int:
        """Send SIGTERM (unless it is to end by itself), wait, kill when it takes too long; return its status."""
        if terminate and self.status is None:
            self._process.terminate()
        try:
            status = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        return status

    def tail(self) -> str:
        """Return the last lines of its log."""
        with self.log.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - TAIL_BYTES))
            lines = log.read().decode("utf-8", "replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

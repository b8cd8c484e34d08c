"""Start tests.support.relay_daemon as a process and end it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class RelayProcess:
    """Serves when entered; drained by SIGTERM when left."""

    def __init__(self, options: dict[str, object]) -> None:
        self._options = options

    def __enter__(self) -> RelayProcess:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.relay_daemon", json.dumps(self._options)], cwd=ROOT,
            stdout=subprocess.PIPE, text=True)
        self.port = int(self.line())
        return self

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def hup(self) -> str:
        self.process.send_signal(signal.SIGHUP)
        return self.line()

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()

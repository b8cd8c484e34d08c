"""A real daemon process for a test: its own state directory, free ports, ended by its pid."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wxsync.sandbox.stand_ins import ini

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 30.0


def wait_for(condition: Callable[[], Any], what: str, within_s: float = DEADLINE_S) -> Any:
    """Return the condition's value once it is true; fail with what was waited for."""
    end = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(0.01)
    return value


def clean_environment(**changes: str) -> dict[str, str]:
    """The environment without names that the daemon would read."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PATH", "HOME", "LANG", "COVERAGE_"))}
    return {**kept, "TZ": "Asia/Shanghai", **changes}


class DaemonProcess:
    """One state directory and configuration, and the daemon that runs on it now and then."""

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, Mapping[str, str]],
        *,
        command: Sequence[str] = (str(ROOT / "wxsyncd.py"),),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.state_dir = directory / "state"
        self.config = directory / "wxsync.conf"
        self._log = directory / "daemon.log"
        self._command = command
        self._environ = dict(environ or clean_environment())
        self.process: subprocess.Popen[bytes] | None = None
        self.configure(settings)

    def configure(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        """Write the configuration; listeners on free loopback ports unless it says otherwise."""
        server = {"listen": "127.0.0.1:0=bot", "admin_listen": "127.0.0.1:0", "state_dir": str(self.state_dir)}
        sections = {name: dict(options) for name, options in settings.items()}
        sections["server"] = {**server, **sections.get("server", {})}
        self.config.write_text(ini(sections), encoding="utf-8")
        self.config.chmod(0o600)

    def launch(self) -> None:
        """Start the process and return at once."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self._command, "--config", str(self.config)],
                stdout=log,
                stderr=log,
                env=self._environ,
                cwd=self.config.parent,
            )

    def start(self) -> DaemonProcess:
        """Start the process and return when it listens."""
        self.launch()
        wait_for(self._is_ready, "listeners.json")
        return self

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log()}")
        with_pid = self.state_dir / "listeners.json"
        return with_pid.exists() and json.loads(with_pid.read_text())["pid"] == self.process.pid

    def port(self, part: str = "bot") -> int:
        listeners = json.loads((self.state_dir / "listeners.json").read_text())["listeners"]
        return next(each["port"] for each in listeners if each["part"] == part)

    def get(self, path: str, part: str = "bot") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port(part), timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def stop(self, within_s: float = DEADLINE_S) -> int:
        """End it by SIGTERM; return its exit status."""
        if self.process is None or self.process.poll() is not None:
            return 0 if self.process is None else self.process.returncode
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)

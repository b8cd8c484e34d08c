"""Ask and order the service manager; where none runs (an image, a chroot) only what works on files."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from installer.actions import Failed
from installer.layout import SERVICE

_VERSION = re.compile(r"systemd ([0-9]{1,5})", re.ASCII)
TIMEOUT_S = 120


class Systemctl:
    """command: the program to call. is_booted: whether systemd runs this machine."""

    def __init__(self, command: str, *, is_booted: bool) -> None:
        self._command = command
        self.is_booted = is_booted

    def version(self) -> int:
        """Return systemd's version, 0 when there is none."""
        try:
            found = _VERSION.match(self._call("--version").stdout[:200])
        except Failed:
            return 0
        return int(found[1]) if found else 0

    def is_active(self, unit: str = SERVICE) -> bool:
        """Tell whether it runs, is just starting, or waits for its next try."""
        states = {"active", "activating", "reloading", "deactivating"}
        return self.is_booted and self._call("is-active", unit).stdout.strip() in states

    def is_enabled(self, unit: str = SERVICE) -> bool:
        """Tell whether it starts with the machine."""
        return self._call("is-enabled", unit).stdout.strip() == "enabled"

    def needs_reload(self) -> bool:
        """Tell whether a unit file was changed after systemd read it."""
        told = self._call("show", "--property=NeedDaemonReload", SERVICE).stdout
        return self.is_booted and told.strip().endswith("=yes")

    def order(self, *arguments: str) -> None:
        """Have it done. Raises Failed."""
        done = self._call(*arguments)
        if done.returncode:
            raise Failed(f"systemctl {' '.join(arguments)} 失败（{done.returncode}）：{done.stderr.strip()[-2000:]}")

    def try_order(self, *arguments: str) -> None:
        """The same, where it does not matter whether there was something to do."""
        self._call(*arguments)

    def journal(self, lines: int = 20) -> str:
        """Return what the service wrote last."""
        try:
            done = subprocess.run(  # noqa: S603 - a program of the system
                ["journalctl", "--unit", SERVICE, "--lines", str(lines), "--no-pager", "--output=cat"],  # noqa: S607
                capture_output=True, timeout=TIMEOUT_S, check=False)
        except OSError:
            return ""
        return done.stdout.decode("utf-8", "replace")[-4000:]

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603 - a program of the system
                [self._command, *arguments], capture_output=True, timeout=TIMEOUT_S, check=False, text=True,
                errors="replace", env={**os.environ, "LC_ALL": "C"})
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failed(f"不能运行 {self._command}：{error}") from error


def is_booted(root: Path) -> bool:
    """Tell whether systemd runs this machine, by sd_booted(3)."""
    return (root / "run/systemd/system").is_dir()

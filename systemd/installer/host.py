"""What the installer finds out about the machine before it decides anything."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from installer.layout import Layout
from installer.systemctl import Systemctl


@dataclass(frozen=True)
class Host:
    """systemd: its version, 0 when there is none. libc: ("glibc", (2, 36)), or an empty name for another one."""

    is_root: bool
    python: str
    machine: str
    libc: tuple[str, tuple[int, ...]]
    systemd: int
    is_booted: bool
    free_bytes: int
    implementation: str = "cpython"

    @property
    def python_version(self) -> str:
        """The interpreter's version."""
        return platform.python_version()


def look(layout: Layout, systemctl: Systemctl, *, is_root: bool, python: str) -> Host:
    """Return the facts of this machine."""
    name, version = platform.libc_ver()
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    return Host(
        is_root=is_root,
        python=python,
        machine=platform.machine() if sys.maxsize > 1 << 32 else f"{platform.machine()} (32 位 Python)",
        libc=(name, numbers),
        systemd=systemctl.version(),
        is_booted=systemctl.is_booted,
        free_bytes=shutil.disk_usage(_existing(layout.home)).free,
        implementation=sys.implementation.name,
    )


def _existing(path: Path) -> Path:
    while not path.is_dir():
        path = path.parent
    return path

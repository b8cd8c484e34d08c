"""Build a release as `make dist` does, and make another version of one that is unpacked."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.daemon import ROOT
from wxsync.version import VERSION

WHEELS = ROOT / "dist" / "wheels"
NAME = f"wxsyncd-{VERSION}.tar.gz"


def pack(output: Path, checkout: Path, wheels: Path) -> subprocess.CompletedProcess[str]:
    """Build the checkout's archive into a directory."""
    command = [sys.executable, "-m", "packing", "--checkout", str(checkout), "--output", str(output), "--wheels",
               str(wheels)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT / "systemd")}, capture_output=True,
                          text=True, timeout=300, check=False)


def other_version(top: Path, version: str, *edits: tuple[str, str, str]) -> Path:
    """Return a copy of an unpacked release under another version; edits: (file, pattern, replacement)."""
    copy = top.with_name(f"wxsyncd-{version}")
    shutil.copytree(top, copy)
    edit(copy, ("wxsync/version.py", 'VERSION = ".*"', f'VERSION = "{version}"'), *edits)
    names = [line.split("  ", 1)[1] for line in (copy / "SHA256SUMS").read_text().splitlines()]
    sums = [f"{hashlib.sha256((copy / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (copy / "SHA256SUMS").write_text("".join(sums))
    return copy


def edit(top: Path, *edits: tuple[str, str, str]) -> None:
    """Change files; each pattern must apply exactly once."""
    for name, pattern, replacement in edits:
        text, count = re.subn(pattern, replacement, (top / name).read_text())
        assert count == 1, (name, pattern)
        (top / name).write_text(text)

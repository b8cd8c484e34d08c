"""What these tests share: the releases that are installed, and the machines."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e_install.machines.machine import Machine, Result
from tests.support.daemon import ROOT
from tests.support.requirement import need
from wxsync.store.database import SCHEMA_VERSION

OLD, NEW, BROKEN = "0.1.0", "0.1.1", "0.1.2"


@pytest.fixture(scope="session", autouse=True)
def means() -> None:
    """See what is missing before anything begins."""
    need("debootstrap", "systemd-nspawn", "unshare", "git", root=True)


class Releases:
    """Archives of several versions of this checkout, built as `make dist` does."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._wheels = ROOT / "dist/wheels"

    def build(self, version: str, *edits: tuple[str, str, str]) -> None:
        """Build a version; edits: (file, pattern, replacement), each of which must apply."""
        checkout = self.directory / f"checkout-{version}"
        for name in subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True,
                                   timeout=60).stdout.decode().split("\0"):
            if name and not name.startswith("tests/"):
                (checkout / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, checkout / name)
        for name, pattern, replacement in (("wxsync/version.py", 'VERSION = ".*"', f'VERSION = "{version}"'), *edits):
            text, count = re.subn(pattern, replacement, (checkout / name).read_text())
            assert count == 1, (name, pattern)
            (checkout / name).write_text(text)
        git = ["git", "-C", str(checkout), "-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run([*git, "init", "-q"], check=True, timeout=60)
        subprocess.run([*git, "add", "-A", "-f"], check=True, timeout=60)
        subprocess.run([*git, "commit", "-qm", version], check=True, timeout=60)
        subprocess.run(
            [sys.executable, "-m", "packing", "--checkout", str(checkout), "--output", str(self.directory), "--wheels",
             str(self._wheels)], env={**os.environ, "PYTHONPATH": str(ROOT / "systemd")}, check=True, timeout=300)


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """The old version, a newer one that also changes the state's schema, and one that does not come up."""
    made = Releases(tmp_path_factory.mktemp("releases"))
    made.build(OLD)
    schema = (
        ("wxsync/store/database.py", r"(?m)^SCHEMA_VERSION = .*", f"SCHEMA_VERSION = {SCHEMA_VERSION + 1}"),
        ("wxsync/store/database.py", r"\nUPGRADES = \{",
         f"\nUPGRADES = {{{SCHEMA_VERSION}: 'ALTER TABLE jobs ADD COLUMN novelty TEXT', "))
    made.build(NEW, *schema)
    made.build(BROKEN, *schema, (
        "wxsync/cli.py", r"\ndef _run\(.*\n", r"\g<0>    raise SystemExit('broken on purpose')\n"))
    return made


class Site:
    """One machine with the releases in it."""

    def __init__(self, suite: str, directory: Path, releases: Releases) -> None:
        self.machine = Machine(suite, directory)
        for path in (*releases.directory.glob("*.tar.gz*"), Path(__file__).with_name("guest.py")):
            shutil.copy(path, self.machine.io)

    def boot(self, *scenarios: str, within_s: float = 180) -> str:
        """Boot once, run the scenarios, power off; fail with what was written when one fails."""
        lines = [f"/usr/bin/python3 -I -B /root/io/guest.py {scenario}" for scenario in scenarios]
        return _whole(self.machine.run("\n".join(["#!/bin/sh", "set -e", "cd /root", *lines, ""]), within_s))

    def chroot(self, *lines: str) -> str:
        """The same for shell lines, without booting."""
        return _whole(self.machine.chroot("\n".join(["#!/bin/sh", "set -e", "cd /root", *lines, ""])))


def _whole(result: Result) -> str:
    assert result.status == 0, f"exit status {result.status}\n{result.output[-12000:]}"
    return result.output


@pytest.fixture
def site(tmp_path: Path, releases: Releases) -> Iterator:
    """Return a function that makes a fresh machine of a suite."""
    made: list[Site] = []

    def make(suite: str) -> Site:
        made.append(Site(suite, tmp_path / suite, releases))
        return made[-1]

    yield make
    for each in made:
        each.machine.close()

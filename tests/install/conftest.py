"""A release built from this checkout, and how one is unpacked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.daemon import ROOT
from tests.support.release import NAME, WHEELS, pack
from tests.support.requirement import lacks


def build(output: Path, checkout: Path = ROOT, umask: int = 0o022) -> Path:
    before = os.umask(umask)
    try:
        done = pack(output, checkout, WHEELS)
    finally:
        os.umask(before)
    if done.returncode and not list(WHEELS.glob("*.whl")):
        lacks(f"the wheels could not be fetched: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    return output / NAME


@pytest.fixture(scope="session")
def archive(tmp_path_factory) -> Path:
    if not (ROOT / ".git").exists():
        lacks("no git checkout")
    return build(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def build_elsewhere():
    return build


@pytest.fixture
def top(archive, tmp_path) -> Path:
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(tmp_path)], check=True, timeout=60)
    return tmp_path / NAME[: -len(".tar.gz")]

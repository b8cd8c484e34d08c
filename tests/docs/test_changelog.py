"""A release finds its version and its changes, and nothing that does not fit is released."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.support.daemon import ROOT
from wxsync.version import VERSION


@pytest.fixture
def changes(tmp_path):
    """Run the release's script on a copy of the two files it reads."""
    for name in (".ci/changes.py", "wxsync/version.py", "docs/CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)

    def run(*tag: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(tmp_path / ".ci/changes.py"), *tag], text=True, timeout=60,
                              capture_output=True, check=False, env={"PYTHONIOENCODING": "utf-8"})

    return run


def test_the_present_version_has_its_changes(changes):
    done = changes(f"v{VERSION}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "## " not in done.stdout


def test_another_tag_is_refused(changes):
    for tag in ("v0.0.0", VERSION, "main"):
        assert changes(tag).returncode == 1
    assert changes().returncode == 2


def test_a_version_without_changes_is_refused(changes, tmp_path):
    (tmp_path / "docs/CHANGELOG.md").write_text(f"# x\n\n## {VERSION}\n\n## 0.0.9\n\n- old\n", encoding="utf-8")
    done = changes(f"v{VERSION}")
    assert (done.returncode, done.stdout) == (1, "")

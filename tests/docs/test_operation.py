"""The pages' commands for moving in, backup and restore, run as written but for the paths."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.conftest import ask, join, sandbox, start  # noqa: F401 - fixtures
from tests.support.daemon import ROOT, clean_environment
from tests.support.documents import block
from tests.support.operator_site import BOT, MIRROR, RELAY


@pytest.fixture
def run_block(tmp_path):
    """Run one of the page's blocks on a test's directories; starting and stopping is left to the test."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "systemctl").write_text("#!/bin/sh\n")
    (tools / "systemctl").chmod(0o755)
    (tools / "wxsyncd").write_text(f"#!/bin/sh\nexec {sys.executable} {ROOT}/wxsyncd.py \"$@\"\n")
    (tools / "wxsyncd").chmod(0o755)

    def run(having: str, places: dict[str, Path], page: str = "operation.md", **environ: str) -> None:
        text = block(page, "bash", having)
        for written, place in places.items():
            text = text.replace(written, str(place))
        subprocess.run(["bash", "-euc", text], check=True, timeout=60, env={
            **clean_environment(**environ), "PATH": f"{tools}:/usr/bin:/bin"})

    return run


def test_a_backup_of_a_running_daemon_brings_everything_back(sandbox, start, tmp_path, run_block):  # noqa: F811
    daemon = start()
    assert ask(sandbox, "nginx:latest").startswith("✅")
    day = (daemon.state_dir / "images.txt").read_text()
    places = {"/var/lib/wxsyncd": daemon.state_dir, "/var/backups/wxsyncd": tmp_path / "backups"}
    run_block("mkdir -p /var/backups/wxsyncd", places)
    assert sorted(path.name for path in (tmp_path / "backups").iterdir()) == ["images.txt", "wxsyncd.sqlite3"]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "backups").iterdir()} == {0o600}
    assert ask(sandbox, "redis:7.0").startswith("✅")
    daemon.kill()
    shutil.rmtree(daemon.state_dir)
    daemon.state_dir.mkdir(mode=0o700)
    run_block("rm -f /var/lib/wxsyncd/", places)
    join(sandbox, daemon.start())
    history = ask(sandbox, "历史")
    assert "nginx:latest" in history
    assert "redis:7.0" not in history
    assert (daemon.state_dir / "images.txt").read_text() == day
    assert daemon.stop() == 0


def test_a_restore_over_a_newer_database_leaves_nothing_of_it(sandbox, start, tmp_path, run_block):  # noqa: F811
    daemon = start()
    assert ask(sandbox, "nginx:latest").startswith("✅")
    places = {"/var/lib/wxsyncd": daemon.state_dir, "/var/backups/wxsyncd": tmp_path / "backups"}
    run_block("mkdir -p /var/backups/wxsyncd", places)
    assert ask(sandbox, "redis:7.0").startswith("✅")
    daemon.kill()  # leaves its write-ahead log behind
    assert list(daemon.state_dir.glob("*-wal"))
    run_block("rm -f /var/lib/wxsyncd/", places)
    join(sandbox, daemon.start())
    assert "redis:7.0" not in ask(sandbox, "历史")


def test_a_link_that_the_service_left_leads_root_nowhere(tmp_path, run_block):
    state, kept, others = tmp_path / "state", tmp_path / "backups", tmp_path / "others"
    for directory in (state, kept):
        directory.mkdir()
        sqlite3.connect(directory / "wxsyncd.sqlite3").close()
    others.write_text("root's own\n")
    places = {"/var/lib/wxsyncd": state, "/var/backups/wxsyncd": kept}
    (state / "images.txt").symlink_to(others)
    run_block("mkdir -p /var/backups/wxsyncd", places)
    assert (kept / "images.txt").is_symlink()  # not what it leads to, which the service could read after a restore
    (kept / "images.txt").unlink()
    (kept / "images.txt").write_text("nginx:latest\n")
    run_block("rm -f /var/lib/wxsyncd/", places)
    assert others.read_text() == "root's own\n"
    assert (state / "images.txt").read_text() == "nginx:latest\n"


def test_a_copy_of_the_whole_directory_of_a_stopped_daemon_brings_everything_back(
    sandbox, start, tmp_path, run_block  # noqa: F811
):
    daemon = start()
    assert ask(sandbox, "nginx:latest").startswith("✅")
    daemon.kill()  # the copy must hold what is still in the write-ahead log
    places = {"/var/lib/wxsyncd": daemon.state_dir, "/var/backups": tmp_path / "backups"}
    run_block("-czf", places)
    join(sandbox, daemon.start())
    assert ask(sandbox, "redis:7.0").startswith("✅")
    assert daemon.stop() == 0
    run_block("-xzf", places)
    join(sandbox, daemon.start())
    history = ask(sandbox, "历史")
    assert "nginx:latest" in history
    assert "redis:7.0" not in history
    assert daemon.stop() == 0


def test_both_old_programs_move_in(tmp_path, run_block):
    for directory, variables in (("syncfiles", {**BOT, **MIRROR}), ("wework_proxy_app", RELAY)):
        (tmp_path / directory).mkdir()
        text = "".join(f"{name}={value}\n" for name, value in variables.items())
        (tmp_path / directory / ".env").write_text(text)
    (tmp_path / "syncfiles" / "images.txt").write_text("nginx:latest to r.example/acme/nginx:latest\n")
    (tmp_path / "etc").mkdir()
    run_block("--output", {"/path/to": tmp_path, "/etc/wxsyncd": tmp_path / "etc"},
              page="migration.md", STATE_DIRECTORY=str(tmp_path / "state"))
    assert (tmp_path / "etc" / "wxsync.conf").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state" / "images.txt").read_text() == "nginx:latest -> nginx:latest\n"

"""systemd/copy-config runs as root in a directory that the service may write: no trick in there may lead it astray."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.daemon import ROOT


@pytest.fixture
def directory(tmp_path):
    runtime = tmp_path / "run" / "wxsyncd"
    runtime.mkdir(parents=True)
    (tmp_path / "wxsync.conf").write_text("[proxy]\n")
    return runtime


def copy(tmp_path, directory, *more: str) -> int:
    command = [str(ROOT / "systemd/copy-config"), str(tmp_path / "wxsync.conf"), str(directory), *more]
    return subprocess.run(command, stderr=subprocess.PIPE, timeout=30, check=False).returncode


def left_over(directory) -> list[str]:
    return sorted(path.name for path in directory.parent.iterdir())


def test_the_copy_is_its_owners_alone(tmp_path, directory):
    for _ in range(2):
        assert copy(tmp_path, directory) == 0
        made = directory / "wxsync.conf"
        assert made.read_text() == "[proxy]\n"
        assert made.stat().st_mode & 0o777 == 0o400
        assert made.stat().st_uid == directory.stat().st_uid
    assert left_over(directory) == ["wxsyncd"]


def test_a_missing_file_leaves_no_old_copy(tmp_path, directory):
    assert copy(tmp_path, directory) == 0
    (tmp_path / "wxsync.conf").unlink()
    assert copy(tmp_path, directory) != 0
    assert list(directory.iterdir()) == []
    assert left_over(directory) == ["wxsyncd"]


def test_a_link_in_the_directory_is_replaced_not_followed(tmp_path, directory):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (directory / "wxsync.conf").symlink_to(victim)
    assert copy(tmp_path, directory) == 0
    assert victim.read_text() == "untouched"
    assert not (directory / "wxsync.conf").is_symlink()


def test_secrets_are_copied_too_where_that_is_asked_for(tmp_path, directory):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/wecom.secret").write_text("s")
    assert copy(tmp_path, directory, str(tmp_path / "secrets")) == 0
    assert (directory / "secrets/wecom.secret").read_text() == "s"
    assert (directory / "secrets/wecom.secret").stat().st_mode & 0o077 == 0
    assert (directory / "wxsync.conf").exists()
    assert copy(tmp_path, directory) == 0
    assert left_over(directory) == ["wxsyncd"]


def test_the_directory_itself_may_be_a_link_of_systemd(tmp_path, directory):
    link = directory.parent / "link"
    link.symlink_to("wxsyncd")
    assert copy(tmp_path, link) == 0
    assert (directory / "wxsync.conf").exists()

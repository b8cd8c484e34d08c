"""wxsyncd import-env as an operator types it: files, modes, exit statuses, the old images.txt."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from tests.support.daemon import ROOT, clean_environment
from tests.support.operator_site import BOT, MIRROR, RELAY
from wxsync.jobs.imagelist import parse

ENV = "".join(f"{name}={value}\n" for name, value in {**BOT, **MIRROR, **RELAY}.items())
OLD_LIST = """\ufeffnginx:latest to r.example/acme/nginx:latest\r
--platform=linux/arm64 redis:7.0 to r.example/acme/redis:7.0\r
mysql:8.0
# request 20260102-030405-a1b2
 quay.io/other/redis:7.0  ->  other_redis:7.0
Not An Image
"""


@pytest.fixture
def import_env(tmp_path):
    (tmp_path / ".env").write_text(ENV)

    def run(*arguments: str, **more) -> subprocess.CompletedProcess[str]:
        more.setdefault("stdout", subprocess.PIPE)
        return subprocess.run(
            [sys.executable, str(ROOT / "wxsyncd.py"), "import-env", *arguments], cwd=tmp_path, text=True, timeout=60,
            env=clean_environment(STATE_DIRECTORY=str(tmp_path / "state")), stderr=subprocess.PIPE, check=False, **more)

    return run


def mode(path) -> int:
    return path.stat().st_mode & 0o777


def check(tmp_path) -> int:
    return subprocess.run(
        [sys.executable, str(ROOT / "wxsyncd.py"), "check-config", "--config", "wxsync.conf"], cwd=tmp_path,
        env=clean_environment(), timeout=60, check=False, capture_output=True).returncode


def test_the_file_is_the_owners_alone_good_as_it_is_and_never_overwritten(tmp_path, import_env):
    done = import_env(".env", "--output", "wxsync.conf")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "已写入 wxsync.conf\n")
    assert mode(tmp_path / "wxsync.conf") == 0o600
    assert check(tmp_path) == 0
    before = (tmp_path / "wxsync.conf").read_bytes()
    again = import_env(".env", "--output", "wxsync.conf")
    assert again.returncode == 1
    assert "不覆盖" in again.stderr
    assert (tmp_path / "wxsync.conf").read_bytes() == before
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert import_env(".env", "--output", "link").returncode == 1
    assert not (tmp_path / "elsewhere").exists()
    assert import_env(".env", "--output", "no/such/directory").returncode == 1


def test_a_redirected_file_is_whole_and_private_while_a_pipe_sees_no_secret(tmp_path, import_env):
    with (tmp_path / "wxsync.conf").open("w") as file:
        assert import_env(".env", stdout=file).returncode == 0
    assert mode(tmp_path / "wxsync.conf") == 0o600
    assert check(tmp_path) == 0
    shown = import_env(".env").stdout
    assert BOT["CORP_ID"] in shown
    assert not any(secret in shown for secret in (BOT["SECRET"], BOT["TOKEN"], MIRROR["GITHUB_TOKEN"]))


def test_without_a_standard_output_nothing_is_shown_and_nothing_breaks(import_env):
    done = import_env(".env", stdout=None, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_leaves_no_half_a_file(tmp_path, import_env):
    done = import_env(
        ".env", "--output", "wxsync.conf", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)))
    assert (done.returncode, "写到一半失败" in done.stderr) == (1, True)
    assert not (tmp_path / "wxsync.conf").exists()


def test_problems_are_told_on_stderr_and_the_file_is_written_all_the_same(tmp_path, import_env):
    (tmp_path / "bad.env").write_text("SECRET='a b'\nFLASK_APP=x\n")
    done = import_env(".env", "bad.env", "--output", "wxsync.conf")
    assert done.returncode == 3
    assert f"{tmp_path}/bad.env:1 SECRET [wecom] secret = （不显示）" in done.stderr
    assert "FLASK_APP" in done.stderr
    assert "a b" not in done.stderr
    assert "# 错误：" in (tmp_path / "wxsync.conf").read_text()
    assert check(tmp_path) == 78


def test_a_file_that_cannot_be_read_and_a_bare_command_change_nothing(tmp_path, import_env):
    done = import_env(".env", "missing.env", "--output", "wxsync.conf")
    assert (done.returncode, done.stderr) == (2, f"{tmp_path}/missing.env: 没有这个文件 (检查文件名和目录)\n")
    assert not (tmp_path / "wxsync.conf").exists()
    assert import_env().returncode == 2
    assert import_env(".env", "--example").returncode == 2
    assert import_env("--images", "missing.txt", ".env").returncode == 2


def test_the_example_can_be_written_over_nothing(tmp_path, import_env):
    assert "\nCORP_ID=your_corp_id\n" in import_env("--example").stdout
    assert import_env("--example", "--output", "new.env").returncode == 0
    assert mode(tmp_path / "new.env") == 0o600


def test_an_old_list_is_taken_over_once(tmp_path, import_env):
    (tmp_path / "old.txt").write_bytes(OLD_LIST.encode())
    done = import_env(".env", "--images", "old.txt")
    assert done.returncode == 3
    assert "已带入 4 个镜像" in done.stderr
    assert "Not An Image（" in done.stderr
    target = tmp_path / "state" / "images.txt"
    text = target.read_text(encoding="utf-8")
    assert text == """\
nginx:latest -> nginx:latest
--platform=linux/arm64 redis:7.0 -> redis:7.0
mysql:8.0
# request 20260102-030405-a1b2
quay.io/other/redis:7.0 -> other_redis:7.0
# 读不懂：Not An Image
"""
    assert [block.request_id for block in parse(text)] == ["", "20260102-030405-a1b2"]
    assert (mode(target), mode(target.parent)) == (0o600, 0o700)
    assert import_env(".env", "--images", "old.txt").returncode == 3  # the very same again
    (tmp_path / "old.txt").write_text("alpine:3\n")
    refused = import_env(".env", "--images", "old.txt")
    assert (refused.returncode, "不覆盖" in refused.stderr) == (1, True)
    assert target.read_text(encoding="utf-8") == text


def test_a_state_directory_that_cannot_be_is_told(tmp_path, import_env):
    (tmp_path / "old.txt").write_text("alpine:3\n")
    (tmp_path / "state").write_text("a file")
    done = import_env(".env", "--images", "old.txt")
    assert (done.returncode, "不能使用状态目录" in done.stderr) == (1, True)


def test_without_an_env_file_the_configuration_names_the_state_directory(tmp_path, import_env):
    (tmp_path / "old.txt").write_text("alpine:3\n")
    (tmp_path / "wxsync.conf").write_text(f"[proxy]\ntargets = http://h\n[server]\nstate_dir = {tmp_path}/other\n")
    assert import_env("--images", "old.txt", "--config", "wxsync.conf").returncode == 0
    assert (tmp_path / "other" / "images.txt").read_text() == "alpine:3\n"


def test_a_state_directory_in_use_is_left_alone(start, tmp_path, import_env):
    daemon = start()
    (tmp_path / "old.txt").write_text("alpine:3\n")
    done = import_env(".env", "--images", "old.txt")
    assert (done.returncode, "正在使用" in done.stderr) == (75, True)
    assert done.stderr.startswith(f"{daemon.state_dir}: 另一个 wxsyncd")
    assert not (daemon.state_dir / "images.txt").exists()
    assert daemon.get("/health")[0] == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write as another user")
def test_root_writes_as_the_owner_of_the_state_directory(tmp_path, import_env):
    (tmp_path / "old.txt").write_text("alpine:3\n")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    state = closed / "wxsyncd"
    state.mkdir(mode=0o700)
    os.chown(state, 12345, 12345)
    (tmp_path / "state").symlink_to(state)
    assert import_env(".env", "--images", "old.txt").returncode == 0
    assert {path.stat().st_uid for path in state.iterdir()} == {12345}
    assert (state / "images.txt").read_text() == "alpine:3\n"

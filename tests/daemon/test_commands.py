"""The commands about jobs, as an operator and cron run them: with a daemon, without one, and when it goes away."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.daemon.conftest import ask
from tests.support.daemon import ROOT, DaemonProcess, clean_environment, wait_for
from wxsync.sandbox.github.runs import Pace
from wxsync.sandbox.stand_ins import LOCAL
from wxsync.store.files import FileLock

ENTRY = str(ROOT / "wxsyncd.py")
ENDLESS = Pace(queued=0.02, plan=0.02, image=3600)
NOBODY, SYSTEM_PYTHON = 65534, "/usr/bin/python3"
PULL = "docker pull registry.cn-hangzhou.aliyuncs.com/wxsync-demo/"


class Commands:
    """Commands on one configuration; those still running are ended with the test."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.daemon = daemon
        self.python = sys.executable
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [self.python, ENTRY, "--config", str(self.daemon.config), *arguments], text=True,
            stdout=subprocess.PIPE, stderr=stderr, env=clean_environment(), cwd=self.daemon.config.parent)
        self.started.append(process)
        return process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def jobs(self) -> list[dict]:
        status, out, err = self.run("jobs", "--json")
        assert status == 0, err
        return json.loads(out)["jobs"]


def without_bot(settings: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {name: options for name, options in settings.items() if name != "wecom"}


@pytest.fixture
def commands(sandbox, tmp_path):
    """Return a function that configures a daemon that does not run yet, and gives the commands on it."""
    made: list[Commands] = []

    def make(*, has_bot: bool = True, has_upload: bool = True, **changes: dict[str, str]) -> Commands:
        settings = sandbox.settings() if has_bot else without_bot(sandbox.settings())
        settings["github"]["poll"] = "0.05"
        settings["server"] = {"listen": "127.0.0.1:0=bot" if has_bot else "127.0.0.1:0"}
        if not has_upload:
            del settings["qingstor"]
        for section, options in changes.items():
            settings.setdefault(section, {}).update(options)
        made.append(Commands(DaemonProcess(tmp_path, settings)))
        return made[-1]

    yield make
    for each in made:
        for process in each.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        each.daemon.stop()


@pytest.fixture(params=["daemon", "alone"])
def here(request, commands):
    """The commands, with a daemon and without one: what they print and mean is the same."""
    made = commands()
    if request.param == "daemon":
        made.daemon.start()
    return made


class TestSync:
    def test_pull_commands_are_printed_and_nobody_is_told_in_the_chat(self, sandbox, here):
        status, out, err = here.run("sync", "nginx:latest", "redis:7.0 -> cache:v7")
        assert (status, out) == (0, f"{PULL}nginx:latest\n{PULL}cache:v7\n"), err
        assert "#1 镜像同步：" in err
        assert sandbox.wecom.answers("cli") == []
        (commit,) = sandbox.github.commits()
        assert "by cli" in commit.message

    def test_a_lone_word_and_a_list_are_images_and_platform_holds_where_none_is_named(self, sandbox, here, tmp_path):
        (tmp_path / "images.txt").write_text("# kept by hand\nredis:7.0\n\n--platform=linux/amd64 mysql:8 -> db:v8\n"
                                             "# request r1\nredis:7.0\n")
        status, out, err = here.run("sync", "nginx", "--platform", "linux/arm64", "--file", "images.txt", "--json")
        assert status == 0, err
        (job,) = json.loads(out)["jobs"]
        assert [(item["source"], item["destination"].rpartition("/")[2]) for item in job["items"]] == [
            ("nginx:latest", "nginx:latest-arm64"), ("redis:7.0", "redis:7.0-arm64"), ("mysql:8", "db:v8")] or err
        assert "--platform=linux/arm64 nginx:latest" in sandbox.github.text("images.txt")
        assert "--platform=linux/amd64 mysql:8" in sandbox.github.text("images.txt")

    def test_partly_is_3_and_names_what_failed_on_stderr(self, here):
        status, out, err = here.run("sync", "nginx:latest", "redis:no-such")
        assert (status, out) == (3, f"{PULL}nginx:latest\n")
        assert "redis:no-such：镜像或标签不存在" in err
        assert "详情：http" in err

    def test_failed_is_1(self, here):
        status, out, err = here.run("sync", "redis:no-such")
        assert (status, out) == (1, "")
        assert "任务 #1 失败" in err

    def test_a_bad_image_is_1_with_its_reason_and_starts_nothing(self, sandbox, here):
        status, out, err = here.run("sync", "nginx:latest", "Nginx:a b")
        assert (status, out) == (1, "")
        assert "没有开始" in err
        assert sandbox.github.commits() == []

    def test_ctrl_c_cancels_and_tells_the_result(self, sandbox, here):
        sandbox.github.pace = ENDLESS
        process = here.start("sync", "nginx:latest")
        wait_for(lambda: sandbox.github.dispatches and sandbox.github.run(
            sandbox.github.dispatches[-1].run_id).status == "in_progress", "the run")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (1, "")
        assert "正在取消任务 #1" in err
        assert "任务 #1 已取消" in err
        assert sandbox.github.run(sandbox.github.dispatches[-1].run_id).conclusion == "cancelled"

    def test_a_terminal_sees_how_far_it_is(self, sandbox, here):
        sandbox.github.pace = Pace(queued=0.02, plan=0.02, image=0.8)
        ours, theirs = pty.openpty()
        process = here.start("sync", "nginx:latest", stderr=theirs)
        os.close(theirs)
        out, _ = process.communicate(timeout=30)
        shown = os.read(ours, 65536).decode()
        os.close(ours)
        assert (process.returncode, out) == (0, f"{PULL}nginx:latest\n")
        assert "\x1b[1A\x1b[J#1 镜像同步：工作流运行中" in shown
        assert shown.endswith("\x1b[J")


@pytest.mark.parametrize("has_daemon", [True, False])
def test_the_local_engine_is_asked_and_cancelled_the_same_way(sandbox, tmp_path, has_daemon):
    settings = without_bot(sandbox.settings(LOCAL))
    settings["server"] = {"listen": "127.0.0.1:0"}
    made = Commands(DaemonProcess(tmp_path, settings))
    if has_daemon:
        made.daemon.start()
    try:
        status, out, err = made.run("sync", "nginx:latest", "redis:no-such")
        assert (status, out) == (3, f"docker pull {sandbox.destination.address}/wxsync-demo/nginx:latest\n"), err
        assert "redis:no-such：" in err
        sandbox.source.server.fail_next("/", "hang", times=100)
        process = made.start("sync", "mysql:8.0")
        wait_for(lambda: "正在复制镜像" in process.stderr.readline(), "the copying")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (1, "")
        assert "任务 #2 已取消" in err
    finally:
        sandbox.source.server.faults.clear()
        made.daemon.stop()


class TestJobs:
    def test_they_are_listed_shown_cancelled_and_repeated(self, here):
        assert here.run("sync", "nginx:latest", "redis:no-such")[0] == 3
        status, out, _ = here.run("jobs")
        assert status == 0
        head, line = out.splitlines()
        assert head.split() == ["任务", "开始", "类型", "成员", "结果", "内容"]
        assert line.startswith("#1 ")
        assert line.endswith("部分成功  nginx:latest、redis:no-such")
        status, out, _ = here.run("jobs", "1")
        assert status == 0
        assert "任务 #1：镜像同步，cli，部分成功" in out
        assert "redis:no-such → " in out
        status, out, err = here.run("jobs", "retry", "#1")
        assert (status, out) == (1, "")
        assert "redis:no-such：" in err
        assert "nginx" not in err
        assert [job["id"] for job in json.loads(here.run("jobs", "--json", "--limit", "1")[1])["jobs"]] == [2]
        assert [job["id"] for job in json.loads(here.run("jobs", "--json", "--before", "2")[1])["jobs"]] == [1]
        assert json.loads(here.run("jobs", "2", "--json")[1])["items"][0]["result"] == "failed"
        assert here.run("jobs", "cancel", "2")[0] == 1
        status, _, err = here.run("jobs", "cancel", "99")
        assert (status, err) == (1, "没有任务 #99 (用 wxsyncd jobs 查看已有的任务)\n")
        assert here.run("jobs", "99")[0] == 1

    @pytest.mark.parametrize("arguments", [
        ("jobs", "cancel"), ("jobs", "stop", "1"), ("jobs", "1", "2"), ("jobs", "0"), ("jobs", "9" * 30),
        ("jobs", "-1"), ("jobs", "--limit", "0"), ("jobs", "--limit", "x"), ("jobs", "--before", "0"), ("jobs", "١"),
        ("sync",), ("sync", "--json"), ("sync", "#nothing"), ("sync", "https://h.example/a"), ("upload",),
        ("upload", "no-such-file"), ("upload", "https://hub.docker.com/_/nginx")])
    def test_what_means_nothing_is_2(self, commands, arguments):
        made = commands()
        status, out, err = made.run(*arguments)
        assert (status, out) == (2, "")
        assert err
        assert not made.daemon.state_dir.exists()

    def test_a_list_with_bad_lines_is_1_and_one_that_is_not_there_2(self, commands, tmp_path):
        made = commands()
        (tmp_path / "bad.txt").write_text("nginx:latest\n--platform=x redis\n")
        status, _, err = made.run("sync", "--file", "bad.txt")
        assert status == 1
        assert "--platform=x redis：" in err
        status, _, err = made.run("sync", "--file", "missing.txt")
        assert (status, err.startswith("missing.txt: 读不出清单")) == (2, True)
        (tmp_path / "large.txt").write_bytes(b"#" * (2 << 20))
        assert "太大" in made.run("sync", "--file", "large.txt")[2]


class TestDaemon:
    def test_the_running_one_does_it_and_keeps_what_it_did(self, sandbox, commands):
        made = commands()
        made.daemon.start()
        made.run("sync", "nginx:latest")
        assert "job taken" in made.daemon.log()
        assert made.daemon.get("/api/jobs/99", "admin")[0] == 404
        wait_for(lambda: "/api/jobs/99" in made.daemon.log(), "the line of a request that is no polling")
        assert "GET /api/jobs/1 " not in made.daemon.log()
        status, body = made.daemon.get("/api/jobs", "admin")
        assert (status, json.loads(body)["jobs"][0]["member"]) == (200, "cli")
        sandbox.wecom.call_at(f"http://127.0.0.1:{made.daemon.port()}/wechat/callback")
        assert "nginx:latest" in ask(sandbox, "历史")

    def test_several_web_processes_have_it_on_the_parents_listener(self, commands):
        made = commands(server={"processes": "2"})
        made.daemon.start()
        assert made.run("sync", "nginx:latest")[0] == 0

    def test_a_command_that_does_it_alone_prints_no_log_line_of_a_proxy_that_is_down(self, commands):
        made = commands(egress={"proxy_url": "http://127.0.0.1:9"})
        status, _, err = made.run("sync", "nginx:latest")
        assert (status, [line for line in err.splitlines() if not line.startswith("#1 ")]) == (0, [])

    def test_one_without_a_bot_does_it_too(self, commands):
        made = commands(has_bot=False)
        made.daemon.start()
        assert made.run("sync", "nginx:latest")[:2] == (0, f"{PULL}nginx:latest\n")
        assert made.daemon.get("/health", "admin")[0] == 200

    def test_one_that_only_relays_says_that_it_has_no_jobs(self, tmp_path, commands):
        made = Commands(DaemonProcess(tmp_path, {
            "proxy": {"targets": "http://127.0.0.1:9"}, "server": {"listen": "127.0.0.1:0=relay"}}))
        assert made.run("jobs")[0] == 78
        made.daemon.start()
        try:
            done = [made.run("sync", "nginx:latest"), made.run("jobs")]
            settings = (tmp_path / "wxsync.conf").read_text()
            (tmp_path / "wxsync.conf").write_text(  # as if it had not been reloaded yet
                settings + "[qingstor]\naccess_key_id = i\nsecret_access_key = k\nbucket = backup\n")
            status, _, err = made.run("jobs")
        finally:
            made.daemon.stop()
        asked = made.daemon.log().count("GET /api/jobs")
        assert [each[0] for each in done] == [78, 78]
        assert all("补上 [registry] 和 [github]，或 [qingstor]" in each[2] for each in done)
        assert (status, asked) == (75, 1)
        assert "没有任务功能" in err
        assert "重新加载" in err

    def test_two_commands_at_once_are_told_apart_by_75(self, sandbox, commands):
        sandbox.github.pace = ENDLESS
        made = commands()
        made.daemon.start()
        first = made.start("sync", "nginx:latest")
        wait_for(lambda: sandbox.github.dispatches, "the first dispatch")
        status, out, err = made.run("sync", "redis:7.0")
        assert (status, out) == (75, "")
        assert "已有任务正在处理中" in err
        assert made.run("jobs", "cancel", "1")[:2] == (0, "正在取消任务 #1；结果用 wxsyncd jobs 1 查看\n")
        first.communicate(timeout=30)
        assert first.returncode == 1
        assert [job["result"] for job in made.jobs()] == ["refused", "cancelled"]

    def test_waiting_in_the_queue_is_told_and_ends_well(self, sandbox, commands):
        sandbox.github.pace = Pace(queued=0.02, plan=0.02, image=1.5)
        made = commands(jobs={"when_busy": "queue"})
        made.daemon.start()
        first = made.start("sync", "nginx:latest")
        wait_for(lambda: sandbox.github.dispatches, "the first dispatch")
        status, out, err = made.run("sync", "redis:7.0")
        assert (status, out) == (0, f"{PULL}redis:7.0\n")
        assert "#2 镜像同步：排队中" in err
        assert first.wait(30) == 0

    def test_one_that_is_killed_in_the_middle_is_75_and_finishes_later(self, sandbox, commands):
        sandbox.github.pace = Pace(queued=0.02, plan=0.02, image=1.0)
        made = commands()
        made.daemon.start()
        process = made.start("sync", "nginx:latest")
        wait_for(lambda: sandbox.github.dispatches, "the dispatch")
        made.daemon.kill()
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (75, "")
        assert "守护进程没有应答" in err
        assert "任务 #1 已存下" in err
        made.daemon.start()
        wait_for(lambda: made.jobs()[0]["ended_at"], "the job's end")
        assert made.jobs()[0]["result"] == "succeeded"
        assert len(sandbox.github.dispatches) == 1

    def test_one_that_is_restarted_in_the_middle_is_followed_on(self, sandbox, commands):
        sandbox.github.pace = Pace(queued=0.02, plan=0.02, image=1.5)
        made = commands()
        made.daemon.start()
        process = made.start("sync", "nginx:latest")
        wait_for(lambda: sandbox.github.dispatches, "the dispatch")
        made.daemon.stop()
        made.daemon.start()
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, f"{PULL}nginx:latest\n"), err

    def test_the_token_of_the_configuration_is_sent_and_a_wrong_one_is_78(self, commands, tmp_path):
        made = commands(server={"admin_token": "open-sesame-open-sesame"})
        made.daemon.start()
        assert made.run("sync", "nginx:latest")[0] == 0
        made.daemon.config.write_text(made.daemon.config.read_text().replace("open-sesame-open", "shut"))
        status, _, err = made.run("jobs")
        assert status == 78
        assert "admin_token" in err
        assert "sesame" not in err + made.daemon.log()

    def test_a_daemon_on_all_addresses_needs_a_token_and_is_found(self, commands):
        made = commands(server={"admin_listen": "0.0.0.0:0"})
        assert made.run("jobs")[0] == 78
        made = commands(server={"admin_listen": "0.0.0.0:0", "admin_token": "open-sesame-open-sesame"})
        made.daemon.start()
        assert made.run("jobs")[0] == 0


def test_a_reader_that_has_seen_enough_is_no_fault(commands):
    process = commands().start("jobs")
    process.stdout.close()
    assert process.wait(30) == 0
    assert process.stderr.read() == ""
    process.stdout = None


class TestAlone:
    def test_a_second_command_is_75_while_the_first_runs(self, sandbox, commands):
        sandbox.github.pace = ENDLESS
        made = commands()
        first = made.start("sync", "nginx:latest")
        wait_for(lambda: sandbox.github.dispatches, "the first dispatch")
        status, _, err = made.run("jobs")
        assert status == 75
        assert "正在使用这个状态目录" in err
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=30)

    def test_a_command_that_was_killed_is_finished_by_the_next_daemon(self, sandbox, commands):
        sandbox.github.pace = Pace(queued=0.02, plan=0.02, image=1.0)
        made = commands()
        first = made.start("sync", "nginx:latest")
        wait_for(lambda: sandbox.github.dispatches, "the dispatch")
        first.kill()
        first.communicate()
        made.daemon.start()
        wait_for(lambda: made.jobs()[0]["ended_at"], "the job's end")
        assert made.jobs()[0]["result"] == "succeeded"
        assert len(sandbox.github.dispatches) == 1

    def test_the_second_ctrl_c_leaves_at_once(self, sandbox, commands):
        sandbox.github.pace = ENDLESS
        made = commands()
        made.daemon.start()
        process = made.start("sync", "nginx:latest")
        wait_for(lambda: sandbox.github.dispatches, "the dispatch")
        made.daemon.process.send_signal(signal.SIGSTOP)
        try:
            # Two signals that come at once count as one, so it is told again until it has left.
            wait_for(lambda: process.poll() is not None or process.send_signal(signal.SIGINT), "the end")
        finally:
            made.daemon.process.send_signal(signal.SIGCONT)
        assert process.returncode == 1
        assert "已离开" in process.communicate()[1]

    def test_without_a_mirror_there_is_nothing_to_run(self, tmp_path, sandbox, commands):
        settings = sandbox.settings()
        made = Commands(DaemonProcess(tmp_path, {"wecom": settings["wecom"]}))
        status, _, err = made.run("sync", "nginx:latest")
        assert status == 78
        assert "[registry]" in err

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_root_writes_as_the_owner_of_the_state_directory(self, commands):
        # pytest's own directories are root's alone, so nobody could reach one below them.
        with tempfile.TemporaryDirectory() as reachable:
            state = Path(reachable) / "state"
            state.mkdir()
            os.chown(state, NOBODY, NOBODY)
            Path(reachable).chmod(0o711)
            made = commands(server={"state_dir": str(state)})
            status, out, err = made.run("jobs")
            assert (status, out.splitlines()[1:]) == (0, []), err
            owners = {path.name: path.stat().st_uid for path in state.iterdir()}
            assert "wxsyncd.sqlite3" in owners
            assert set(owners.values()) == {NOBODY}


    @pytest.mark.skipif(os.geteuid() != 0 or not Path(SYSTEM_PYTHON).exists(), reason="only root becomes another user")
    def test_below_a_directory_for_root_only_the_daemon_is_found_and_without_it_told_to_be_started(
        self, commands, tmp_path
    ):
        """systemd's DynamicUser= keeps the state below /var/lib/private, which is 0700 and root's."""
        closed = tmp_path / "private"
        closed.mkdir(mode=0o700)
        state = closed / "state"
        state.mkdir()
        os.chown(state, NOBODY, NOBODY)
        made = commands(server={"state_dir": str(state)})
        status, _, err = made.run("jobs")
        assert (status, "systemctl start wxsyncd" in err) == (75, True), err
        made.daemon.state_dir = state
        made.daemon.start()
        for path in state.iterdir():
            os.chown(path, NOBODY, NOBODY)
        made.python = SYSTEM_PYTHON  # one whose library nobody can read, as an installed daemon's
        assert made.run("sync", "nginx:latest")[:2] == (0, f"{PULL}nginx:latest\n")


class TestUpload:
    def test_where_uploads_are_off_a_link_or_a_file_is_told_what_is_missing(self, commands, tmp_path):
        made = commands(has_upload=False)
        (tmp_path / "a.bin").write_bytes(b"x" * 100_000)
        made.daemon.start()
        for source in ("https://h.example/a.bin", "a.bin"):
            status, out, err = made.run("upload", source)
            assert (status, out) == (1, ""), err
            assert "qingstor.access_key_id" in err
        assert [job["kind"] for job in made.jobs()] == ["upload", "upload"]
        assert list((made.daemon.state_dir / "spool").iterdir()) == []

    def test_a_file_that_is_too_large_is_refused_with_and_without_a_daemon(self, commands, tmp_path):
        made = commands(has_upload=False, upload={"max_bytes": "1000"})
        (tmp_path / "a.bin").write_bytes(b"x" * 3_000_000)
        status, _, err = made.run("upload", "a.bin")
        assert (status, "太大" in err) == (1, True)
        made.daemon.start()
        status, _, err = made.run("upload", "a.bin")
        assert (status, "太大" in err) == (1, True), err
        assert list((made.daemon.state_dir / "spool").iterdir()) == []
        (tmp_path / "b.bin").write_bytes(b"x")
        status, _, err = made.run("upload", "a.bin", "b.bin")
        assert (status, "a.bin：" in err, "没有开始" in err) == (1, True, True), err

    def test_a_directory_and_a_pipe_are_no_files(self, commands, tmp_path):
        made = commands()
        os.mkfifo(tmp_path / "pipe")
        for name in (".", "pipe"):
            status, _, err = made.run("upload", name)
            assert status in {1, 2}, err

    def test_files_that_no_job_waits_for_are_swept_at_the_start(self, commands):
        made = commands()
        spool = made.daemon.state_dir / "spool"
        spool.mkdir(parents=True)
        (spool / "left").write_text("x")
        made.daemon.start()
        assert list(spool.iterdir()) == []


def test_a_lock_without_a_daemon_behind_it_is_75(commands):
    made = commands()
    made.daemon.state_dir.mkdir()
    lock = FileLock(Path(made.daemon.state_dir) / "wxsyncd.lock")
    assert lock.acquire()
    try:
        status, _, err = made.run("jobs")
    finally:
        lock.release()
    assert status == 75
    assert f"进程 {os.getpid()}" in err

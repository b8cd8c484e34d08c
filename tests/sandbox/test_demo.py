"""The demo as a process: exit status, what it prints, and that nothing is left behind however it ends."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.support.plain_client import call
from wxsync.sandbox import demo
from wxsync.sandbox.registry.images import digest_of, made
from wxsync.sandbox.server import Answer, Server

ROOT = Path(__file__).parents[2]
BOT = ROOT / "tests" / "support" / "echo_bot.py"
RUN = """
import os, sys
from pathlib import Path
from wxsync.sandbox import demo
message, entry, answer_s, engine = sys.argv[1:]
sys.exit(demo.run(message or None, python=sys.executable, entry=Path(entry), out=sys.stdout, environ=os.environ,
                  answer_s=float(answer_s), engine=engine))
"""


@pytest.fixture
def room(tmp_path):
    """Let the demo's directories be made where the test can see them."""
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def environment(room, **more):
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "TMPDIR": str(room), "PYTHONPATH": path, **more}


def start(room, message="", *, entry=BOT, answer_s=20.0, engine="actions", **more):
    command = [sys.executable, "-c", RUN, message, str(entry), str(answer_s), engine]
    return subprocess.Popen(command, cwd=room, text=True, env=environment(room, **more), stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def finish(process):
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


def read_until(process, pattern):
    """Read what the demo prints up to the line that matches."""
    text = ""
    for line in process.stdout:
        text += line
        if re.search(pattern, line):
            return text
    raise AssertionError(f"{pattern} was not printed:\n{text}")


def children(pid):
    """Return the processes started by one, by /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def wait_gone(pids, within_s=20.0):
    deadline = time.monotonic() + within_s
    while left := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(("message", "status", "shown"), [
    ("ok", 0, "✅ 镜像同步完成！成功 1 个"), ("partly", 3, "❌ 镜像同步失败：成功 1 个，失败 1 个"),
    ("failed", 1, "❌ 镜像同步失败：成功 0 个，失败 1 个"), ("help", 0, "ℹ️ 帮助")])
def test_a_message_ends_with_the_status_of_its_final_answer(room, message, status, shown):
    code, out = finish(start(room, message))
    assert (code, "Traceback" in out) == (status, False), out
    assert re.search(rf"—— 我  \S+ ——\n{message}\n", out)
    assert out.index("🔄 正在处理") < out.index(shown)
    assert "没有真正拷贝" in out
    assert (list(room.iterdir()) == []) == (status == 0)


def test_the_real_daemon_copies_and_the_digests_are_read_back(room):
    code, out = finish(start(room, "nginx:latest, redis:7.0", entry=ROOT / "wxsyncd.py", engine="local"))
    assert (code, "没有真正拷贝" in out) == (0, False), out
    assert "✅ 镜像同步完成！成功 2 个" in out
    for path, tag in (("nginx", "latest"), ("redis", "7.0")):
        digest = digest_of(made(f"docker.io/library/{path}", tag).index)
        assert f"  wxsync-demo/{path}:{tag}  {digest}\n" in out


def test_an_interpreter_and_environment_of_the_shell_do_not_reach_the_daemon(room):
    code, out = finish(start(room, "ok", TOKEN="of the shell", PORT="3000", WXSYNC_WECOM_TOKEN="x"))
    assert code == 0, out
    kept = demo._environment({"TOKEN": "x", "PATH": "/bin", "LC_ALL": "C", "WXSYNC_WECOM_TOKEN": "x"})
    assert sorted(kept) == ["LC_ALL", "PATH", "PYTHONPATH"]


def test_a_daemon_that_does_not_take_the_message_is_named(room):
    code, out = finish(start(room, "deaf"))
    assert (code, "消息没有送达" in out, "日志和状态保留在" in out) == (1, True, True), out


def test_waiting_for_an_answer_has_an_end(room):
    code, out = finish(start(room, "silent", answer_s=1.5))
    assert (code, "没有等到最终回答" in out) == (1, True), out


def test_a_daemon_that_dies_is_named_with_its_last_lines(room):
    code, out = finish(start(room, "die"))
    assert code == 1, out
    assert "守护进程意外退出（状态 9）" in out
    assert "echo bot: dying as asked" in out


@pytest.mark.parametrize(("program", "words"), [
    ("import sys; sys.exit('配置错误：缺 token')", "配置错误：缺 token"),
    ("import time; time.sleep(60)", "没有就绪")])
def test_a_daemon_that_does_not_come_up_is_named(room, tmp_path, program, words):
    entry = tmp_path / "entry.py"
    entry.write_text(f"{program}\n", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", "from wxsync.sandbox import demo; demo.START_S = 1.0\n" + RUN, "ok", str(entry), "5",
         "local"],
        cwd=room, env=environment(room), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    code, out = finish(process)
    assert (code, words in out) == (1, True), out


def test_a_daemon_that_fails_the_url_verification_is_named(room, tmp_path):
    entry = tmp_path / "entry.py"
    entry.write_text(BOT.read_text(encoding="utf-8").replace(
        'crypto.decrypt(self.identity, request.arg("echostr"))', 'b"wrong"'), encoding="utf-8")
    code, out = finish(start(room, "ok", entry=entry))
    assert (code, "回调 URL 验证失败" in out) == (1, True), out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_page_is_served_until_the_operator_ends_it(room, number):
    process = start(room)
    out = read_until(process, "打开聊天页面")
    address = re.search(r"http://127\.0\.0\.1:(\d+)/", out.partition("打开聊天页面")[2])
    assert b"<!doctype html>" in call(int(address.group(1)), "GET", "/").body
    pids = children(process.pid)
    assert len(pids) == 2
    process.send_signal(number)
    code, rest = finish(process)
    assert (code, "Traceback" in out + rest) == (0, False), rest
    assert not any(is_alive(pid) for pid in pids)
    assert list(room.iterdir()) == []


def test_interrupting_a_message_is_no_success(room):
    process = start(room, "silent")
    read_until(process, "🔄")
    process.send_signal(signal.SIGINT)
    code, out = finish(process)
    assert (code, "已中断" in out, "Traceback" in out) == (1, True, False), out


def test_a_killed_demo_takes_its_children_along(room):
    process = start(room)
    read_until(process, "打开聊天页面")
    pids = children(process.pid)
    process.kill()
    finish(process)
    assert len(pids) == 2
    wait_gone(pids)


def test_a_stand_in_that_dies_is_named(room):
    process = start(room)
    read_until(process, "打开聊天页面")
    stand_ins = min(children(process.pid))
    os.kill(stand_ins, signal.SIGKILL)
    code, out = finish(process)
    assert (code, "替身意外退出（状态 -9）" in out) == (1, True), out


def test_a_stand_in_that_dies_while_an_answer_is_awaited_is_named(room):
    process = start(room, "silent")
    read_until(process, "🔄")
    os.kill(min(children(process.pid)), signal.SIGKILL)
    code, out = finish(process)
    assert (code, "替身意外退出（状态 -9）" in out, "Traceback" in out) == (1, True, False), out


LEAK = """
import sys, time
from tests.support import echo_bot
from tests.support.plain_client import call


class Leaky(echo_bot.EchoBot):
    def answer(self, text):
        port, repo = int(SETTINGS["github"]["api_base"].rpartition(":")[2]), f"/repos/{SETTINGS['github']['repo']}"
        token = {"Authorization": "Bearer " + SETTINGS["github"]["token"], "User-Agent": "x"}
        run = call(port, "POST", repo + "/actions/workflows/docker-image-sync.yml/dispatches",
                   {"ref": "main", "return_run_details": True}, token).json()["workflow_run_id"]
        log = f"{repo}/actions/jobs/{run * 1000}/logs"
        while (reply := call(port, "GET", log, None, token)).status != 302:
            time.sleep(0.05)
        host, _, path = reply.headers["location"][len("http://"):].partition("/")
        call(int(host.rpartition(":")[2]), "GET", "/" + path, None, token)
        super().answer(text)


def keep(settings):
    global SETTINGS
    SETTINGS = settings
    return Leaky(settings)


echo_bot.main(sys.argv[2], keep)
"""


def test_a_token_sent_to_the_log_host_spoils_the_success(room, tmp_path):
    entry = tmp_path / "entry.py"
    entry.write_text(LEAK, encoding="utf-8")
    code, out = finish(start(room, "ok", entry=entry))
    assert (code, "替身出错" in out, "TokenLeaked" in out, "✅" in out) == (1, True, True, True), out


def test_only_the_daemons_own_listeners_that_answer_count_as_ready(tmp_path):
    path = tmp_path / "listeners.json"
    assert demo._bot_port(path, 7) == 0
    listeners = [{"part": "relay", "host": "127.0.0.1", "port": 1}, {"part": "all", "host": "127.0.0.1", "port": 2}]
    path.write_text(json.dumps({"pid": 7, "listeners": listeners}))
    assert [demo._bot_port(path, pid) for pid in (7, 8)] == [2, 0]
    path.write_text(json.dumps({"pid": 7, "listeners": listeners[:1]}))
    assert demo._bot_port(path, 7) == 0
    server = Server(lambda request: Answer(503))
    assert not demo._is_healthy(server.port)
    server.close()
    assert not demo._is_healthy(server.port)


def test_the_configuration_is_readable_by_its_owner_alone(room):
    process = start(room)
    read_until(process, "打开聊天页面")
    (made,) = room.iterdir()
    assert [(made / name).stat().st_mode & 0o777 for name in ("", "wxsync.conf", "state")] == [0o700, 0o600, 0o700]
    text = (made / "wxsync.conf").read_text(encoding="utf-8")
    assert "listen = 127.0.0.1:0=bot" in text
    assert json.loads((made / "state" / "listeners.json").read_text())["pid"] in children(process.pid)
    process.terminate()
    assert finish(process)[0] == 0


def test_run_gives_the_signals_back(room, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    entry = tmp_path / "entry.py"
    entry.write_text("raise SystemExit(78)\n")
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    out = io.StringIO()
    assert demo.run("x", python=sys.executable, entry=entry, out=out, environ=environment(room)) == 1
    assert "守护进程意外退出（状态 78）" in out.getvalue() or "替身" in out.getvalue()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

"""Running the daemon: signals, health, metrics, several processes, reload."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.conftest import ask, is_final, join
from tests.support.daemon import ROOT, DaemonProcess, clean_environment, wait_for
from wxsync.sandbox.github.runs import Pace


def health(daemon: DaemonProcess, part: str = "bot") -> tuple[int, dict[str, object]]:
    status, body = daemon.get("/health", part)
    return status, json.loads(body)


def test_health_is_told_on_every_listener_and_shows_no_secret(sandbox, start):
    daemon = start()
    for part in ("bot", "admin"):
        status, facts = health(daemon, part)
        assert (status, facts["status"]) == (200, "ok")
        assert sandbox.wecom.identity.secret not in json.dumps(facts)
    assert daemon.get("/metrics")[0] == 404
    assert daemon.get("/wework-callback")[0] == 404


def test_health_fails_when_the_store_cannot_be_written(sandbox, start, tmp_path):
    daemon = start()
    database = daemon.state_dir / "wxsyncd.sqlite3"
    database.rename(tmp_path / "aside")
    database.mkdir()
    daemon.stop()
    (daemon.state_dir / "listeners.json").unlink(missing_ok=True)
    daemon.launch()
    assert daemon.process.wait(20) == 1
    assert str(database) in daemon.log()


def test_while_the_store_cannot_be_written_callbacks_are_to_be_repeated_and_health_fails(sandbox, start):
    """Another process holds SQLite's write lock: every write fails, as on a full disk."""
    daemon = start()
    lock = sqlite3.connect(daemon.state_dir / "wxsyncd.sqlite3", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    delivery = sandbox.wecom.send_text("zhangsan", "帮助")
    assert {attempt.status for attempt in delivery.attempts} == {503}
    wait_for(lambda: health(daemon)[0] == 503, "an unhealthy answer")
    assert "store cannot be written" in health(daemon)[1]["troubles"]
    lock.rollback()
    lock.close()
    assert sandbox.wecom.deliver(delivery.push).is_accepted
    assert sandbox.wecom.wait_for("zhangsan", is_final, within_s=20).text.startswith("ℹ️ 使用帮助")
    wait_for(lambda: health(daemon)[0] == 200, "a healthy answer")


def test_sigterm_ends_within_ten_seconds_though_github_hangs(sandbox, start):
    daemon = start()
    sandbox.github.server.fail_next("/", "hang", times=100)
    sandbox.wecom.send_text("zhangsan", "nginx:latest")
    sandbox.github.server.wait_seen("GET", "/contents/")
    assert daemon.stop(within_s=10) == 0
    assert not (daemon.state_dir / "listeners.json").exists()
    sandbox.github.server.faults.clear()
    join(sandbox, daemon.start())
    assert sandbox.wecom.wait_for("zhangsan", is_final, within_s=20).text.startswith("✅")


def test_sigterm_is_heard_whichever_thread_the_kernel_gives_it_to(sandbox, start):
    """After a stop and a continuation Linux prefers a thread other than the main one, which alone runs handlers."""
    daemon = start()
    for _ in range(3):
        daemon.process.send_signal(signal.SIGSTOP)
        state = f"/proc/{daemon.process.pid}/stat"
        wait_for(lambda: " T " in Path(state).read_text(), "the stop")  # noqa: B023 read at once
        daemon.process.send_signal(signal.SIGCONT)
        assert daemon.stop(within_s=10) == 0
        daemon.start()


def test_sighup_takes_the_new_configuration_and_a_wrong_one_changes_nothing(sandbox, start):
    daemon = start()
    assert ask(sandbox, "帮助").startswith("ℹ️")
    settings = sandbox.settings()
    settings["github"]["poll"] = "0.05"
    settings["wecom"]["allow_users"] = "lisi"
    settings["server"] = {"processes": "2"}
    daemon.configure(settings)
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "reloaded" in daemon.log(), "the reload")
    assert "server.processes" in daemon.log()
    assert ask(sandbox, "nginx:latest").startswith("⚠️ 没有开始\n你不在")
    daemon.config.write_text("[wecom]\nnonsense = 1\n")
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "reload refused" in daemon.log(), "the refusal")
    assert ask(sandbox, "nginx:latest").startswith("⚠️ 没有开始\n你不在")
    assert health(daemon)[0] == 200


def test_a_reload_in_the_middle_of_a_job_finishes_it_once(sandbox, start):
    sandbox.github.pace = Pace(image=1.0)
    daemon = start()
    sandbox.wecom.send_text("zhangsan", "nginx:latest")
    wait_for(lambda: sandbox.github.dispatches, "the dispatch")
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "reloaded" in daemon.log(), "the reload")
    sandbox.wecom.wait_for("zhangsan", is_final, within_s=20)
    assert [text[0] for text in sandbox.wecom.answers("zhangsan")] == ["🔄", "✅"]
    assert len(sandbox.github.dispatches) == 1


def test_two_web_processes_take_callbacks_and_one_parent_does_the_jobs(sandbox, start):
    daemon = start(server={"processes": "2"})
    sandbox.wecom.verify()
    assert ask(sandbox, "nginx:latest").startswith("✅")
    assert health(daemon)[0] == 200
    wait_for(lambda: re.search(rb'\nwxsync_http_requests_total\{.*class="2xx".*\} [1-9]',
                               daemon.get("/metrics", "admin")[1]), "the counted callbacks")
    os.kill(daemon.process.pid, signal.SIGKILL)
    daemon.process.wait(20)
    wait_for(lambda: _is_refused(daemon), "the end of the web processes with their parent")


def _is_refused(daemon: DaemonProcess) -> bool:
    try:
        daemon.get("/health")
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def test_web_processes_reload_too(sandbox, start):
    daemon = start(server={"processes": "2"})
    settings = sandbox.settings()
    settings["server"] = {"processes": "2"}
    settings["wecom"]["path"] = "/other/callback"
    daemon.configure(settings)
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "reloaded" in daemon.log(), "the reload")
    sandbox.wecom.call_at(f"http://127.0.0.1:{daemon.port()}/other/callback")
    sandbox.wecom.verify()
    assert daemon.stop() == 0


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_relay_needs_neither_bot_nor_pycryptodome(tmp_path, processes):
    (tmp_path / "Crypto").mkdir()
    (tmp_path / "Crypto" / "__init__.py").write_text("raise ModuleNotFoundError('no pycryptodome')\n")
    daemon = DaemonProcess(tmp_path, {"proxy": {"targets": "http://127.0.0.1:9"},
                                      "server": {"listen": "127.0.0.1:0=relay", "processes": processes}})
    daemon.start()
    try:
        assert health(daemon, "relay")[0] == 200
        assert daemon.get("/wework-callback/x", "relay")[0] == 502
    finally:
        assert daemon.stop() == 0


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_bot_without_pycryptodome_is_refused_by_the_check_and_before_anything_starts(sandbox, tmp_path, processes):
    (tmp_path / "Crypto").mkdir()
    (tmp_path / "Crypto" / "__init__.py").write_text("raise ModuleNotFoundError('no pycryptodome')\n")
    environ = clean_environment(PYTHONPATH=str(tmp_path))
    daemon = DaemonProcess(tmp_path, {**sandbox.settings(), "egress": {"proxy_url": "http://127.0.0.1:9"},
                                      "server": {"processes": processes}}, environ=environ)
    daemon.launch()
    assert daemon.process.wait(20) == 78
    (line,) = daemon.log().splitlines()
    assert line.startswith("机器人需要 pycryptodome")
    checked = subprocess.run(
        [sys.executable, str(ROOT / "wxsyncd.py"), "check-config", "--config", str(daemon.config)], env=environ,
        capture_output=True, text=True, timeout=60, check=False)
    assert (checked.returncode, checked.stdout) == (78, f"{line}\n")


def test_a_port_that_is_taken_is_named(sandbox, tmp_path, start):
    daemon = start()
    (tmp_path / "second").mkdir()
    second = DaemonProcess(tmp_path / "second", {**sandbox.settings(),
                                                 "server": {"listen": f"127.0.0.1:{daemon.port()}=bot"}})
    second.launch()
    assert second.process.wait(20) == 75
    assert f"127.0.0.1:{daemon.port()}" in second.log()

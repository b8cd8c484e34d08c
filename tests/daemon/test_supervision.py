"""What the daemon tells systemd and takes from it, played by a datagram socket and inherited descriptors."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.daemon import ROOT, DaemonProcess, clean_environment, wait_for
from wxsync.daemon.supervision import Supervision, take
from wxsync.errors import ConfigError
from wxsync.options.addresses import Listener
from wxsync.version import VERSION

ENTRY = str(ROOT / "wxsyncd.py")
RELAY = {"proxy": {"targets": "http://127.0.0.1:9"}, "server": {"listen": "127.0.0.1:0=relay"}}
# Become the daemon with a socket as descriptor 3, as systemd hands it over.
HAND_OVER = """
import os, sys
descriptor, name = int(sys.argv[1]), sys.argv[2]
os.dup2(descriptor, 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES=name)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Manager:
    """The other end of $NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(20)

    def next(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().split("\n"))

    def until(self, name: str) -> dict[str, str]:
        while name not in (told := self.next()):
            pass
        return told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.close()


@pytest.fixture
def started(tmp_path):
    daemons = []

    def start(settings=RELAY, command=(ENTRY,), **environ: str) -> DaemonProcess:
        daemon = DaemonProcess(tmp_path, settings, command=command, environ=clean_environment(**environ))
        daemons.append(daemon)
        return daemon.start()

    yield start
    for daemon in daemons:
        daemon.stop()


def test_ready_reload_and_stop_are_told(manager, started, tmp_path):
    daemon = started(NOTIFY_SOCKET=str(tmp_path / "notify"))
    told = manager.next()
    assert told["READY"] == "1"
    assert f"relay=127.0.0.1:{daemon.port('relay')}" in told["STATUS"]
    assert VERSION in told["STATUS"]
    daemon.process.send_signal(signal.SIGHUP)
    told = manager.next()
    assert told["RELOADING"] == "1"
    assert int(told["MONOTONIC_USEC"]) > 0
    assert manager.next()["READY"] == "1"
    daemon.config.write_text("[wrong]\n")
    daemon.process.send_signal(signal.SIGHUP)
    assert manager.next()["RELOADING"] == "1"
    assert manager.next()["READY"] == "1"  # refused, but over
    assert daemon.stop() == 0
    assert manager.next() == {"STOPPING": "1"}


def test_an_abstract_address_is_understood(started):
    name = f"wxsyncd-test-{os.getpid()}"
    manager = Manager(f"\0{name}")
    try:
        started(NOTIFY_SOCKET=f"@{name}")
        assert manager.next()["READY"] == "1"
    finally:
        manager.close()


def test_the_watchdog_is_put_off_while_all_is_well_and_not_by_a_stopped_process(manager, started, tmp_path):
    daemon = started(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000")
    for _ in range(3):
        assert manager.until("WATCHDOG") == {"WATCHDOG": "1"}
    daemon.process.send_signal(signal.SIGSTOP)
    manager._socket.settimeout(1)
    with pytest.raises(socket.timeout):
        for _ in range(20):  # what was under way when it stopped
            manager.next()
    daemon.process.send_signal(signal.SIGCONT)
    manager._socket.settimeout(20)
    manager.until("WATCHDOG")


def test_the_watchdog_of_another_process_is_not_ours(manager, started, tmp_path):
    started(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="100000", WATCHDOG_PID="1")
    assert "READY" in manager.next()
    manager._socket.settimeout(0.5)
    with pytest.raises(socket.timeout):
        manager.next()


def test_a_manager_that_is_gone_stops_nothing(started, tmp_path):
    daemon = started(NOTIFY_SOCKET=str(tmp_path / "nobody"), WATCHDOG_USEC="100000")
    assert daemon.get("/health", "relay")[0] == 200


def test_web_processes_inherit_nothing_of_it(manager, started, tmp_path):
    settings = {**RELAY, "server": {**RELAY["server"], "processes": "2"}}
    daemon = started(settings, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="60000000")
    children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split()
    assert len(children) == 2
    for child in children:
        names = {line.split(b"=")[0] for line in Path(f"/proc/{child}/environ").read_bytes().split(b"\0")}
        assert not names & {b"NOTIFY_SOCKET", b"WATCHDOG_USEC"}


def handed_over(name: str, listener: socket.socket, config: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-c", HAND_OVER, str(listener.fileno()), name, sys.executable, ENTRY, "--config",
             str(config)],
            pass_fds=[listener.fileno()], env=clean_environment(), stdout=output, stderr=output)


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_a_handed_socket_stands_in_for_its_part_and_survives_a_restart(listener, tmp_path):
    port = listener.getsockname()[1]
    # The same port in the configuration is not bound again.
    daemon = DaemonProcess(tmp_path, {**RELAY, "server": {"listen": f"127.0.0.1:{port}=relay"}})
    for _ in range(2):
        process = handed_over("relay", listener, daemon.config, tmp_path / "log")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=20) as answer:
                assert json.load(answer)["status"] == "ok"
            wait_for((daemon.state_dir / "listeners.json").exists, "listeners.json")
            assert daemon.port("relay") == port
        finally:
            process.terminate()
            assert process.wait(20) == 0


@pytest.mark.parametrize("name", ["bot", "wxsyncd.socket"])
def test_a_socket_of_a_part_that_is_off_or_unknown_ends_in_78(name, listener, tmp_path):
    daemon = DaemonProcess(tmp_path, RELAY)
    process = handed_over(name, listener, daemon.config, tmp_path / "log")
    assert process.wait(20) == 78
    assert "socket 单元" in (tmp_path / "log").read_text()


def test_what_is_no_listening_tcp_socket_is_refused(tmp_path):
    daemon = DaemonProcess(tmp_path, RELAY)
    left, right = socket.socketpair()
    with left, right:
        process = handed_over("relay", left, daemon.config, tmp_path / "log")
        assert process.wait(20) == 78
        assert "ListenStream" in (tmp_path / "log").read_text()


def test_a_descriptor_that_is_not_there_is_refused(tmp_path):
    daemon = DaemonProcess(tmp_path, RELAY)
    done = subprocess.run(
        ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=relay exec "$@" 3<&-', "sh", sys.executable, ENTRY,
         "--config", str(daemon.config)], env=clean_environment(), capture_output=True, text=True, timeout=60,
        check=False)
    assert done.returncode == 78, done.stderr
    assert "描述符" in done.stderr


def test_descriptors_for_another_process_are_not_taken():
    environ = {"LISTEN_FDS": "3", "LISTEN_PID": "1", "WATCHDOG_USEC": "x", "HOME": "/"}
    assert take(environ, 4711) == Supervision()
    assert environ == {"HOME": "/"}


def test_which_listeners_are_still_to_be_bound():
    bot, relay, both = Listener("0.0.0.0", 3000, "bot"), Listener("0.0.0.0", 8502, "relay"), Listener("::", 80, "all")
    with socket.create_server(("127.0.0.1", 0)) as handed:
        given = Supervision(sockets=((handed, "bot"),))
        assert given.of_parts([bot, relay]) == ([(handed, "bot")], [relay])
        assert given.of_parts([both]) == ([(handed, "bot")], [both])
        same = Listener("0.0.0.0", handed.getsockname()[1], "all")
        assert given.of_parts([same]) == ([(handed, "bot")], [])
        with pytest.raises(ConfigError, match="没有启用"):
            given.of_parts([relay])
    assert Supervision().of_parts([bot]) == ([], [bot])


def test_errors_name_the_original_of_a_copied_configuration(tmp_path):
    copy, origin = tmp_path / "copy.conf", "/etc/wxsyncd/wxsync.conf"
    command = [sys.executable, ENTRY, "run", "--config", str(copy), "--config-origin", origin]

    def run() -> str:
        done = subprocess.run(command, env=clean_environment(), text=True, capture_output=True, timeout=60, check=False)
        assert done.returncode == 78
        assert str(tmp_path) not in done.stderr
        return done.stderr

    assert f"{origin}: 没有这个文件" in run()
    copy.write_text("[proxy]\ntarget = x\n[nosuch]\n")
    assert f"{origin}:2" in (told := run())
    assert f"{origin}:3" in told


def test_errors_reach_the_journal_as_errors(tmp_path):
    with (tmp_path / "journal").open("wb") as journal:
        stat = os.fstat(journal.fileno())
        done = subprocess.run(
            [sys.executable, ENTRY, "run", "--config", str(tmp_path / "none")], stderr=journal, timeout=60, check=False,
            env=clean_environment(JOURNAL_STREAM=f"{stat.st_dev}:{stat.st_ino}"))
    assert done.returncode == 78
    lines = (tmp_path / "journal").read_text().splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("<3>") for line in lines)

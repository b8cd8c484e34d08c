"""The installer on a root of its own: real files, a stand-in for systemctl, a real health check."""

from __future__ import annotations

import fcntl
import http.server
import json
import os
import shutil
import socket
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from installer import checks, configuration, ports, record
from installer.checks import Wish
from installer.command_line import Surroundings, main
from installer.configuration import Configuration
from installer.host import Host
from installer.layout import Layout
from installer.package import Package
from installer.record import Record

from tests.support.release import other_version
from wxsync.store.database import SCHEMA_VERSION
from wxsync.version import VERSION

NEWER, NEWEST = "99.0.0", "99.0.1"
# What it was asked is a line of the log; what it answers lies beside it.
SYSTEMCTL = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/log"
case $1 in
--version) echo "systemd $(cat "$here/version") (test)" ;;
is-active) if [ "$2" = wxsyncd.service ]; then cat "$here/active"; else cat "$here/socket"; fi ;;
is-enabled) cat "$here/enabled" ;;
show) echo NeedDaemonReload=no ;;
enable) echo enabled >"$here/enabled" ;;
disable) echo disabled >"$here/enabled"; echo inactive >"$here/active" ;;
stop) echo inactive >"$here/active" ;;
start | restart)
    if grep -q broken "$here/root/opt/wxsyncd/current/wxsync/version.py"; then echo failed >"$here/active"; exit 1; fi
    echo active >"$here/active" ;;
esac
"""


class Machine:
    """A root directory, its systemctl, and the service's health check."""

    def __init__(self, directory: Path, top: Path) -> None:
        self.directory, self.root, self.top = directory, directory / "root", top
        (self.root / "run/systemd/system").mkdir(parents=True)
        (self.root / "usr/local/bin").mkdir(parents=True)
        for name, text in (("active", "inactive"), ("enabled", "disabled"), ("socket", "inactive"), ("version", "252"),
                           ("log", "")):
            (directory / name).write_text(text)
        (directory / "systemctl").write_text(SYSTEMCTL)
        (directory / "systemctl").chmod(0o755)
        self.layout = Layout(self.root, "/opt/wxsyncd")

    def run(self, *argv: str, top: Path | None = None, is_root: bool = True) -> int:
        systemctl = str(self.directory / "systemctl")
        around = Surroundings(top or self.top, is_root, "/usr/bin/python3", self.root, systemctl)
        return main(argv, around)

    def configure(self) -> None:
        self.layout.configuration.mkdir(parents=True, exist_ok=True)
        self.layout.config_file.write_text(
            "[server]\nlisten = 127.0.0.1:0=relay\nadmin_listen = 127.0.0.1:0\n"
            "[proxy]\ntargets = http://127.0.0.1:9\n")

    def asked(self) -> list[str]:
        return (self.directory / "log").read_text().splitlines()

    def forget(self) -> None:
        (self.directory / "log").write_text("")

    def snapshot(self) -> dict[str, tuple[int, int]]:
        return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_mode) for path in self.root.rglob("*")}

    def is_active(self) -> bool:
        return (self.directory / "active").read_text().strip() == "active"


@pytest.fixture
def machine(tmp_path, top):
    machine = Machine(tmp_path / "machine", top)

    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"status": "ok", "version": machine.layout.running()}).encode()
            self.send_response(200 if machine.is_active() else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    machine.layout.state.mkdir(parents=True)
    (machine.layout.state / "listeners.json").write_text(
        json.dumps({"listeners": [{"part": "admin", "host": "127.0.0.1", "port": server.server_address[1]}]}))
    yield machine
    server.shutdown()
    server.server_close()
    thread.join()


def test_without_a_configuration_everything_is_laid_and_nothing_started(machine, capsys):
    before = machine.snapshot()
    assert machine.run("--dry-run") == 0
    assert machine.snapshot() == before
    planned = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert machine.run() == 0
    told = capsys.readouterr().out
    assert all(line in told for line in planned)
    assert told.count("\n  ") == len(planned) + 4  # and the next steps
    assert "install -m 600 /etc/wxsyncd/wxsync.conf.example /etc/wxsyncd/wxsync.conf" in told
    layout = machine.layout
    assert str(layout.current.readlink()) == f"versions/{VERSION}"
    assert str(layout.link.readlink()) == "/opt/wxsyncd/current/bin/wxsyncd"
    assert (layout.current / "vendor/Crypto/Cipher/AES.py").exists()
    assert list((layout.current / "wxsync/__pycache__").glob("cli.*.pyc"))
    assert (layout.configuration / "wxsync.conf.example").exists()
    assert layout.secrets.stat().st_mode & 0o777 == 0o700
    assert not layout.config_file.exists()
    assert "enable wxsyncd.service" in machine.asked()
    assert not {"start wxsyncd.service", "restart wxsyncd.service"} & set(machine.asked())


def test_twice_changes_nothing(machine, capsys):
    machine.configure()
    assert machine.run() == 0
    assert machine.is_active()
    before = machine.snapshot()
    machine.forget()
    capsys.readouterr()
    assert machine.run() == 0
    assert "没有要做的" in capsys.readouterr().out
    assert machine.snapshot() == before
    assert {line.split()[0] for line in machine.asked()} <= {"--version", "is-active", "is-enabled", "show"}
    assert machine.run(top=machine.layout.current) == 0  # from where it lies, too


def test_no_start_is_kept(machine):
    machine.configure()
    assert machine.run("--no-start") == 0
    assert not machine.is_active()


def test_another_prefix_is_in_the_units_and_remembered(machine, capsys):
    assert machine.run("--prefix", "/data/wxsyncd") == 0
    unit = (machine.layout.units / "wxsyncd.service").read_text()
    assert "/opt/" not in unit
    assert "ExecStart=/data/wxsyncd/current/bin/wxsyncd" in unit
    assert machine.run("status") == 3
    assert "/data/wxsyncd" in capsys.readouterr().out
    assert machine.run("--prefix", "/opt/other") == 1
    assert machine.run("uninstall") == 0
    assert not (machine.root / "data/wxsyncd").exists()


def test_a_new_secret_file_is_taken_up_by_running_it_again(machine):
    machine.configure()
    assert machine.run() == 0
    machine.forget()
    for name in ("github.token", "notes.txt"):
        (machine.layout.secrets / name).write_text("x\n")
    # The configuration is no whole bot, so it is wrong now, and the installer says so and changes nothing.
    assert machine.run() == 1
    (machine.layout.secrets / "github.token").unlink()
    (machine.layout.secrets / "server.admin_token").write_text("0123456789abcdef\n")
    assert machine.run() == 0
    lines = machine.layout.drop_in.read_text().splitlines()
    assert [line for line in lines if "LoadCredential" in line] == [
        "LoadCredential=server.admin_token:/etc/wxsyncd/secrets/server.admin_token"]
    assert "restart wxsyncd.service" in machine.asked()


def test_upgrade_rollback_and_only_two_versions_stay(machine, capsys):
    newer, newest = other_version(machine.top, NEWER), other_version(machine.top, NEWEST)
    assert machine.run("upgrade") == 1
    assert "还没有安装" in capsys.readouterr().out
    machine.configure()
    mine = machine.layout.config_file.read_text()
    for top in (machine.top, newer, newest):
        assert machine.run(top=top) == 0
        assert machine.is_active()
    assert machine.layout.installed() == [NEWER, NEWEST]
    assert machine.layout.running() == NEWEST
    assert machine.run("upgrade", top=newer) == 1  # older
    assert machine.run("rollback") == 0
    assert machine.layout.running() == NEWER
    assert machine.run("rollback") == 1
    assert machine.layout.config_file.read_text() == mine
    assert machine.run("upgrade", top=machine.layout.versions / NEWEST) == 0
    assert machine.layout.running() == NEWEST


def test_an_upgrade_that_was_cut_off_before_the_restart_is_finished(machine):
    newer = other_version(machine.top, NEWER)
    machine.configure()
    assert machine.run() == 0
    assert machine.run("upgrade", "--no-start", top=newer) == 0
    machine.forget()
    # What runs is still the old one; the health check here tells what `current` says, so only a changed unit shows.
    (machine.layout.units / "wxsyncd.service").write_text("half\n")
    (machine.layout.versions / ".100.0.0.new").mkdir()
    assert machine.run("upgrade", top=newer) == 0
    assert "restart wxsyncd.service" in machine.asked()
    assert other_version(machine.top, "100.0.0").exists()
    assert machine.run("upgrade", top=machine.top.with_name("wxsyncd-100.0.0")) == 0
    assert machine.layout.running() == "100.0.0"


def test_a_version_that_does_not_start_is_taken_back_with_its_state(machine, capsys):
    broken = other_version(
        machine.top, NEWER, ("wxsync/version.py", r"\Z", "# broken\n"),
        ("wxsync/store/database.py", "(?m)^SCHEMA_VERSION = .*", f"SCHEMA_VERSION = {SCHEMA_VERSION + 1}"))
    machine.configure()
    assert machine.run() == 0
    (machine.directory / "socket").write_text("active")
    machine.forget()
    state = machine.layout.state
    for name, text in (("wxsyncd.sqlite3", "new"), ("wxsyncd.sqlite3-wal", "newer"),
                       (f"wxsyncd.sqlite3.schema-{SCHEMA_VERSION}", "old")):
        (state / name).write_text(text)
    assert machine.run("upgrade", top=broken) == 1
    assert "已经换回原来的版本" in capsys.readouterr().out
    assert machine.layout.running() == VERSION
    assert machine.is_active()
    # No connection may start the service while its state is being changed.
    sockets = "wxsyncd.socket wxsyncd-relay.socket"
    orders = [line for line in machine.asked() if line.split()[0] in {"start", "stop", "restart"}]
    assert orders == ["restart wxsyncd.service", f"stop {sockets} wxsyncd.service", f"start {sockets}",
                      "restart wxsyncd.service"]
    assert (state / "wxsyncd.sqlite3").read_text() == "old"
    assert not (state / "wxsyncd.sqlite3-wal").exists()
    assert (state / f"wxsyncd.sqlite3.schema-{SCHEMA_VERSION + 1}").read_text() == "new"
    assert (state / f"wxsyncd.sqlite3.schema-{SCHEMA_VERSION + 1}-wal").read_text() == "newer"


def test_uninstall_keeps_configuration_and_state_and_purge_does_not(machine, capsys):
    machine.configure()
    assert machine.run() == 0
    sqlite3.connect(machine.layout.state / "wxsyncd.sqlite3").close()
    assert machine.run("uninstall", "--dry-run") == 0
    assert machine.layout.current.exists()
    assert machine.run("uninstall") == 0
    left = {str(path.relative_to(machine.root)) for path in machine.root.rglob("*wxsync*")}
    assert left == {"etc/wxsyncd", "etc/wxsyncd/wxsync.conf", "etc/wxsyncd/wxsync.conf.example", "var/lib/wxsyncd",
                    "var/lib/wxsyncd/wxsyncd.sqlite3", "run/wxsyncd-install.lock"}
    assert "uninstall --purge" in capsys.readouterr().out
    assert machine.run("uninstall", "--purge") == 0
    assert {path.name for path in machine.root.rglob("*wxsync*")} == {"wxsyncd-install.lock"}
    assert machine.run("uninstall", "--purge") == 0


def test_a_second_installer_waits_for_nobody(machine, capsys):
    machine.layout.lock.parent.mkdir(parents=True, exist_ok=True)
    with machine.layout.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert machine.run() == 1
    assert "另一个安装程序" in capsys.readouterr().out
    assert not machine.layout.home.exists()


def test_a_machine_without_a_booted_systemd_gets_the_files(machine, capsys):
    shutil.rmtree(machine.root / "run/systemd")
    machine.configure()
    assert machine.run() == 0
    assert "systemd 没有在运行" in capsys.readouterr().out
    assert machine.layout.running() == VERSION
    assert machine.run("uninstall") == 0
    assert not machine.layout.home.exists()


GOOD = Host(is_root=True, python="/usr/bin/python3", machine="x86_64", libc=("glibc", (2, 36)), systemd=252,
            is_booted=True, free_bytes=1 << 40)


@pytest.mark.parametrize(("change", "told"), [
    ({"is_root": False}, "root"),
    ({"python": "/root/.pyenv/bin/python3"}, "服务不能使用"),
    ({"implementation": "pypy"}, "服务不能使用"),
    ({"machine": "riscv64"}, "riscv64"),
    ({"libc": ("", ())}, "libc"),
    ({"libc": ("glibc", (2, 12))}, "glibc 2.12"),
    ({"systemd": 0}, "没有 systemd"),
    ({"systemd": 219}, "systemd 219"),
    ({"free_bytes": 1 << 20}, "磁盘空间"),
])
def test_a_machine_that_does_not_fit_is_told(change, told, top):
    layout = Layout(Path("/nonexistent"), "/opt/wxsyncd")

    def problems(host: Host) -> list[str]:
        return [*checks.problems(layout, Package(top), host, Configuration(exists=False), Wish(),
                                 port_holder=lambda *_: "")]

    assert problems(GOOD) == []
    (problem,) = problems(replace(GOOD, **change))
    assert told in problem


def test_all_problems_are_told_at_once(top, tmp_path):
    (top / "wxsyncd.py").write_text("changed")
    (tmp_path / "opt/wxsyncd/current").mkdir(parents=True)
    settings = Configuration(exists=True, problems=("x: 不对",), listeners=(("0.0.0.0", 3000), ("127.0.0.1", 0)))
    found = [*checks.problems(
        Layout(tmp_path, "/opt/wxsyncd"), Package(top), replace(GOOD, is_root=False, systemd=0), settings,
        Wish(must_exist=True, user="Root!"), port_holder=lambda _, port: f"nginx ({port})")]
    for word in ("wxsyncd.py", "root 运行", "没有 systemd", "不是安装程序放的", "还没有安装", "--user", "x: 不对",
                 "nginx (3000)"):
        assert sum(word in problem for problem in found) == 1, (word, found)
    assert len(found) == 8


@pytest.mark.parametrize("prefix", ["relative", "/", "/home/x/wxsyncd", "/opt/a b", "/opt/../etc", "/tmp/w", "/opt/$x"])
def test_a_prefix_that_cannot_be_is_refused(prefix, top):
    found = checks.problems(Layout(Path("/nonexistent"), prefix), Package(top), GOOD, Configuration(exists=False),
                            Wish(), port_holder=lambda *_: "")
    assert any("--prefix" in problem for problem in found)


def test_a_directory_of_somebody_else_is_not_taken(machine, capsys):
    (machine.root / "usr/lib").mkdir(parents=True)
    assert machine.run("--prefix", "/usr") == 1
    assert "别的东西" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [["frob"], ["--frob"], ["--prefix"], ["uninstall", "--pur"]])
def test_what_is_not_understood_is_told_in_chinese(argv, machine, capsys):
    with pytest.raises(SystemExit, match="2"):
        machine.run(*argv)
    assert "看不懂的命令或选项，什么都没有改" in capsys.readouterr().err
    assert not machine.layout.home.exists()


def test_an_installed_version_that_is_not_whole_is_told(machine, capsys):
    assert machine.run() == 0
    (machine.layout.versions / VERSION / "wxsync/cli.py").unlink()
    assert machine.run() == 1
    assert "wxsync/cli.py 被改动或丢失" in capsys.readouterr().out
    assert machine.run("uninstall") == 0
    (machine.layout.versions / VERSION).mkdir(parents=True)
    assert machine.run() == 1
    assert "内容不同" in capsys.readouterr().out


def test_what_the_service_puts_in_the_place_of_its_files_does_not_hold_root(machine, capsys):
    machine.configure()
    assert machine.run() == 0
    told = machine.layout.state / "listeners.json"
    answer = told.read_bytes()
    for trap in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir):
        told.unlink()
        trap(told)
        assert machine.run("status") == 3
        assert "还没有监听" in capsys.readouterr().out
        if told.is_dir():
            told.rmdir()
            told.write_bytes(answer)
    assert machine.run("status") == 0


def test_a_rollback_to_a_version_that_does_not_start_tells_the_way_out(machine, capsys):
    machine.configure()
    assert machine.run() == 0
    assert machine.run(top=other_version(machine.top, NEWER)) == 0
    old = machine.layout.versions / VERSION / "wxsync/version.py"
    old.write_text(old.read_text() + "# broken\n")
    capsys.readouterr()
    assert machine.run("rollback") == 1
    assert f"/opt/wxsyncd/versions/{NEWER}/install.sh upgrade" in capsys.readouterr().out


def test_the_drop_in_is_the_memory(tmp_path):
    path = tmp_path / "10-install.conf"
    for wanted in (Record("/opt/wxsyncd"), Record("/data/w", "wxsyncd", made_user=True)):
        path.write_text(record.drop_in(wanted, ["wecom.secret"], 252))
        assert record.remembered(path) == wanted
    assert "User=wxsyncd" in path.read_text()
    assert "LoadCredential=wecom.secret:" in path.read_text()
    old = record.drop_in(Record("/opt/wxsyncd", "wxsyncd"), ["wecom.secret"], 245)
    assert "LoadCredential" not in old
    assert "CREDENTIALS_DIRECTORY=/run/wxsyncd/secrets" in old
    assert "ExecStartPre=-+/opt/wxsyncd/current/systemd/copy-config" in old
    assert "CREDENTIALS" not in record.drop_in(Record("/opt/wxsyncd"), [], 247)
    path.write_text("garbage")
    assert record.remembered(path) is None
    assert record.remembered(tmp_path / "none") is None


def test_what_the_service_could_not_write_is_told(tmp_path):
    layout = Layout(tmp_path, "/opt/wxsyncd")
    layout.configuration.mkdir(parents=True)
    assert not configuration.read(layout).exists
    layout.config_file.write_text(
        "[server]\nstate_dir = /srv/state\n[log]\nfile = /var/log/wxsyncd/x.log\n"
        "[proxy]\ntargets = http://127.0.0.1:9\n")
    found = configuration.read(layout)
    assert found.outside == ("[server] state_dir = /srv/state",)
    assert ("127.0.0.1", 8503) in found.listeners
    assert any("ReadWritePaths" in remark for remark in checks.remarks(found, GOOD))


def test_who_holds_a_port(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert f"({os.getpid()})" in ports.holder("127.0.0.1", port)
        assert f"({os.getpid()})" in ports.holder("0.0.0.0", port)
        assert f"({os.getpid()})" in ports.holder("::", port)
        assert ports.holder("127.0.0.2", port) == ""  # there is room beside it
        with socket.create_server(("127.0.0.2", port)):
            pass
    assert ports.holder("127.0.0.1", port) == ""
    # A picture of /proc: the port belongs to our own unit.
    head = "sl local rem st q t r uid timeout inode\n"
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(head + "0: 00000000:0BB8 00000000:0000 0A 0:0 0:0 0 0 0 4711 1\n")
    process = tmp_path / "77"
    (process / "fd").mkdir(parents=True)
    (process / "fd/5").symlink_to("socket:[4711]")
    (process / "comm").write_text("python3\n")
    (process / "cgroup").write_text("0::/system.slice/wxsyncd.service\n")
    assert ports.holder("127.0.0.1", 3000, tmp_path) == ""
    (process / "cgroup").write_text("0::/system.slice/other.service\n")
    assert ports.holder("127.0.0.1", 3000, tmp_path) == "python3 (77)"
    process.rename(tmp_path / "1")
    assert ports.holder("127.0.0.1", 3000, tmp_path) == ""

"""Runs inside the machine: orders the service, plays WeCom, puts load on the ports. Python 3.9, standard library.

What it imports of the sandbox comes from the installed program itself, with the packed library.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

IO = Path("/root/io")
CONF = Path("/etc/wxsyncd/wxsync.conf")
SECRETS = Path("/etc/wxsyncd/secrets")
CURRENT = Path("/opt/wxsyncd/current")
IDENTITY = ("ww0123456789abcdef", 1000002, "s" * 43, "t" * 32, "k" * 42 + "8")
PORTS = {"bot": 3000, "relay": 8502, "admin": 8503}


def run(*command: str, status: int | None = 0) -> str:
    """Run a command, shown in the output; return what it printed. status: wanted, None for any."""
    print("+", *command, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180, check=False)
    text = done.stdout.decode(errors="replace")
    print(text, flush=True)
    assert status is None or done.returncode == status, f"{command}: exit status {done.returncode}, not {status}"
    return text


def wait_for(condition, what: str, within_s: float = 30):
    end = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {within_s} s: {what}\n{journal()}"
        time.sleep(0.05)
    return value


def journal() -> str:
    return subprocess.run(["journalctl", "-u", "wxsyncd", "--no-pager", "-o", "cat"], stdout=subprocess.PIPE,
                          timeout=60, check=False).stdout.decode(errors="replace")


def show(name: str, unit: str = "wxsyncd") -> str:
    done = subprocess.run(["systemctl", "show", "-p", name, unit], stdout=subprocess.PIPE, timeout=60, check=False)
    return done.stdout.decode().strip().partition("=")[2]


def health(part: str = "admin") -> dict:
    url = f"http://127.0.0.1:{PORTS[part]}/health"
    with contextlib.suppress(OSError, ValueError), urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)
    return {}


def unpack(version: str) -> Path:
    top = Path("/root") / f"wxsyncd-{version}"
    if not top.exists():
        archive = f"{top.name}.tar.gz"
        run("sh", "-c", f"cd /root/io && sha256sum -c {archive}.sha256 && tar -xzf {archive} -C /root")
    return top


def configure(extra: str = "", api: str = "http://127.0.0.1:9") -> None:
    """Write a configuration of bot and relay; the secret is a file of its own."""
    corp, agent, secret, token, key = IDENTITY
    CONF.parent.mkdir(exist_ok=True)
    CONF.write_text(
        f"[wecom]\ncorp_id = {corp}\nagent_id = {agent}\ntoken = {token}\nencoding_aes_key = {key}\napi_base = {api}\n"
        f"[proxy]\ntargets = http://127.0.0.1:8503\n{extra}")
    CONF.chmod(0o600)
    SECRETS.mkdir(mode=0o700, exist_ok=True)
    (SECRETS / "wecom.secret").write_text(secret + "\n")
    (SECRETS / "wecom.secret").chmod(0o600)


@contextlib.contextmanager
def wecom():
    """WeCom's stand-in, which calls back to the bot."""
    sys.path[:0] = [str(CURRENT), str(CURRENT / "vendor")]
    from wxsync.sandbox.wecom.crypto import Identity
    from wxsync.sandbox.wecom.stand_in import WeCom

    stand_in = WeCom(Identity(*IDENTITY))
    stand_in.call_at("http://127.0.0.1:3000/wechat/callback")
    yield stand_in
    stand_in.close()


def ask(stand_in, text: str) -> str:
    assert stand_in.send_text("zhangsan", text).is_accepted
    after = max(entry.number for entry in stand_in.chat("zhangsan"))
    return stand_in.wait_for("zhangsan", lambda entry: entry.text[0] in "✅❌⚠ℹ", within_s=20, after=after - 1).text


def fails_with_78() -> str:
    """Start the service, which must not come up, nor be tried again; return what the journal has of it."""
    since = str(time.time())
    run("systemctl", "reset-failed", "wxsyncd", status=None)
    run("systemctl", "start", "wxsyncd", status=1)
    time.sleep(3)  # longer than RestartSec: a loop would show
    assert show("ActiveState") == "failed"
    assert show("ExecMainStatus") == "78"
    assert show("NRestarts") == "0"
    return run("journalctl", "-u", "wxsyncd", f"--since=@{since}", "-p", "err", "-o", "cat", "--no-pager")


def install(version: str) -> None:
    top = unpack(version)
    planned = run(f"{top}/install.sh", "--dry-run")
    assert not Path("/opt/wxsyncd").exists()
    told = run(f"{top}/install.sh")
    # One list of actions for both.
    listed = [line for line in planned.splitlines() if line.startswith("  ")]
    assert listed and all(line in told for line in listed), told
    assert "systemctl start wxsyncd" in told
    assert run("systemctl", "is-enabled", "wxsyncd").strip() == "enabled"
    assert show("ActiveState") == "inactive"
    assert str(CONF) in fails_with_78()
    CONF.write_text("[wecom]\ncorp_idd = ww1\n[github]\npoll = soon\n")
    told = fails_with_78()
    assert f"{CONF}:2" in told and f"{CONF}:4" in told, told
    assert "/run/wxsyncd" not in told
    refused = run(f"{top}/install.sh", status=1)
    assert f"{CONF}:2" in refused


def serve(version: str) -> None:
    with wecom() as stand_in:
        configure(api=stand_in.url)
        run(f"/root/wxsyncd-{version}/install.sh")  # takes the secret file up
        assert "secret" in Path("/etc/systemd/system/wxsyncd.service.d/10-install.conf").read_text()
        run("systemctl", "start", "wxsyncd")
        assert health()["version"] == version
        stand_in.verify()
        assert "ℹ️" in ask(stand_in, "帮助")
        assert health("relay")
        with urllib.request.urlopen("http://127.0.0.1:8502/wework-callback/health", timeout=5) as answer:
            assert answer.status == 200
        run("wxsyncd", "check-config")
        again = run(f"{CURRENT}/install.sh")
        assert "没有要做的" in again, again
        pid = show("MainPID")
        assert oct(CONF.stat().st_mode)[-3:] == "600" and CONF.stat().st_uid == 0
        status = Path(f"/proc/{pid}/status").read_text()
        assert "Uid:\t0" not in status and re.search("Seccomp:\t2", status)
        security = run("systemd-analyze", "security", "wxsyncd", "--no-pager")
        level = float(re.search(r"exposure level for wxsyncd.service: ([0-9.]+)", security)[1])
        assert level <= 1.5, level
        run("systemd-analyze", "verify", "wxsyncd.service", "wxsyncd.socket", "wxsyncd-relay.socket", status=None)

        os.kill(int(pid), signal.SIGKILL)
        wait_for(lambda: show("MainPID") not in {pid, "0"} and health(), "a restart after kill -9")
        stand_in.verify()

        configure("[log]\nlevel = debug\n", api=stand_in.url)
        wait_for(lambda: show("ActiveState") == "active", "readiness after the restart")
        run("systemctl", "reload", "wxsyncd")
        wait_for(lambda: "daemon reloaded" in journal(), "the reload")
        # Without the file the copy goes and nothing else happens: the running daemon keeps what it has.
        CONF.rename("/etc/wxsyncd/away")
        run("systemctl", "reload", "wxsyncd", status=1)
        assert show("ActiveState") == "active"
        Path("/etc/wxsyncd/away").rename(CONF)
        stand_in.verify()

        override = Path("/run/systemd/system/wxsyncd.service.d/test.conf")
        override.parent.mkdir(parents=True)
        override.write_text("[Service]\nWatchdogSec=2\n")
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", "wxsyncd")
        pid = show("MainPID")
        os.kill(int(pid), signal.SIGSTOP)
        wait_for(lambda: show("MainPID") not in {pid, "0"} and health(), "a stopped process to be replaced")
        assert "watchdog" in run("journalctl", "-u", "wxsyncd", "--no-pager").lower()
        stand_in.verify()
    assert int(show("NRestarts")) >= 1


def prepare(version: str) -> None:
    """Install and start, in short."""
    configure()
    run(f"{unpack(version)}/install.sh")
    assert health()["version"] == version


def edit() -> None:
    """What the operator does in the editor: the secret stands in the file, too."""
    configure()
    (SECRETS / "wecom.secret").unlink()
    CONF.write_text(CONF.read_text().replace("[wecom]", f"[wecom]\nsecret = {IDENTITY[2]}"))


def documented(version: str) -> None:
    """Run the README's commands as written; only the editor is ours."""
    Path("/usr/local/bin/vi").write_text(
        "#!/bin/sh\ngrep -q corp_id $1 || exit 1\n/usr/bin/python3 -I /root/io/guest.py edit\n")
    Path("/usr/local/bin/vi").chmod(0o755)
    os.chdir("/root")
    for name in (f"wxsyncd-{version}.tar.gz", f"wxsyncd-{version}.tar.gz.sha256"):
        run("cp", f"/root/io/{name}", "/root")
    with tempfile.TemporaryDirectory() as room:
        run("tar", "-xzf", f"wxsyncd-{version}.tar.gz", "-C", room)
        readme = Path(room, f"wxsyncd-{version}/README.md").read_text()
        more = Path(room, f"wxsyncd-{version}/docs/install.md").read_text()
    section = readme[readme.index("## 部署"):readme.index("## 从旧程序")]
    install, start, later = blocks(section)
    secrets, sockets = blocks(more)
    run("bash", "-euc", install)
    run("bash", "-euc", start)
    assert health("bot")["version"] == version
    run("bash", "-euc", secrets.replace("应用的 Secret", IDENTITY[2]))
    assert "wecom.secret" in run("systemctl", "cat", "wxsyncd")
    run("bash", "-euc", sockets)
    with wecom() as stand_in:
        stand_in.verify()
    for line in later.splitlines():
        told = run("bash", "-euc", f"cd /root/wxsyncd-{version}; {line}", status=None)
        assert ("没有更早" in told) == ("rollback" in line), told
    assert not Path("/opt/wxsyncd").exists()


def blocks(text: str) -> list[str]:
    return re.findall(r"```bash\n(.*?)```", text, re.DOTALL)


def static_user(version: str) -> None:
    configure()
    run(f"{unpack(version)}/install.sh", "--user", "wxbot")
    assert show("User") == "wxbot" and show("DynamicUser") == "no"
    assert not Path("/var/lib/wxsyncd").is_symlink()
    with wecom() as stand_in:
        stand_in.verify()
    assert "没有要做的" in run(f"{CURRENT}/install.sh")  # remembered
    run(f"{CURRENT}/install.sh", "uninstall", "--purge")
    assert "wxbot" not in Path("/etc/passwd").read_text()


def again(version: str) -> None:
    """After a reboot."""
    wait_for(lambda: health().get("version") == version, "the service after a reboot")
    with wecom() as stand_in:
        stand_in.verify()
    assert "正常" in run("/opt/wxsyncd/current/install.sh", "status")


class Load:
    """Threads that connect anew for each request, to both ports, and count what failed."""

    def __init__(self) -> None:
        self.done = 0
        self.faults: list[tuple[str, str]] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(part,)) for part in ("bot", "relay") * 2]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, part: str) -> None:
        path = "/wechat/callback" if part == "bot" else "/wework-callback/health"
        while not self._ended.is_set():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORTS[part]}{path}", timeout=30) as answer:
                    answer.read()
            except urllib.error.HTTPError as error:
                error.read()  # an unsigned callback is refused, but it is answered
            except OSError as error:
                self.faults.append((part, repr(error)))
            self.done += 1


def upgrade(old: str, new: str, broken: str) -> None:
    wait_for(health, "the service")
    run("systemctl", "stop", "wxsyncd")
    run("systemctl", "enable", "--now", "wxsyncd.socket", "wxsyncd-relay.socket")
    run("systemctl", "start", "wxsyncd")
    assert health("bot")["version"] == old
    new_top, broken_top = unpack(new), unpack(broken)
    # A byte is wrong: refused before anything is changed.
    before = sorted(str(path) for path in Path("/opt/wxsyncd").rglob("*"))
    victim = new_top / "wxsync/cli.py"
    data = bytearray(victim.read_bytes())
    data[100] ^= 1
    victim.write_bytes(data)
    assert "什么都没有改" in run(f"{new_top}/install.sh", "upgrade", status=1)
    assert sorted(str(path) for path in Path("/opt/wxsyncd").rglob("*")) == before
    data[100] ^= 1
    victim.write_bytes(data)
    with Load() as load:
        wait_for(lambda: load.done > 100, "load")
        run(f"{new_top}/install.sh", "upgrade")
        seen = load.done
        wait_for(lambda: load.done > seen + 100, "load")
    print(f"{load.done} requests, {len(load.faults)} failed: {load.faults[:5]}")
    assert not load.faults
    assert health("bot")["version"] == new
    state = Path("/var/lib/wxsyncd")
    assert list(state.glob("*.schema-*")), list(state.iterdir())
    # A version that does not come up is taken back.
    told = run(f"{broken_top}/install.sh", "upgrade", status=1)
    assert "已经换回原来的版本" in told and "broken on purpose" in told, told
    assert health("bot")["version"] == new
    run(f"{CURRENT}/install.sh", "rollback")
    assert health("bot")["version"] == old
    with wecom() as stand_in:
        stand_in.verify()
    assert run("wxsyncd", "--version").strip() == f"wxsyncd {old}"


def found() -> list[str]:
    """Return everything of ours on the machine but what was unpacked."""
    return run("find", "/", "-xdev", "-name", "*wxsync*", "-not", "-path", "/root/*").split()


def remove() -> None:
    wait_for(health, "the service")
    before = set(run("find", "/opt", "/etc", "/usr/local", "/var/lib", "-name", "*wxsync*").split("\n"))
    assert any("/opt/wxsyncd" in path for path in before)
    run(f"{CURRENT}/install.sh", "uninstall")
    left = found()
    tops = {re.match(r"(/etc/wxsyncd|/var/(?:lib|log|cache)/(?:private/)?wxsyncd)", path) for path in left}
    assert all(tops), left
    assert CONF.exists() and (Path("/var/lib/wxsyncd") / "wxsyncd.sqlite3").exists()
    top = next(Path("/root").glob("wxsyncd-*"))
    run(f"{top}/install.sh", "uninstall", "--purge")
    left = found()
    assert not left, left


def killed(old: str, new: str, rounds: int) -> None:
    """Kill the installer at random moments of an upgrade: there is always one version that works."""
    wait_for(health, "the service")
    top = unpack(new)
    began = time.monotonic()
    run(f"{top}/install.sh", "upgrade")
    whole_s = time.monotonic() - began
    run(f"{CURRENT}/install.sh", "rollback")
    seen = {old: 0, new: 0}
    chance = random.Random(rounds)
    for turn in range(rounds):
        subprocess.run(["rm", "-rf", f"/opt/wxsyncd/versions/{new}"], check=True, timeout=60)
        installer = subprocess.Popen(
            [f"{top}/install.sh", "upgrade"], stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(chance.uniform(0, whole_s))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(installer.pid, signal.SIGKILL)
        installer.wait(30)
        wait_for(health, f"a version that serves, turn {turn}")
        run("systemctl", "reset-failed", "wxsyncd", status=None)
        run("systemctl", "restart", "wxsyncd")
        version = wait_for(health, f"a version that serves after a restart, turn {turn}")["version"]
        assert version in seen
        seen[version] += 1
        if version == new:
            run(f"{CURRENT}/install.sh", "rollback")
    print(seen)
    assert all(seen.values()), seen
    run(f"{top}/install.sh", "upgrade")  # what was cut off is no hindrance
    assert health()["version"] == new


if __name__ == "__main__":
    scenario, *arguments = sys.argv[1:]
    try:
        globals()[scenario](*(int(each) if each.isdigit() else each for each in arguments))
    except BaseException:
        print(journal()[-4000:], flush=True)
        raise

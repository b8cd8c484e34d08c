"""What a plan works on, and the steps that plans share: the units, the service, its health, the state."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from installer import actions
from installer.actions import Action, Failed
from installer.layout import DEFAULT_PREFIX, SERVICE, SOCKETS, UNITS, Layout
from installer.package import Package
from installer.systemctl import Systemctl

HEALTHY_WITHIN_S = 30.0
DATABASE = "wxsyncd.sqlite3"


class Unhealthy(Failed):
    """The service does not run as it should."""


@dataclass(frozen=True)
class Site:
    """The machine: its paths and its service manager. state_dir: where the service keeps its state."""

    layout: Layout
    systemctl: Systemctl
    state_dir: Path

    def units_of(self, version: str) -> dict[Path, str]:
        """Return the unit files of a version that is laid, with their texts for this prefix."""
        return self.unit_texts(self.layout.versions / version / "systemd")

    def unit_texts(self, directory: Path) -> dict[Path, str]:
        """Return the unit files in a directory, with their texts for this prefix."""
        return {
            self.layout.units / name: (directory / name).read_text(encoding="utf-8").replace(
                DEFAULT_PREFIX, self.layout.prefix)
            for name in UNITS if (directory / name).exists()}

    def write_units(self, texts: dict[Path, str]) -> Iterator[Action]:
        """Yield what is needed for the units to be so."""
        for path, text in texts.items():
            if not _is(path, text):
                yield actions.write(path, text, 0o644)

    def switch(self, version: str) -> Action:
        """Make it the version that starts next."""
        return actions.link(self.layout.current, f"versions/{version}")

    def reload_units(self) -> Action:
        """Have systemd read the units anew."""
        if not self.systemctl.is_booted:
            return Action("（systemd 没有在运行，不重新读取单元）", lambda: None)
        return self._order("daemon-reload")

    def enable(self) -> Action:
        """Start it with the machine."""
        return self._order("enable", SERVICE)

    def start(self, verb: str) -> Action:
        """Start or restart it and wait until it is healthy; Unhealthy when it is not."""
        return Action(f"systemctl {verb} {SERVICE}，等待健康检查", lambda: self._start(verb))

    def forget_failures(self) -> Action:
        """Have systemd forget a unit that is gone."""
        return Action(f"systemctl reset-failed {SERVICE}", lambda: self.systemctl.try_order("reset-failed", SERVICE))

    def active_sockets(self) -> tuple[str, ...]:
        """Return the socket units that are in use."""
        return tuple(unit for unit in SOCKETS if self.systemctl.is_active(unit))

    def stop(self, sockets: tuple[str, ...]) -> Action:
        """Stop it, and the sockets before it: the next connection would start it again."""
        return self._order("stop", *sockets, SERVICE)

    def start_sockets(self, sockets: tuple[str, ...]) -> Iterator[Action]:
        """Yield what opens them again."""
        if sockets:
            yield self._order("start", *sockets)

    def restore_state(self, schema: int, newer: int) -> Action:
        """Put the copy that was made before the schema changed in the place of the state; the newer one is kept."""
        text = f"换回升级前的状态（{self.copy_of(schema)}），现在的保留为 {self.copy_of(newer).name}"
        return Action(text, lambda: self._restore_state(schema, newer))

    def restore_state_if_needed(self, version: str) -> Action:
        """The same on the way back from a version that did not become healthy: only now is known how far it came."""

        def act() -> None:
            states = self.needs_restore(version)
            if states:
                self._restore_state(*states)

        return Action("换回升级前的状态（如果新版本已经转换过）", act)

    def copy_of(self, schema: int) -> Path:
        """Return where the state of a schema is kept."""
        return self.state_dir / f"{DATABASE}.schema-{schema}"

    def needs_restore(self, version: str) -> tuple[int, int] | None:
        """Return the schema to go back to and the present one, when that version cannot read the present state."""
        old = Package(self.layout.versions / version).schema
        new = Package(self.layout.current).schema
        return (old, new) if old < new and self.copy_of(old).exists() else None

    def make_user(self, name: str) -> Action:
        """Make a system user without home and shell."""

        def act() -> None:
            command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/var/lib/wxsyncd",
                       "--shell", shutil.which("nologin") or "/usr/sbin/nologin", name]
            done = subprocess.run(  # noqa: S603 - the name was checked
                command, capture_output=True, text=True, timeout=60, check=False)
            if done.returncode:
                raise Failed(f"useradd 失败：{done.stderr.strip()}")

        return Action(f"建立系统用户 {name}", act)

    def remove_user(self, name: str) -> Action:
        """Remove the user that an installation made."""
        return Action(f"删除系统用户 {name}", lambda: _run_quietly("userdel", name))

    def _order(self, *arguments: str) -> Action:
        return Action(f"systemctl {' '.join(arguments)}", lambda: self.systemctl.order(*arguments))

    def _start(self, verb: str) -> None:
        self.systemctl.try_order("reset-failed", SERVICE)
        try:
            self.systemctl.order(verb, SERVICE)
        except Failed as error:
            raise Unhealthy(f"{error}\n{self.systemctl.journal()}") from error
        end = time.monotonic() + HEALTHY_WITHIN_S
        while (trouble := self.trouble()) and time.monotonic() < end:
            time.sleep(0.2)
        if trouble:
            raise Unhealthy(f"服务没有健康起来：{trouble}\n{self.systemctl.journal()}")

    def serving(self) -> str:
        """Return the version that answers now, empty when none does."""
        status, body = self._ask()
        with contextlib.suppress(ValueError, AttributeError):
            return str(json.loads(body).get("version", "")) if status else ""
        return ""

    def trouble(self) -> str:
        """Return what is wrong with the service that runs, empty when its health check passes."""
        status, body = self._ask()
        return "" if status == 200 else f"/health {status or ''} {body.strip()}"

    def _ask(self) -> tuple[int, str]:
        """Return status and body of the health check, 0 and the reason when there is no answer."""
        try:
            listeners = json.loads(_foreign(self.state_dir / "listeners.json"))["listeners"]
            host, port = str(listeners[-1]["host"]), int(listeners[-1]["port"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            return 0, f"还没有监听（{type(error).__name__}）"
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            return answer.status, answer.read(4000).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, f"没有应答（{error}）"
        finally:
            connection.close()

    def _restore_state(self, schema: int, newer: int) -> None:
        database, kept = self.state_dir / DATABASE, self.copy_of(newer)
        for suffix in ("-wal", "-shm", ""):
            kept.with_name(kept.name + suffix).unlink(missing_ok=True)
        if database.exists():
            os.link(database, kept, follow_symlinks=False)
        wal = database.with_name(f"{database.name}-wal")
        if wal.exists():  # the last transactions: they belong to the newer state and would ruin the older one
            wal.rename(kept.with_name(f"{kept.name}-wal"))
        database.with_name(f"{database.name}-shm").unlink(missing_ok=True)
        self.copy_of(schema).replace(database)
        actions.sync(self.state_dir)


def _foreign(path: Path) -> bytes:
    """Return the start of a file that the service may have replaced: a link is refused, a pipe not waited for."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(65536)


def _is(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text and not path.is_symlink()
    except (OSError, UnicodeDecodeError):
        return False


def _run_quietly(*command: str) -> None:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, capture_output=True, timeout=60, check=False)  # noqa: S603 - our own words

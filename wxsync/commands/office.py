"""Where a command finds the jobs: at the running daemon, else in its own process. Floor: cli."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from wxsync.clock import Clock
from wxsync.daemon.alone import Alone, no_jobs
from wxsync.daemon.front import tls_of
from wxsync.daemon.outbound import USER_AGENT
from wxsync.daemon.state_dir import LISTENERS, Busy, enter
from wxsync.errors import RemoteFault, WxsyncError
from wxsync.options.settings import Settings
from wxsync.remote.admin import Admin
from wxsync.remote.dialer import Dialer
from wxsync.remote.exchange import Pieces
from wxsync.remote.http import HttpTransport
from wxsync.remote.resolver import SystemResolver

PATIENCE_S = 5.0  # for a daemon that is being started, or restarted in the middle
PAUSE_S = 0.2
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 what is bound to all addresses is reached by this one
T = TypeVar("T")


class Away(WxsyncError):
    """The daemon that holds the state directory does not answer, or cannot now."""


class Office(Protocol):
    """Lists, starts, cancels and repeats jobs: jobs.desk, remote.admin."""

    def jobs(self, limit: int, before: int | None = None) -> list[dict[str, Any]]:
        """Return the newest jobs first, numbers below before."""

    def job(self, number: int) -> dict[str, Any] | None:
        """Return one job, or None."""

    def take(self, text: str) -> int:
        """Start the job that a text asks for; return its number."""

    def take_file(self, name: str, body: Pieces) -> int:
        """Start the upload of a file; return its number."""

    def cancel(self, number: int) -> bool:
        """Have a job end; False when there is none."""

    def retry(self, number: int) -> int:
        """Start a job for what another did not bring about; 0 when there is none."""


@contextmanager
def office(settings: Settings, clock: Clock, *, runs: bool, log_to: Callable[[Settings], object]) -> Iterator[Office]:
    """Give the running daemon's jobs, or those of this process when nobody holds the state directory.

    runs: jobs are to be run, not only looked at. log_to: called when they are this process's own.
    Raises Away, ConfigError, StoreFault.
    """
    enter(Path(settings.server.state_dir))
    alone = Alone(settings, clock)
    try:
        alone.take()
    except Busy as busy:
        if not (settings.has_bot or settings.has_mirror or settings.has_upload):
            raise no_jobs() from busy  # nor has the daemon any, if it runs by the same configuration
        holder = busy
    else:
        try:
            log_to(settings)
            desk = alone.open()
            if runs:
                alone.start()
            yield desk
        finally:
            alone.end()
        return
    yield Running(settings, clock, holder)


class Running:
    """The daemon that holds the state directory, also after a restart. Used by one thread."""

    def __init__(self, settings: Settings, clock: Clock, holder: Busy) -> None:
        self._file = Path(LISTENERS)  # in the directory that was entered
        self._token = settings.server.admin_token
        self._file_s = settings.upload.deadline
        self._clock = clock
        self._holder = holder
        dialer = Dialer(clock, SystemResolver(clock))
        self._transport = HttpTransport(dialer, clock, user_agent=USER_AGENT, tls=tls_of(settings))

    def jobs(self, limit: int, before: int | None = None) -> list[dict[str, Any]]:
        """Return the newest jobs first, numbers below before. Raises Away."""
        return self._patiently(lambda admin: admin.jobs(limit, before))

    def job(self, number: int) -> dict[str, Any] | None:
        """Return one job, or None. Raises Away."""
        return self._patiently(lambda admin: admin.job(number))

    def take(self, text: str) -> int:
        """Start the job that a text asks for; return its number. Raises Away."""
        return self._once(lambda admin: admin.take(text))

    def take_file(self, name: str, body: Pieces) -> int:
        """Start the upload of a file; return its number. Raises Away."""
        return self._once(lambda admin: admin.take_file(name, body))

    def cancel(self, number: int) -> bool:
        """Have a job end; False when there is none. Raises Away."""
        return self._patiently(lambda admin: admin.cancel(number))

    def retry(self, number: int) -> int:
        """Start a job for what another did not bring about; 0 when there is none. Raises Away."""
        return self._once(lambda admin: admin.retry(number))

    def _once(self, ask: Callable[[Admin], T]) -> T:
        """Ask for what must not be done twice."""
        admin = self._patient(self._found)
        try:
            return ask(admin)
        except RemoteFault as fault:
            again = "；任务可能已经开始，请先用 wxsyncd jobs 查看" if fault.maybe_done else ""
            raise Away(f"守护进程没有接受：{fault.what}", mend=f"{fault.mend}{again}") from fault

    def _patiently(self, ask: Callable[[Admin], T]) -> T:
        """Ask for what may be asked again, while the daemon may only be restarting."""
        return self._patient(lambda: ask(self._found()))

    def _patient(self, ask: Callable[[], T]) -> T:
        end = self._clock.monotonic() + PATIENCE_S
        while True:
            try:
                return ask()
            except RemoteFault as fault:
                if fault.status is not None or self._clock.monotonic() > end:  # whoever answers is not being started
                    mend = fault.mend or "用 systemctl status wxsyncd 查看"
                    raise Away(f"守护进程没有应答：{fault.what}", mend=mend) from fault
            self._clock.wait(threading.Event(), PAUSE_S)

    def _found(self) -> Admin:
        """Return the daemon where it says that it listens. Raises RemoteFault when it does not."""
        host, port = self._place()
        return Admin(self._transport, host=ANY.get(host, host), port=port, token=self._token, file_s=self._file_s)

    def _place(self) -> tuple[str, int]:
        try:
            listeners = json.loads(self._file.read_text(encoding="utf-8"))["listeners"]
            return next((str(each["host"]), int(each["port"])) for each in listeners if each["part"] == "admin")
        except (OSError, ValueError, LookupError, TypeError, StopIteration) as error:
            mend = "它正在启动或停止，或者是另一个 wxsyncd 命令：请稍后再试"
            raise RemoteFault(self._holder.what, where=str(self._file), mend=mend, temporary=True) from error

"""Keep N web processes running: start, replace, reload one after the other, end. Floor: web.

They are this program executed anew with the listening sockets inherited, never forks of a process with threads. Each
holds one end of a socket pair: it tells "ready" and "wake", is told its parent's health and when to drain, and ends
when the pair does.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from wxsync.clock import Clock
from wxsync.log.logger import logger
from wxsync.metrics import Metrics, Sample, read
from wxsync.web.child import Inherited

LOG = logger("web.processes")

ROUND_S = 0.1
TELL_S = 5.0  # how often the health is told though it has not changed
READY_S = 20.0
DRAIN_S = 10.0
LIVED_S = 10.0  # a process that ends earlier makes the next one wait
LONGEST_WAIT_S = 30.0


class _Process:
    """One web process as its parent knows it."""

    def __init__(self, popen: subprocess.Popen[bytes], control: socket.socket, metrics: Path, started: float) -> None:
        self.popen = popen
        self.control = control
        self.metrics = metrics
        self.started = started
        self.is_ready = threading.Event()
        self.is_leaving = False

    def tell(self, line: bytes) -> None:
        """Send it a line; one that does not listen is noticed by its end."""
        with contextlib.suppress(OSError):
            self.control.send(line, socket.MSG_DONTWAIT)


class WebProcesses:
    """Owns the processes; start, reload and end are called by one thread, samples by any.

    command: executes this program as a web process when what `Inherited.argument` writes is added to it.
    listeners: each listening socket with its part; they stay the parent's, so no connection is refused meanwhile.
    """

    def __init__(
        self,
        command: Sequence[str],
        listeners: Sequence[tuple[socket.socket, str]],
        count: int,
        *,
        directory: Path,
        clock: Clock,
        metrics: Metrics,
        health: Callable[[], tuple[bool, dict[str, object]]],
        wake: Callable[[], None],
    ) -> None:
        self._command = tuple(command)
        self._listeners = tuple(listeners)
        self._count = count
        self._directory = directory
        self._clock = clock
        self._metrics = metrics
        self._health = health
        self._wake = wake
        self._lock = threading.RLock()  # guards the list; the supervisor and the caller both change it
        self._processes: list[_Process] = []
        self._selector = selectors.DefaultSelector()
        self._number = 0
        self._short_lives = 0
        self._next_start = 0.0
        self._told = (b"", 0.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web-processes", daemon=True)

    def start(self) -> bool:
        """Start all; tell whether every one is ready within READY_S. The listeners accept meanwhile."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = [self._start_one() for _ in range(self._count)]
        self._thread.start()
        return all(self._wait_ready(process) for process in fresh)

    def reload(self) -> bool:
        """Replace one process after the other by one that has read the configuration anew.

        When a new one does not become ready, the rest stays as it is; tell whether all were replaced.
        """
        with self._lock:
            old = [process for process in self._processes if not process.is_leaving]
        for process in old:
            fresh = self._start_one()
            if not self._wait_ready(fresh):
                LOG.error("web process not ready: reload given up", pid=fresh.popen.pid)
                self._dismiss(fresh)
                return False
            self._dismiss(process)
        return True

    def end(self, deadline_s: float = DRAIN_S) -> None:
        """Drain all and end them; kill those that do not within the seconds."""
        self._ended.set()
        self._thread.join(READY_S)
        with self._lock:
            for process in self._processes:
                self._dismiss(process)
        end = self._clock.monotonic() + deadline_s
        for process in list(self._processes):
            try:
                process.popen.wait(max(0.0, end - self._clock.monotonic()))
            except subprocess.TimeoutExpired:
                LOG.error("web process killed", pid=process.popen.pid)
                process.popen.kill()
                process.popen.wait()
            self._bury(process)
        self._selector.close()

    def pids(self) -> list[int]:
        """Return the process ids of those that serve."""
        with self._lock:
            return [process.popen.pid for process in self._processes if not process.is_leaving]

    def samples(self) -> list[Sample]:
        """Return the metrics of all living processes."""
        with self._lock:
            return [sample for process in self._processes for sample in read(process.metrics)]

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._round()
            except Exception:
                LOG.exception("supervisor failed")
                self._clock.wait(self._ended, 1.0)

    def _round(self) -> None:
        for key, _ in self._selector.select(ROUND_S):
            self._hear(key.data)
        with self._lock:
            for process in [each for each in self._processes if each.popen.poll() is not None]:
                self._bury(process)
                if not process.is_leaving:
                    self._note_death(process)
            missing = self._count - sum(not each.is_leaving for each in self._processes)
            if missing > 0 and self._clock.monotonic() >= self._next_start:
                self._start_one()
        self._tell_health()

    def _hear(self, process: _Process) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = process.control.recv(4096, socket.MSG_DONTWAIT)
        if not data:
            self._unregister(process)
        if b"ready" in data:
            process.is_ready.set()
        if b"wake" in data:
            self._wake()

    def _note_death(self, process: _Process) -> None:
        now = self._clock.monotonic()
        self._short_lives = self._short_lives + 1 if now - process.started < LIVED_S else 0
        wait_s = min(LONGEST_WAIT_S, 0.5 * 2 ** (self._short_lives - 1)) if self._short_lives else 0.0
        self._next_start = now + wait_s
        LOG.error("web process died", pid=process.popen.pid, status=process.popen.returncode, next_in_s=wait_s)

    def _tell_health(self) -> None:
        is_well, facts = self._health()
        line = b"health " + json.dumps([is_well, facts]).encode() + b"\n"
        now = self._clock.monotonic()
        if line == self._told[0] and now < self._told[1] + TELL_S:
            return
        self._told = (line, now)
        with self._lock:
            for process in self._processes:
                process.tell(line)

    def _start_one(self) -> _Process:
        with self._lock:
            self._number += 1
            path = self._directory / f"web-{self._number}.metrics"
            ours, theirs = socket.socketpair()
            fds = [listener.fileno() for listener, _ in self._listeners]
            parts = [part for _, part in self._listeners]
            given = Inherited(tuple(zip(fds, parts)), theirs.fileno(), str(path))
            with theirs:
                popen = subprocess.Popen(  # noqa: S603 - our own program
                    [*self._command, given.argument()], pass_fds=[*fds, theirs.fileno()], stdin=subprocess.DEVNULL)
            process = _Process(popen, ours, path, self._clock.monotonic())
            self._processes.append(process)
            self._selector.register(ours, selectors.EVENT_READ, process)
            process.tell(self._told[0])
            LOG.info("web process started", pid=popen.pid)
            return process

    def _wait_ready(self, process: _Process) -> bool:
        end = self._clock.monotonic() + READY_S
        while self._clock.monotonic() < end and process.popen.poll() is None:
            if self._clock.wait(process.is_ready, 0.05):
                return True
        return process.is_ready.is_set()

    def _dismiss(self, process: _Process) -> None:
        process.is_leaving = True
        process.tell(b"drain\n")

    def _bury(self, process: _Process) -> None:
        """Take over the counters of a process that has ended, and forget it."""
        self._unregister(process)
        process.control.close()
        self._metrics.keep(read(process.metrics))
        process.metrics.unlink(missing_ok=True)
        self._processes.remove(process)

    def _unregister(self, process: _Process) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(process.control)

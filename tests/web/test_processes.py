"""Several processes serve one listener, are replaced when they die, and reload without a failed request."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.raw import Client, until
from tests.support.relay_process import RelayProcess
from tests.support.upstream import OK, ScriptedUpstream
from wxsync.clock import SystemClock
from wxsync.metrics import Metrics
from wxsync.web.child import Child, Inherited, inherited
from wxsync.web.processes import WebProcesses

GET = "GET /wework-callback/a HTTP/1.1\r\nHost: h\r\n\r\n"


def children(pid: int) -> list[int]:
    """The supervisor's thread starts some, and the kernel lists the children of each thread apart."""
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(each) for text in lists for each in text.split()]


class Load:
    """Clients that ask again and again until told to stop; failures are kept."""

    def __init__(self, address: tuple[str, int], clients: int = 4) -> None:
        self._address = address
        self.answers = 0
        self.failures: list[object] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                with Client(self._address) as client:
                    stays = True
                    while stays and not self._over.is_set():
                        answer = client.send(GET).answer()
                        stays = answer.values("Connection") != ["close"]
                        if answer.status == 200:
                            self.answers += 1
                        else:
                            self.failures.append(answer)
            except (OSError, EOFError) as error:
                self.failures.append(error)


@pytest.mark.parametrize("processes", [2, 3])
def test_reload_under_load_fails_no_request(processes: int) -> None:
    with ScriptedUpstream(OK) as upstream, \
            RelayProcess({"targets": [upstream.url], "processes": processes}) as relay, \
            Load(relay.address) as load:
        until(lambda: load.answers > 50)
        before = set(children(relay.process.pid))
        assert relay.hup() == "reloaded"
        answers = load.answers
        until(lambda: load.answers > answers + 50)
        until(lambda: len(after := set(children(relay.process.pid))) == processes and not before & after, 20)
    assert load.failures == []


def test_a_dead_process_is_replaced() -> None:
    with ScriptedUpstream(OK) as upstream, RelayProcess({"targets": [upstream.url], "processes": 2}) as relay:
        victim, other = children(relay.process.pid)
        os.kill(victim, signal.SIGKILL)
        with Client(relay.address) as client:
            assert client.send(GET).answer().status == 200
        until(lambda: len(now := children(relay.process.pid)) == 2 and victim not in now and other in now, 10)


def test_the_processes_end_with_their_parent() -> None:
    with ScriptedUpstream(OK) as upstream:
        relay = RelayProcess({"targets": [upstream.url], "processes": 2})
        relay.__enter__()
        pids = children(relay.process.pid)
        relay.process.kill()
        relay.process.wait()
        relay.process.stdout.close()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 15)


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def make(listener: socket.socket, directory: Path, script: str, **more) -> WebProcesses:
    """Web processes that run the script; `child` and `given` are theirs."""
    start = ("import sys, threading, os; from pathlib import Path; from wxsync.clock import SystemClock; "
             "from wxsync.web.child import *; from wxsync.metrics import Metrics; given = inherited(sys.argv[1]); "
             "child = Child(given, SystemClock()); child.start(); ")
    return WebProcesses(
        [sys.executable, "-c", start + script], [(listener, "relay")], 1, directory=directory / "run",
        clock=SystemClock(), metrics=more.get("metrics", Metrics()), health=more.get("health", lambda: (True, {})),
        wake=more.get("wake", lambda: None))


def test_wake_ups_and_counters_reach_the_parent(listener: socket.socket, tmp_path: Path) -> None:
    woken, metrics = threading.Event(), Metrics()
    web = make(
        listener, tmp_path, "metrics = Metrics(Path(given.metrics)); metrics.add('hits_total', 3); "
        "[sock] = child.listeners(); assert sock[1] == 'relay'; child.ready(); child.wake(); child.wait_for_end()",
        metrics=metrics, wake=woken.set)
    try:
        assert web.start()
        assert woken.wait(5)
        assert [sample.value for sample in web.samples() if sample.series == "hits_total"] == [3]
        os.kill(web.pids()[0], signal.SIGKILL)
        until(lambda: any(sample.value == 3 for sample in metrics.samples()))
        until(lambda: web.pids())
    finally:
        web.end(5.0)
    assert [sample.value for sample in metrics.samples() if sample.series == "hits_total"] == [6]
    assert list((tmp_path / "run").iterdir()) == []


def test_health_reaches_the_process(listener: socket.socket, tmp_path: Path) -> None:
    told = tmp_path / "told"
    state: list[tuple[bool, dict[str, object]]] = [(True, {"store": "ok"})]
    web = make(
        listener, tmp_path, f"child.ready()\nwhile not child._over.wait(0.02): "
        f"open({str(told)!r}, 'w').write(repr(child.health()))", health=lambda: state[0])
    try:
        assert web.start()
        until(lambda: told.exists() and told.read_text() == "(True, {'store': 'ok'})")
        state[0] = (False, {"worker": "silent"})
        until(lambda: told.read_text() == "(False, {'worker': 'silent'})")
    finally:
        web.end(5.0)


def test_a_reload_that_fails_leaves_the_old_one(listener: socket.socket, tmp_path: Path) -> None:
    web = make(
        listener, tmp_path, f"flag = Path({str(tmp_path / 'broken')!r}); flag.exists() and sys.exit(78); "
        "child.ready(); child.wait_for_end()")
    try:
        assert web.start()
        pids = web.pids()
        (tmp_path / "broken").touch()
        assert web.reload() is False
        until(lambda: web.pids() == pids)
        (tmp_path / "broken").unlink()
        assert web.reload() is True
        assert web.pids() != pids
    finally:
        web.end(5.0)


def test_one_that_keeps_dying_is_started_with_growing_pauses(listener: socket.socket, tmp_path: Path) -> None:
    web = make(listener, tmp_path, f"open({str(tmp_path / 'starts')!r}, 'a').write('x'); sys.exit(1)")
    assert web.start() is False
    until(lambda: (tmp_path / "starts").read_text() == "xxx", 5)
    web.end(5.0)


def test_one_that_does_not_end_is_killed(listener: socket.socket, tmp_path: Path) -> None:
    web = make(listener, tmp_path, "child.ready(); threading.Event().wait()")
    assert web.start()
    [pid] = web.pids()
    begun = time.monotonic()
    web.end(0.2)
    assert time.monotonic() - begun < 5
    assert not Path(f"/proc/{pid}").exists()


def test_the_argument_is_checked() -> None:
    given = Inherited(((3, "bot"), (4, "relay")), 5, "/run/x")
    assert inherited(given.argument()) == given
    for text in ("", "[]", '{"listeners": 1}', '{"listeners": [[1, "x"]], "control": "x", "metrics": ""}'):
        with pytest.raises(ValueError):
            inherited(text)


class Jump(SystemClock):
    """A clock that can be set ahead."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


def test_a_silent_parent_is_no_good_health() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        clock = Jump()
        child = Child(Inherited((), theirs.detach(), ""), clock)
        child.start()
        ours.sendall(b'health [true, {"a": 1}]\n')
        until(lambda: child.health() == (True, {"a": 1}))
        clock.ahead = 31.0
        assert child.health() == (False, {"a": 1, "parent": "silent"})
        child.end()
        child.wait_for_end()

"""The direct way out: names, refusals, time, and the next address."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from wxsync.clock import SystemClock
from wxsync.errors import RemoteFault
from wxsync.remote.connect import connect
from wxsync.remote.dialer import Dialer
from wxsync.remote.resolver import Address, SystemResolver
from wxsync.remote.stop import Stopped

CLOCK = SystemClock()


def soon(seconds=5.0):
    return CLOCK.monotonic() + seconds


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def refused_port():
    """Bound and not listening: connections are refused, and nobody else can take the port meanwhile."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


def address_of(sock):
    return Address(socket.AF_INET, sock.getsockname())


def test_dial_reaches_a_listener_by_name_and_by_address(listener):
    dialer = Dialer(CLOCK, SystemResolver(CLOCK))
    for host in ("localhost", "127.0.0.1"):
        with dialer.dial(host, listener.getsockname()[1], soon()) as sock:
            assert sock.getpeername() == listener.getsockname()
            assert sock.gettimeout() is None


def test_ipv6_literal_is_dialled():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server, Dialer(
        CLOCK, SystemResolver(CLOCK)
    ).dial("::1", server.getsockname()[1], soon()) as sock:
        assert sock.family == socket.AF_INET6


def test_refusal_is_a_temporary_fault_that_names_host_and_port():
    with refused_port() as closed:
        port = closed.getsockname()[1]
        with pytest.raises(RemoteFault) as caught:
            Dialer(CLOCK, SystemResolver(CLOCK)).dial("127.0.0.1", port, soon())
    assert caught.value.temporary
    assert not caught.value.maybe_done
    assert caught.value.where == f"127.0.0.1:{port}"
    assert "连接被拒绝" in caught.value.mend


def test_silence_ends_at_the_deadline(full):
    started = time.monotonic()
    with pytest.raises(RemoteFault) as caught:
        Dialer(CLOCK, SystemResolver(CLOCK)).dial("127.0.0.1", full.getsockname()[1], soon(0.3))
    assert 0.25 < time.monotonic() - started < 2
    assert caught.value.temporary
    assert "连接超时" in caught.value.mend


def test_unknown_name_is_a_temporary_fault_that_names_the_host():
    with pytest.raises(RemoteFault, match=r"no-such-host\.invalid") as caught:
        Dialer(CLOCK, SystemResolver(CLOCK)).dial("no-such-host.invalid", 80, soon())
    assert caught.value.temporary
    assert not caught.value.maybe_done


def test_name_that_idna_cannot_encode_is_a_fault():
    with pytest.raises(RemoteFault, match="unknown name"):
        SystemResolver(CLOCK).addresses("a" * 70 + ".example", 80, soon())


def test_refused_address_falls_through_at_once(listener):
    with refused_port() as closed:
        started = time.monotonic()
        with connect("h", 1, [address_of(closed), address_of(listener)], clock=CLOCK, deadline=soon()) as sock:
            assert sock.getpeername() == listener.getsockname()
        assert time.monotonic() - started < 0.2


def test_silent_address_gets_a_head_start_only(listener, full):
    started = time.monotonic()
    with connect("h", 1, [address_of(full), address_of(listener)], clock=CLOCK, deadline=soon()) as sock:
        assert sock.getpeername() == listener.getsockname()
    assert 0.2 < time.monotonic() - started < 1.5


def test_refusal_while_another_is_silent_does_not_end_the_race(listener, full):
    with refused_port() as closed:
        addresses = [address_of(full), address_of(closed), address_of(listener)]
        with connect("h", 1, addresses, clock=CLOCK, deadline=soon()) as sock:
            assert sock.getpeername() == listener.getsockname()


def test_families_take_turns(listener):
    v6 = [Address(socket.AF_INET6, ("::1", port, 0, 0)) for port in (1, 2, 3)]
    with connect("h", 1, [*v6, address_of(listener)], clock=CLOCK, deadline=soon()) as sock:
        assert sock.getpeername() == listener.getsockname()


def test_family_that_the_machine_lacks_is_passed_over(listener):
    missing = Address(99, ("x", 1))
    with pytest.raises(RemoteFault):
        connect("h", 1, [missing], clock=CLOCK, deadline=soon())
    with connect("h", 1, [missing, address_of(listener)], clock=CLOCK, deadline=soon()) as sock:
        assert sock.getpeername() == listener.getsockname()


def test_address_that_cannot_be_tried_is_passed_over(listener):
    broadcast = Address(socket.AF_INET, ("255.255.255.255", 9))
    with pytest.raises(RemoteFault, match="cannot connect"):
        connect("h", 9, [broadcast], clock=CLOCK, deadline=soon())
    with connect("h", 9, [broadcast, address_of(listener)], clock=CLOCK, deadline=soon()) as sock:
        assert sock.getpeername() == listener.getsockname()


def test_address_shows_its_number():
    assert Address(socket.AF_INET6, ("fe80::1%eth0", 80, 0, 2)).ip == "fe80::1%eth0"


def test_losers_are_closed(listener, full):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        connect("h", 1, [address_of(full), address_of(listener)], clock=CLOCK, deadline=soon()).close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_past_deadline_dials_nothing(listener):
    with pytest.raises(RemoteFault):
        connect("h", 1, [address_of(listener)], clock=CLOCK, deadline=CLOCK.monotonic() - 1)


@contextlib.contextmanager
def set_soon():
    """An event that is set by another thread while the block runs, which must end within a second after that."""
    stop = threading.Event()
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    started = time.monotonic()
    yield stop
    timer.join()
    assert 0.1 <= time.monotonic() - started < 1.1


def test_stop_ends_a_silent_connection_attempt(full):
    with set_soon() as stop, pytest.raises(Stopped):
        Dialer(CLOCK, SystemResolver(CLOCK)).dial("127.0.0.1", full.getsockname()[1], soon(30), stop=stop)


def test_stop_ends_a_look_up_that_hangs_and_the_wait_for_one():
    release = threading.Event()
    resolver = SystemResolver(CLOCK, max_lookups=1, look_up=lambda *_: release.wait(10) and [])
    for _ in range(2):  # the second one waits for the slot
        with set_soon() as stop, pytest.raises(Stopped):
            Dialer(CLOCK, resolver).dial("slow.test", 80, soon(30), stop=stop)
    release.set()


def test_look_up_that_hangs_is_left_at_the_deadline_and_keeps_its_slot():
    release = threading.Event()
    resolver = SystemResolver(CLOCK, max_lookups=1, look_up=lambda *_: release.wait(10) and [])
    for _ in range(2):  # the second one waits for the slot
        started = time.monotonic()
        with pytest.raises(RemoteFault, match="look-up timed out") as caught:
            resolver.addresses("slow.test", 80, soon(0.1))
        assert time.monotonic() - started < 2
        assert caught.value.temporary
    release.set()
    with pytest.raises(RemoteFault, match="unknown name"):
        resolver.addresses("slow.test", 80, soon())

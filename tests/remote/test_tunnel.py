"""Tunnels by both protocols: exact to the byte, within the time, and whose fault a failure is."""

from __future__ import annotations

import base64
import ipaddress
import threading
import time

import pytest

from tests.support.clock import FakeClock
from tests.support.egress import connect_answer, dialer_of, echo_once, proxy_url, received, soon, way_of
from tests.support.scripted_server import ScriptedServer
from wxsync.remote.egress.tunnel import ProxyFault

# --- HTTP CONNECT


@pytest.mark.parametrize("status", [b"HTTP/1.1 200 Connection established", b"HTTP/1.0 200 OK", b"HTTP/1.1 204"])
def test_connect_tunnels_and_loses_no_byte(status):
    early = connect_answer(status + b"\r\nContent-Length: 5\r\nVia: x\r\n\r\nearly", echo_once)
    with ScriptedServer(early) as server, dialer_of(proxy_url(server)).dial("files.test", 443, soon()) as sock:
        assert received(sock, 5) == b"early"
        sock.sendall(b"hello")
        assert received(sock, 10) == b"echo:hello"
        assert sock.gettimeout() == 5
    assert (server.seen[0].method, server.seen[0].target) == ("CONNECT", "files.test:443")
    assert server.seen[0].headers == [("Host", "files.test:443")]


def test_tunnel_is_handed_over_in_blocking_mode():
    granted = connect_answer(b"HTTP/1.1 200 OK\n\n")
    with ScriptedServer(granted) as server, dialer_of(proxy_url(server)).dial("files.test", 443, soon()) as sock:
        assert sock.gettimeout() is None


def test_connect_brackets_ipv6_and_sends_the_decoded_login():
    with ScriptedServer(connect_answer(b"HTTP/1.1 200 OK\r\n\r\n")) as server:
        dialer_of(proxy_url(server, login="b%6Fb:p%40%E9%92%A5@")).dial("2606:4700::1", 8443, soon()).close()
    seen = server.seen[0]
    assert seen.target == seen.header("Host") == "[2606:4700::1]:8443"
    assert base64.b64decode(seen.header("Proxy-Authorization").partition("Basic ")[2]).decode() == "bob:p@钥"


@pytest.mark.parametrize(("raw", "is_own", "what"), [
    (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", True, "status 407"),
    (b"HTTP/1.1 401 Unauthorized\r\n\r\n", True, "status 401"),
    (b"HTTP/1.1 405 Method Not Allowed\r\n\r\n", True, "status 405"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", True, "status 400"),
    (b"SSH-2.0-OpenSSH\r\n\r\n", True, "no HTTP answer"),
    (b"HTTP/1.1 20 OK\r\n\r\n", True, "no HTTP answer"),
    (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 12000, True, "endless answer"),
    (b"HTTP/1.1 500 Unable to connect\r\n\r\n", False, "status 500"),
    (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", False, "status 502"),
    (b"HTTP/1.1 403 Filtered\r\n\r\n", False, "status 403"),
    (b"HTTP/1.1 200 OK\r\n", False, "no answer"),
    (b"", False, "no answer"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_refused_connect_tells_whose_fault_it_is(raw, is_own, what):
    with ScriptedServer(connect_answer(raw)) as server, pytest.raises(ProxyFault) as caught:
        way_of(proxy_url(server, login="bob:hidden@")).open("files.test", 443, soon())
    fault = caught.value
    assert (fault.is_own, fault.temporary, fault.maybe_done) == (is_own, True, False)
    assert what in fault.what
    assert fault.where == (proxy_url(server) if is_own else "files.test:443")
    assert "出口代理" in fault.mend
    assert "hidden" not in str(fault)


# --- SOCKS5


def socks(*exchange):
    """Play (wanted bytes, answer) pairs, answering byte by byte, and keep what differed for the test."""
    def play(connection, seen):
        for wanted, reply in exchange:
            got = received(connection, len(wanted))
            if got != wanted:
                seen.body = got
                return
            for each in reply:
                connection.sendall(bytes([each]))
        echo_once(connection)
    return play


NO_LOGIN = (b"\5\1\0", b"\5\0")
NAME = b"\5\1\0\3\x0afiles.test\x01\xbb"


def socks_server(*exchange):
    return ScriptedServer(socks(*exchange), reads_request=False)


@pytest.mark.parametrize("bound", [b"\1\x7f\0\0\1\x1f\x90", b"\4" + b"\0" * 15 + b"\1\x1f\x90", b"\3\x05bound\x1f\x90"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_asks_by_name_and_reads_the_answer_to_its_end(bound, scheme):
    with socks_server(NO_LOGIN, (NAME, b"\5\0\0" + bound)) as server, dialer_of(
        proxy_url(server, scheme)
    ).dial("files.test", 443, soon()) as sock:
        sock.sendall(b"hello")
        assert received(sock, 10) == b"echo:hello"
    assert not server.seen[0].body


@pytest.mark.parametrize(("host", "form"), [
    ("10.1.2.3", b"\1\x0a\1\2\3"), ("2606:4700::1", b"\4" + ipaddress.ip_address("2606:4700::1").packed)])
def test_socks_asks_for_a_literal_address_as_such(host, form):
    with socks_server(NO_LOGIN, (b"\5\1\0" + form + b"\0\x50", b"\5\0\0\1" + b"\0" * 6)) as server:
        dialer_of(proxy_url(server, "socks5")).dial(host, 80, soon()).close()
    assert not server.seen[0].body


def test_socks_logs_in_when_asked_to_and_only_then():
    login = (b"\1\3bob\x06p@\xe9\x92\xa5!", b"\1\0")
    granted = (NAME, b"\5\0\0\1" + b"\0" * 6)
    with socks_server((b"\5\2\0\2", b"\5\2"), login, granted) as server:
        dialer_of(proxy_url(server, "socks5", "bob:p%40%E9%92%A5!@")).dial("files.test", 443, soon()).close()
    assert not server.seen[0].body
    with socks_server((b"\5\2\0\2", b"\5\0"), granted) as server:
        dialer_of(proxy_url(server, "socks5", "bob:x@")).dial("files.test", 443, soon()).close()
    assert not server.seen[0].body


@pytest.mark.parametrize(("exchange", "is_own", "what"), [
    (((b"\5\1\0", b"\5\xff"),), True, "no acceptable login method"),
    (((b"\5\1\0", b"\5\2"),), True, "no acceptable login method"),
    (((b"\5\1\0", b"HT"),), True, "no SOCKS5 answer"),
    (((b"\5\1\0", b""),), True, "proxy connection broken"),
    ((NO_LOGIN, (NAME, b"\4\0\0\1")), True, "no SOCKS5 answer"),
    ((NO_LOGIN, (NAME, b"\5\0\0\2")), True, "unknown address type"),
    *(((NO_LOGIN, (NAME, bytes([5, code]))), False, f"SOCKS5 reply {code}") for code in (*range(1, 9), 99)),
    ((NO_LOGIN, (NAME, b"\5\0\0\1\0")), False, "no answer"),
])
def test_a_socks_refusal_tells_whose_fault_it_is(exchange, is_own, what):
    def play(connection, seen):
        for wanted, reply in exchange:
            received(connection, len(wanted))
            connection.sendall(reply)
    with ScriptedServer(play, reads_request=False) as server, pytest.raises(ProxyFault) as caught:
        way_of(proxy_url(server, "socks5")).open("files.test", 443, soon())
    assert (caught.value.is_own, what in caught.value.what) == (is_own, True)


def test_a_refused_socks_login_is_the_proxys_own_fault():
    login = (b"\1\3bob\x05wrong", b"\1\1")
    with socks_server((b"\5\2\0\2", b"\5\2"), login) as server, pytest.raises(ProxyFault) as caught:
        way_of(proxy_url(server, "socks5", "bob:wrong@")).open("files.test", 443, soon())
    assert caught.value.is_own
    assert "用户名和口令" in caught.value.mend
    assert "wrong" not in str(caught.value)


# --- time


@pytest.mark.parametrize(("scheme", "is_own"), [("http", False), ("socks5", True)])
def test_a_silent_or_dripping_proxy_is_left_at_the_deadline(scheme, is_own):
    stop = threading.Event()

    def drip(connection, _):
        while scheme == "http" and not stop.wait(0.02):
            connection.sendall(b"H")
        stop.wait(5)

    with ScriptedServer(drip, reads_request=False) as server:
        started = time.monotonic()
        with pytest.raises(ProxyFault) as caught:
            way_of(proxy_url(server, scheme)).open("files.test", 443, soon(0.3))
        assert time.monotonic() - started < 2
        stop.set()
    assert caught.value.is_own is is_own


def test_time_that_is_over_between_two_bytes_is_a_fault():
    clock = FakeClock()

    def late(connection, _):
        clock.advance(31)
        connection.sendall(b"H")
        connection.recv(1)

    with ScriptedServer(late) as server, pytest.raises(ProxyFault, match="TimeoutError"):
        way_of(proxy_url(server), clock=clock).open("files.test", 443, clock.monotonic() + 30)

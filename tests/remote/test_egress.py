"""Connections through an egress proxy: both protocols, whose fault a failure is, and the lines operators know."""

from __future__ import annotations

import base64
import ipaddress
import socket
import threading
import time

import pytest

from tests.support.certificates import CA_FILE, server_tls
from tests.support.clock import FakeClock
from tests.support.proxies import microsocks, splice, tinyproxy
from tests.support.records import recorded
from tests.support.scripted_server import ScriptedServer, answer
from tests.support.table_resolver import TableResolver
from wxsync.clock import SystemClock
from wxsync.errors import RemoteFault
from wxsync.options.egress import EXEMPTIONS, EgressProxy, parse_proxy
from wxsync.remote.address import AddressRefused, Guard, Verdict
from wxsync.remote.dialer import AUTO, DIRECT, Dialer, Policy
from wxsync.remote.egress.tunnel import ProxyFault
from wxsync.remote.egress.watch import EgressWatch
from wxsync.remote.egress.way import EgressWay, Use
from wxsync.remote.exchange import Request
from wxsync.remote.http import HttpTransport, tls_context
from wxsync.remote.resolver import SystemResolver
from wxsync.remote.url import parse_url

CLOCK = SystemClock()
GITHUB = Use("GitHub API", "api.github.com", 443)


def soon(seconds=5.0):
    return CLOCK.monotonic() + seconds


def way_of(url, *rules, resolver=None, clock=CLOCK):
    return EgressWay(parse_proxy(url), EXEMPTIONS.read(",".join(rules)), uses=(GITHUB,), clock=clock,
                     resolver=resolver or TableResolver())


def dialer_of(url, *rules, resolver=None, policy=AUTO):
    resolver = resolver or TableResolver()
    return Dialer(CLOCK, resolver, policy=policy, egress=way_of(url, *rules, resolver=resolver))


def transport_of(dialer, ca_file=""):
    return HttpTransport(dialer, CLOCK, user_agent="x", tls=tls_context(ca_file))


def proxy_url(server, scheme="http", login=""):
    return f"{scheme}://{login}127.0.0.1:{server.port}"


def connect_answer(raw, then=None):
    """A CONNECT proxy's whole part: the request is read, the answer sent, and what then follows in the tunnel."""
    def play(connection, _):
        connection.sendall(raw)
        if then:
            then(connection)
    return play


def echo_once(connection):
    connection.sendall(b"echo:" + connection.recv(100))


def received(sock, count):
    sock.settimeout(5)
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        assert piece, data
        data += piece
    return data


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


# --- policy


def test_only_traffic_with_that_policy_and_no_exemption_goes_through_the_proxy():
    with ScriptedServer(answer(200, b"direct"), answer(200, b"direct")) as target:
        unused = "http://127.0.0.1:1"
        for dialer in (dialer_of(unused, policy=DIRECT), dialer_of(unused, "127.0.0.1")):
            transport = transport_of(dialer)
            assert transport.send(Request("GET", target.url)).body == b"direct"


@pytest.mark.parametrize("raw", [b"HTTP/1.1 407 Auth\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n\r\n"])
def test_a_proxy_at_fault_is_noted_and_the_request_goes_direct(raw):
    with ScriptedServer(connect_answer(raw)) as server, ScriptedServer(answer(200, b"1"), answer(200, b"2")) as target:
        transport = transport_of(dialer_of(proxy_url(server)))
        with recorded("remote.egress") as records:
            assert transport.send(Request("GET", target.url)).body == b"1"
            assert transport.send(Request("GET", target.url)).body == b"2"
    lines = [record.getMessage() for record in records.all]
    assert lines == [f"⚠️  代理连接失败: {proxy_url(server)}", "   将使用非代理模式继续运行", "egress proxy unusable"]


def test_a_proxy_that_is_gone_is_noted_and_the_request_goes_direct():
    with socket.socket() as gone, ScriptedServer(answer(200, b"direct")) as target:
        gone.bind(("127.0.0.1", 0))
        dialer = dialer_of(f"socks5://127.0.0.1:{gone.getsockname()[1]}")
        assert transport_of(dialer).send(Request("GET", target.url)).body


def test_a_host_that_the_proxy_cannot_reach_is_no_reason_to_go_direct():
    refusal = connect_answer(b"HTTP/1.1 502 Bad\r\n\r\n")
    with ScriptedServer() as target, ScriptedServer(refusal) as server, pytest.raises(ProxyFault):
        dialer_of(proxy_url(server)).dial("127.0.0.1", target.port, soon())
    assert not target.seen


# --- the guard


def guarded(*hosts, networks=()):
    return Policy(through_proxy=True, guard=Guard(hosts, tuple(ipaddress.ip_network(each) for each in networks)))


@pytest.mark.parametrize(("host", "verdict"), [
    ("localhost", Verdict.LOCAL_NAME), ("x.localhost", Verdict.LOCAL_NAME), ("127.0.0.1", Verdict.LOOPBACK),
    ("::1", Verdict.LOOPBACK), ("127.1", Verdict.BAD_HOST), ("10.0.0.1", Verdict.PRIVATE),
    ("::ffff:10.0.0.1", Verdict.PRIVATE), ("mixed.test", Verdict.PRIVATE), ("meta.test", Verdict.LINK_LOCAL)])
@pytest.mark.parametrize("has_proxy", [True, False])
def test_a_guarded_dial_refuses_what_is_inside_with_and_without_a_proxy(host, verdict, has_proxy):
    resolver = TableResolver({"mixed.test": ["93.184.215.14", "192.168.1.1"], "meta.test": ["169.254.169.254"],
                              "localhost": ["127.0.0.1"]})
    egress = way_of("http://127.0.0.1:1", resolver=resolver) if has_proxy else None
    with recorded("remote.dialer") as records, pytest.raises(AddressRefused) as caught:
        Dialer(CLOCK, resolver, policy=guarded(), egress=egress).dial(host, 80, soon())
    assert caught.value.verdict is verdict
    if verdict is not Verdict.BAD_HOST:
        assert records.fields("address refused")[0]["verdict"] == verdict.value


def test_a_name_that_does_not_resolve_here_is_left_to_the_proxy():
    with ScriptedServer(connect_answer(b"HTTP/1.1 200 OK\r\n\r\n")) as server:
        dialer_of(proxy_url(server), policy=guarded()).dial("only-out-there.test", 443, soon()).close()
    assert server.seen[0].target == "only-out-there.test:443"


def test_a_public_name_and_a_public_address_go_through_the_proxy():
    resolver = TableResolver({"public.test": ["93.184.215.14"]})
    granted = connect_answer(b"HTTP/1.1 200 OK\r\n\r\n")
    with ScriptedServer(granted, granted) as server:
        dialer = dialer_of(proxy_url(server), policy=guarded(), resolver=resolver)
        dialer.dial("public.test", 443, soon()).close()
        dialer.dial("93.184.215.14", 443, soon()).close()
    assert [seen.target for seen in server.seen] == ["public.test:443", "93.184.215.14:443"]


def test_the_judged_address_is_the_one_dialled():
    """A name server that answers public first and private then is asked one question only."""

    class Rebinding(TableResolver):
        def addresses(self, host, port, deadline, stop=None):
            self._rows = {host: ["10.0.0.1"] if self.asked else ["127.0.0.1"]}
            return super().addresses(host, port, deadline, stop)

    resolver = Rebinding()
    with ScriptedServer(answer(200, b"judged")) as target:
        dialer = Dialer(CLOCK, resolver, policy=guarded(networks=["127.0.0.0/8"]))
        assert transport_of(dialer).send(Request("GET", f"http://rebind.test:{target.port}/")).body == b"judged"
    assert resolver.asked == ["rebind.test"]


def test_the_operators_allowance_opens_a_host():
    with ScriptedServer(answer(200, b"inside")) as target:
        dialer = Dialer(CLOCK, SystemResolver(CLOCK), policy=guarded(f"localhost:{target.port}"))
        transport = transport_of(dialer)
        assert transport.send(Request("GET", f"http://localhost:{target.port}/")).body == b"inside"


def test_a_proxy_at_fault_does_not_open_the_guard():
    with ScriptedServer(connect_answer(b"HTTP/1.1 407 Auth\r\n\r\n")) as server, pytest.raises(RemoteFault):
        dialer_of(proxy_url(server), policy=guarded()).dial("only-out-there.test", 443, soon(0.5))


# --- the check at the start


SEED = "http://proxy.example.com:8080"
DOMAINS = ("localhost", "127.0.0.1", "qingstor.com")


def watch_of(port, clock, *, url=SEED, rules=DOMAINS):
    proxy = EgressProxy("http", "127.0.0.1", port, url)
    way = EgressWay(proxy, EXEMPTIONS.read(",".join(rules)), uses=(GITHUB,), clock=clock, resolver=TableResolver())
    return way, EgressWatch(way, parse_url("https://www.google.com/"), clock)


def run_watch(watch, until):
    watch.start()
    end = time.monotonic() + 5
    while not until():
        assert time.monotonic() < end
        time.sleep(0.005)
    assert watch.stop(5)


def test_a_working_proxy_is_told_in_the_lines_that_operators_know():
    with ScriptedServer(connect_answer(b"HTTP/1.1 200 OK\r\n\r\n")) as server, recorded("remote.egress") as records:
        way, watch = watch_of(server.port, CLOCK)
        run_watch(watch, lambda: len(records.all) >= 4)
    assert [record.getMessage() for record in records.all] == [
        "🌐 检测到代理配置: http://proxy.example.com:8080",
        "  直连域名: localhost, 127.0.0.1, qingstor.com",
        "✅ 代理可用: http://proxy.example.com:8080",
        "🔗 GitHub API 使用代理",
    ]
    assert server.seen[0].target == "www.google.com:443"
    assert way.takes("api.github.com", 443)
    assert not way.takes("tmp.pek3a.qingstor.com", 443)


def test_an_unusable_proxy_is_told_in_the_lines_that_operators_know():
    with ScriptedServer(connect_answer(b"HTTP/1.1 503 X\r\n\r\n")) as server, recorded("remote.egress") as records:
        way, watch = watch_of(server.port, CLOCK)
        run_watch(watch, lambda: len(records.all) >= 4)
    assert [record.getMessage() for record in records.all[:3]] == [
        "🌐 检测到代理配置: http://proxy.example.com:8080",
        "⚠️  代理连接失败: http://proxy.example.com:8080",
        "   将使用非代理模式继续运行",
    ]
    (fields,) = records.fields("egress proxy unusable")
    assert "status 503" in str(fields["why"])
    assert not way.takes("api.github.com", 443)


def test_an_exempt_service_is_not_said_to_use_the_proxy():
    with ScriptedServer(connect_answer(b"HTTP/1.1 200 OK\r\n\r\n")) as server, recorded("remote.egress") as records:
        _, watch = watch_of(server.port, CLOCK, rules=("github.com",))
        watch.check()
    assert [record.getMessage() for record in records.all] == [
        "  直连域名: github.com", "✅ 代理可用: http://proxy.example.com:8080"]


def test_no_exemptions_are_no_line():
    with recorded("remote.egress") as records:
        way, _ = watch_of(1, CLOCK, rules=())
        way.announce()
        way.settle(None)
    assert [record.getMessage() for record in records.all] == [
        "🌐 检测到代理配置: http://proxy.example.com:8080", "✅ 代理可用: http://proxy.example.com:8080",
        "🔗 GitHub API 使用代理"]


def test_the_proxy_is_taken_up_when_it_is_back():
    down, up = connect_answer(b"HTTP/1.1 503 X\r\n\r\n"), connect_answer(b"HTTP/1.1 200 OK\r\n\r\n")
    with ScriptedServer(down, down, up) as server, recorded("remote.egress") as records:
        way, watch = watch_of(server.port, CLOCK)
        for works in (False, False, True):
            watch.check()
            assert way.takes("api.github.com", 443) is works
    told = [record.getMessage() for record in records.all]
    assert told == [
        "⚠️  代理连接失败: http://proxy.example.com:8080",
        "   将使用非代理模式继续运行",
        "egress proxy unusable",
        "  直连域名: localhost, 127.0.0.1, qingstor.com",
        "✅ 代理可用: http://proxy.example.com:8080",
        "🔗 GitHub API 使用代理",
    ]


def test_the_proxy_is_tried_again_and_again():
    down = connect_answer(b"HTTP/1.1 503 X\r\n\r\n")
    with ScriptedServer(down, down, down) as server:
        _, watch = watch_of(server.port, FakeClock(auto=True))  # whose waits are over at once
        run_watch(watch, lambda: len(server.seen) >= 3)


# --- real proxies


@pytest.mark.parametrize("login", ["", "bob:secret@"])
def test_microsocks_carries_a_request(login):
    options = ("-u", "bob", "-P", "secret") if login else ()
    with microsocks(*options) as port, ScriptedServer(answer(200, b"through")) as target:
        dialer = dialer_of(f"socks5h://{login}127.0.0.1:{port}")  # which does not know localhost: the proxy does
        transport = transport_of(dialer)
        assert transport.send(Request("GET", f"http://localhost:{target.port}/")).body == b"through"


def test_microsocks_refuses_wrong_and_missing_logins_and_unknown_hosts():
    with microsocks("-u", "bob", "-P", "secret") as port:
        for login in ("", "bob:wrong@"):
            with pytest.raises(ProxyFault) as caught:
                way_of(f"socks5://{login}127.0.0.1:{port}").open("localhost", 80, soon())
            assert caught.value.is_own
        with pytest.raises(ProxyFault) as caught:
            way_of(f"socks5://bob:secret@127.0.0.1:{port}").open("no-such-host.invalid", 80, soon(10))
        assert not caught.value.is_own


@pytest.mark.parametrize("login", ["", "bob:secret@"])
def test_tinyproxy_carries_a_request(login, tmp_path):
    lines = ["BasicAuth bob secret"] if login else []
    with tinyproxy(tmp_path, *lines) as port, ScriptedServer(answer(200, b"through")) as target:
        transport = transport_of(dialer_of(f"http://{login}127.0.0.1:{port}"))
        assert transport.send(Request("GET", f"http://localhost:{target.port}/")).body == b"through"


def test_tinyproxy_refuses_wrong_and_missing_logins_and_unreachable_hosts(tmp_path):
    with tinyproxy(tmp_path, "BasicAuth bob secret") as port, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for login in ("", "bob:wrong@"):
            with pytest.raises(ProxyFault) as caught:
                way_of(f"http://{login}127.0.0.1:{port}").open("localhost", 80, soon())
            assert caught.value.is_own
        with pytest.raises(ProxyFault) as caught:
            way_of(f"http://bob:secret@127.0.0.1:{port}").open("127.0.0.1", closed.getsockname()[1], soon(10))
        assert not caught.value.is_own


def test_a_proxy_that_dies_in_the_middle_ends_the_request():
    def die(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", target.port)) as onward:
            onward.sendall(connection.recv(65536))
            connection.sendall(onward.recv(60))

    with ScriptedServer(answer(200, b"x" * 1000)) as target, ScriptedServer(die) as server:
        transport = transport_of(dialer_of(proxy_url(server)))
        with pytest.raises(RemoteFault) as caught:
            transport.send(Request("GET", "http://files.test/"))
    assert caught.value.maybe_done


def test_tls_is_checked_for_the_host_behind_the_proxy():
    def forward(connection, seen):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", target.port)) as onward:
            splice(connection, onward)

    with ScriptedServer(answer(200, b"secure"), tls=server_tls()) as target, ScriptedServer(forward, forward) as server:
        transport = transport_of(dialer_of(proxy_url(server)), CA_FILE)
        assert transport.send(Request("GET", "https://files.test/")).body == b"secure"
        with pytest.raises(RemoteFault, match="TLS certificate refused"):
            transport.send(Request("GET", "https://other.test/"))

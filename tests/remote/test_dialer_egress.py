"""What goes through the egress proxy and what may not, and real proxies."""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.support.certificates import CA_FILE, server_tls
from tests.support.egress import CLOCK, connect_answer, dialer_of, proxy_url, soon, transport_of, way_of
from tests.support.proxies import LOGIN, REAL_PROXIES, microsocks, splice, tinyproxy
from tests.support.records import recorded
from tests.support.scripted_server import ScriptedServer, answer
from tests.support.table_resolver import TableResolver
from wxsync.errors import RemoteFault
from wxsync.remote.address import AddressRefused, Guard, Verdict
from wxsync.remote.dialer import DIRECT, Dialer, Policy
from wxsync.remote.egress.tunnel import ProxyFault
from wxsync.remote.exchange import Request
from wxsync.remote.resolver import SystemResolver
from wxsync.remote.stop import Stopped
from wxsync.remote.url import parse_url

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


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_stop_ends_the_wait_for_a_silent_proxy(scheme):
    stop, release = threading.Event(), threading.Event()

    def be_silent(connection, _):
        stop.set()
        release.wait(10)

    with ScriptedServer(be_silent, reads_request=False) as server:
        started = time.monotonic()
        with pytest.raises(Stopped):
            dialer_of(proxy_url(server, scheme)).dial("files.test", 443, soon(30), stop=stop)
        assert time.monotonic() - started < 2
        release.set()


# --- time for the direct way


def test_a_proxy_that_swallows_packets_leaves_half_of_the_time_to_go_direct(full):
    with ScriptedServer() as target:
        dialer = dialer_of(f"http://127.0.0.1:{full.getsockname()[1]}")
        started = time.monotonic()
        dialer.dial("127.0.0.1", target.port, soon(1.0)).close()
        assert 0.4 < time.monotonic() - started < 0.95


# --- the vectors of the address rule, at the place where connections are made


VECTORS = json.loads((Path(__file__).parents[1] / "data" / "ssrf.json").read_text(encoding="utf-8"))


def dial_of(case, egress_url):
    url = parse_url(case["url"])
    rows = case.get("resolve", {})
    resolver = TableResolver({url.host: rows["*"]} if "*" in rows else rows)
    egress = way_of(egress_url, resolver=resolver) if egress_url else None
    Dialer(CLOCK, resolver, policy=guarded(), egress=egress).dial(url.host, url.port, soon(1)).close()


@pytest.mark.parametrize("case", VECTORS["urls"], ids=lambda case: case["url"][:40] or "empty")
def test_the_dialer_judges_as_the_vectors_say(case):
    if case["verdict"] == "allow" or "resolve" not in case:  # the last one resolves at the proxy, perhaps
        with ScriptedServer(connect_answer(b"HTTP/1.1 200 OK\r\n\r\n")) as server:
            dial_of(case, proxy_url(server))
    if case["verdict"] == "refuse":
        with ScriptedServer() as server:
            for egress_url in ("", proxy_url(server)) if "resolve" in case else ("",):
                with pytest.raises(RemoteFault) as caught:
                    dial_of(case, egress_url)
                assert isinstance(caught.value, AddressRefused) is ("resolve" in case)
        assert not server.seen
# --- real proxies


@pytest.mark.parametrize("make", REAL_PROXIES)
def test_a_real_proxy_carries_a_request_to_a_name(make, tmp_path):
    with make(tmp_path) as proxy, ScriptedServer(answer(200, b"through")) as target:
        transport = transport_of(dialer_of(proxy.url()))  # which does not know localhost: the proxy does
        assert transport.send(Request("GET", f"http://localhost:{target.port}/")).body == b"through"
        assert proxy.carried() == [target.port]


@pytest.mark.parametrize("make", [microsocks, tinyproxy])
def test_a_real_proxy_with_a_login(make, tmp_path):
    with make(tmp_path, with_login=True) as proxy, ScriptedServer(answer(200, b"through")) as target:
        transport = transport_of(dialer_of(proxy.url(LOGIN)))
        assert transport.send(Request("GET", f"http://localhost:{target.port}/")).body == b"through"
        for login in ("", "bob:wrong@"):
            with pytest.raises(ProxyFault) as caught:
                way_of(proxy.url(login)).open("localhost", target.port, soon())
            assert caught.value.is_own
            assert "用户名和口令" in caught.value.mend


@pytest.mark.parametrize("make", REAL_PROXIES)
def test_a_real_proxy_that_does_not_reach_the_host_is_not_at_fault(make, tmp_path):
    with make(tmp_path) as proxy, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for host, port in (("127.0.0.1", closed.getsockname()[1]), ("no-such-host.invalid", 80)):
            with pytest.raises(ProxyFault) as caught:
                way_of(proxy.url()).open(host, port, soon(10))
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

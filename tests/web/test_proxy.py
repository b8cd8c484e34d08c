"""The relay's rules beyond the corpus: base paths, forged fields, early answers, retries, time-outs, TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.support.limits import Accounts, TestLimits, running
from tests.support.raw import Client, until
from tests.support.upstream import OK, Peer, ScriptedUpstream
from wxsync.clock import SystemClock
from wxsync.remote.dialer import Dialer
from wxsync.remote.http import tls_context
from wxsync.remote.resolver import SystemResolver
from wxsync.remote.url import parse_url
from wxsync.web.balance import Balance
from wxsync.web.keeper import Keeper
from wxsync.web.proxy import Relay
from wxsync.web.routes import Router
from wxsync.web.upstream import Timeouts, Upstream

TLS_FILES = Path(__file__).parents[1] / "data" / "tls"


class Setup:
    """A relay in this process in front of some targets."""

    def __init__(self, *targets: str, trusted: str = "", timeout_s: float = 2.0, max_body: int = 1 << 20,
                 tls: ssl.SSLContext | None = None) -> None:
        clock = SystemClock()
        dialer = Dialer(clock, SystemResolver(clock))
        self.upstreams = [
            Upstream(parse_url(target), Timeouts(1.0, timeout_s), dialer, clock, max_idle=8, tls=tls)
            for target in targets
        ]
        self.accounts = Accounts()
        self.keeper = Keeper(self.upstreams, clock, health_path="/health")
        self.relay = Relay(
            prefix="/wework-callback", balance=Balance(self.upstreams, clock), max_body=max_body, clock=clock,
            trusted=[ip_network(trusted)] if trusted else [])

    @contextlib.contextmanager
    def client(self, limits: TestLimits | None = None) -> Iterator[Client]:
        with running(Router([self.relay.rule()]), limits, self.accounts) as (server, _), \
                Client(server.server_address) as client:
            yield client
        for upstream in self.upstreams:
            upstream.close_idle(all_of_them=True)


def get(path: str = "/a", *lines: str, method: str = "GET", version: str = "1.1") -> str:
    return "\r\n".join([f"{method} /wework-callback{path} HTTP/{version}", "Host: cb.example", *lines, "", ""])


def post(body: str, *lines: str, method: str = "POST") -> str:
    return get("/a", f"Content-Length: {len(body)}", *lines, method=method) + body


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("base, path, wanted", [
    ("", "", "/"), ("", "?x=1", "/?x=1"), ("", "/", "/"), ("/", "/x", "/x"), ("", "/x?", "/x?"),
    ("/base", "", "/base"), ("/base", "?", "/base?"), ("/base", "/", "/base/"), ("/base/", "/x//y", "/base/x//y"),
    ("/base", "/a/../b", "/base/a/../b"), ("/b%20c", "/%2e/x", "/b%20c/%2e/x"),
])
def test_target_with_and_without_a_base_path(base: str, path: str, wanted: str) -> None:
    with ScriptedUpstream(OK) as upstream, Setup(upstream.url + base).client() as client:
        assert client.send(get(path)).answer().status == 200
        assert upstream.seen[0].line == f"GET {wanted} HTTP/1.1"


def test_base_path_leaves_location_and_cookies_alone() -> None:
    answer = (b"HTTP/1.1 302 Found\r\nLocation: /base/login\r\nSet-Cookie: a=b; Path=/base\r\n"
              b"Content-Length: 0\r\n\r\n")
    with ScriptedUpstream(answer) as upstream, Setup(upstream.url + "/base").client() as client:
        found = client.send(get()).answer()
        assert (found.values("Location"), found.values("Set-Cookie")) == (["/base/login"], ["a=b; Path=/base"])


@pytest.mark.parametrize("path", [
    "/..", "/../x", "/%2e%2e/x", "/.%2E", "/a/../../x", "/a%2f..%2f..%2fx", "/..;a=b/x", "/a//../../x", "/..%5cx",
    "/\\..\\..\\x", "/./../x", "/..?x=1",
])
def test_a_path_that_leaves_the_prefix_is_not_passed_on(path: str) -> None:
    with ScriptedUpstream(OK) as upstream, Setup(upstream.url).client() as client:
        assert client.send(get(path)).answer().status == 400
        assert upstream.connections == 0


@pytest.mark.parametrize("path", ["/a/../b", "/...", "/..a", "/a..", "/%252e%252e/x", "/.well-known", "/x?../../y"])
def test_harmless_dots_go_on(path: str) -> None:
    with ScriptedUpstream(OK) as upstream, Setup(upstream.url).client() as client:
        assert client.send(get(path)).answer().status == 200
        assert upstream.seen[0].line == f"GET {path} HTTP/1.1"


FORGED = ("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil", "X-Real-IP: 1.2.3.4",
          "X_Forwarded_For: 1.2.3.4", "x_real_ip: 1.2.3.4")


def test_forwarding_fields_of_an_untrusted_peer_are_replaced() -> None:
    with ScriptedUpstream(OK) as upstream, Setup(upstream.url, trusted="10.0.0.0/8").client() as client:
        client.send(get("/a", *FORGED)).answer()
        seen = upstream.seen[0]
        assert seen.values("X-Forwarded-For") == ["127.0.0.1"]
        assert seen.values("X-Forwarded-Proto") == ["http"]
        assert seen.values("X-Forwarded-Host") == ["cb.example"]
        assert "1.2.3.4" not in seen.head


def test_forwarding_fields_of_a_trusted_peer_are_kept_and_added_to() -> None:
    with ScriptedUpstream(OK) as upstream, Setup(upstream.url, trusted="127.0.0.1").client() as client:
        client.send(get("/a", *FORGED, "X-Forwarded-For: 5.6.7.8, 9.9.9.9", "Via: 1.0 front, 1.1 other")).answer()
        seen = upstream.seen[0]
        assert seen.values("X-Forwarded-For") == ["1.2.3.4, 5.6.7.8, 9.9.9.9, 127.0.0.1"]
        assert seen.values("X-Forwarded-Proto") == ["https"]
        assert seen.values("X-Forwarded-Host") == ["evil"]
        assert seen.values("X-Real-IP") == ["1.2.3.4"]
        assert seen.values("Via") == ["1.0 front, 1.1 other, 1.1 wxsyncd"]
        assert "X_Forwarded_For" not in seen.head


def test_a_client_cannot_nominate_our_fields_away() -> None:
    with ScriptedUpstream(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") as upstream, \
            Setup(upstream.url, trusted="127.0.0.1").client() as client:
        client.send(post("hello", "Connection: host, content-length, x-forwarded-for, via, x-forwarded-host",
                         "X-Forwarded-For: 1.2.3.4", "Via: 1.1 front")).answer()
        seen = upstream.seen[0]
        assert seen.body == b"hello"
        assert seen.values("Host") == [f"127.0.0.1:{upstream.port}"]
        assert seen.values("X-Forwarded-For") == ["127.0.0.1"]
        assert seen.values("X-Forwarded-Host") == ["cb.example"]
        assert seen.values("Via") == ["1.1 wxsyncd"]


def test_a_1_0_request_without_host_says_so_in_via() -> None:
    with ScriptedUpstream(OK) as upstream, Setup(upstream.url).client() as client:
        client.send("GET /wework-callback/a HTTP/1.0\r\n\r\n").answer()
        assert upstream.seen[0].values("Via") == ["1.0 wxsyncd"]
        assert upstream.seen[0].values("X-Forwarded-Host") == []


def test_max_forwards_counts_down_and_ends_here() -> None:
    with ScriptedUpstream(OK) as upstream, Setup(upstream.url).client() as client:
        client.send(get("/a", "Max-Forwards: 3", method="OPTIONS")).answer()
        client.send(get("/a", "Max-Forwards: 3")).answer()
        client.send(get("/a", "Max-Forwards: x", method="OPTIONS")).answer()
        assert [seen.values("Max-Forwards") for seen in upstream.seen] == [["2"], ["3"], ["x"]]
        answer = client.send(get("/a", "Max-Forwards: 0", method="OPTIONS")).answer()
        assert (answer.status, len(upstream.seen)) == (200, 3)
        assert "POST" in answer.values("Allow")[0]


@pytest.mark.parametrize("answer, wanted", [
    (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nConnection: x\r\n\r\n" + OK, [103, 200]),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, [200]),
    (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", [502]),
    (b"HTTP/1.1 102 Processing\r\n\r\n" * 21 + OK, [102] * 20 + [502]),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", [502]),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", [502]),
    (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", [502]),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", [502]),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nok", [502]),
    (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [502]),
    (b"HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n", [502]),
    (b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", [502]),
    (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", [502]),
    (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", [502]),
    (b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n", [502]),
    (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 70000 + b"\r\n\r\n", [502]),
    (b"HTTP/1.1 200\r\nContent-Length : 0\r\n\r\n", [200]),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", [304]),
    (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", [204]),
], ids=lambda value: str(value)[:40])
def test_odd_answers(answer: bytes, wanted: list[int]) -> None:
    with ScriptedUpstream(answer) as upstream, Setup(upstream.url).client() as client:
        client.send(get())
        assert [client.answer().status for _ in wanted] == wanted
        assert client.send(get()).answer().status == wanted[0]


def test_a_1_0_client_sees_no_interim_answer_and_no_chunks() -> None:
    answer = b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    with ScriptedUpstream(answer) as upstream, Setup(upstream.url).client() as client:
        found = client.send(get("/a", "Connection: keep-alive", version="1.0")).answer()
        assert (found.status, found.body, found.values("Connection")) == (200, b"ok", ["close"])
    with ScriptedUpstream(OK) as upstream, Setup(upstream.url).client() as client:
        found = client.send(get("/a", "Connection: keep-alive", version="1.0")).answer()
        assert found.values("Connection") == ["keep-alive"]
        assert client.send(get("/a", version="1.0")).answer().values("Connection") == ["close"]


def test_missing_date_is_added_once() -> None:
    with ScriptedUpstream(OK) as upstream, Setup(upstream.url).client() as client:
        assert len(client.send(get()).answer().values("Date")) == 1


def test_response_trailers_and_extensions_are_dropped() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nX: 1\r\n\r\n"
    with ScriptedUpstream(answer) as upstream, Setup(upstream.url).client() as client:
        for _ in range(2):
            client.send(get())
            until(lambda: client.buffer.endswith(b"0\r\n\r\n") or client._more())
            assert client.buffer.endswith(b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")
            client.buffer = b""
        assert upstream.connections == 1


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n" + b"1\r\nx\r\n" * 20_000 + b"xyz\r\n",
], ids=["chunk", "length", "bad chunk"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_answer_that_breaks_off_is_seen_to(answer: bytes, version: str) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(answer)

    with ScriptedUpstream(serve) as upstream, Setup(upstream.url).client() as client:
        client.send(get(version=version))
        with contextlib.suppress(ConnectionError):
            data = b""
            while more := client.sock.recv(65536):
                data += more
            assert not data.endswith(b"0\r\n\r\n")
            assert version == "1.1" or b"Content-Length" in data, "only a reset shows a 1.0 client the break"


def test_early_answer_ends_the_upload() -> None:
    def serve(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        peer.more()

    with ScriptedUpstream(serve) as upstream, Setup(upstream.url).client() as client:
        client.send(get("/a", "Content-Length: 100000", method="POST") + "x")
        answer = client.answer()
        assert (answer.status, answer.body, answer.values("Connection")) == (413, b"big", ["close"])
        assert client.is_closed()


def test_answer_is_found_when_the_upstream_stops_reading() -> None:
    def serve(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
        threading.Event().wait(0.05)
        reset(peer.sock)

    with ScriptedUpstream(serve) as upstream, Setup(upstream.url, max_body=1 << 30).client() as client:
        client.send(get("/a", "Content-Length: 100000000", method="PUT"))
        answer: list[object] = []
        reader = threading.Thread(target=lambda: answer.append(client.answer()))
        reader.start()
        with contextlib.suppress(OSError):
            for _ in range(100):
                client.sock.sendall(b"x" * 65536)
        reader.join(5)
        assert [each.status for each in answer] == [403]


def test_both_directions_at_once() -> None:
    """An upstream that answers each piece as it comes, and a client that reads while it sends."""
    def serve(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n")
        for _ in range(3):
            peer.send(peer.exactly(10))

    with ScriptedUpstream(serve) as upstream, Setup(upstream.url).client() as client:
        client.send(get("/a", "Content-Length: 30", method="POST"))
        until(lambda: b"\r\n\r\n" in client.buffer or client._more())
        for number in range(3):
            client.send(f"{number}" * 10)
            wanted = f"{number}" * 10
            until(lambda wanted=wanted: client.buffer.endswith(wanted.encode()) or client._more())


def test_slow_body_is_408_and_never_whole_at_the_upstream() -> None:
    with ScriptedUpstream(OK) as upstream, Setup(upstream.url).client(TestLimits(body_timeout=0.2)) as client:
        client.send(get("/a", "Content-Length: 5", method="POST") + "hel")
        assert client.answer().status == 408
        assert client.is_closed()
        assert upstream.seen == []


@pytest.mark.parametrize("data, status", [
    ("Transfer-Encoding: chunked\r\n\r\n100001\r\n" + "x" * 0x100001, 413), ("Content-Length: 1048577\r\n\r\n", 413),
    ("Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 400),
    ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nbad trailer\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\n\r\n" + "0" * 17 + "3\r\n", 400),
    ("Transfer-Encoding: chunked\r\n\r\n3;" + "x" * 2000 + "\r\n", 400),
], ids=lambda value: str(value)[:60])
def test_bodies_over_the_bound_or_malformed_are_refused(data: str, status: int) -> None:
    with ScriptedUpstream(OK) as upstream, Setup(upstream.url).client() as client:
        client.send("POST /wework-callback/a HTTP/1.1\r\nHost: h\r\n" + data)
        assert client.answer().status == status
        assert client.is_closed()
        assert upstream.seen == []


def test_client_gone_ends_the_upstreams_request() -> None:
    ended = threading.Event()

    def serve(peer: Peer) -> None:
        peer.request()
        with contextlib.suppress(OSError, EOFError):
            peer.more()
        ended.set()

    setup = Setup(f"http://127.0.0.1:{(upstream := ScriptedUpstream(serve)).port}", timeout_s=20.0)
    with upstream, setup.client() as client:
        client.send(get())
        until(lambda: upstream.seen)
        client.sock.close()
        assert ended.wait(3)
        until(lambda: [account.status for account in setup.accounts.all] == [0])


def stale(peer: Peer) -> None:
    peer.request()
    peer.send(OK)
    peer.sock.shutdown(socket.SHUT_WR)
    with contextlib.suppress(EOFError):
        peer.request()


@pytest.mark.parametrize("request_text", [get(), post("hello")])
def test_a_stale_connection_costs_no_client_an_error(request_text: str) -> None:
    with ScriptedUpstream(stale) as upstream, (setup := Setup(upstream.url)).client() as client:
        for number in range(1, 4):
            assert client.send(request_text).answer().status == 200
            until(lambda number=number: upstream.connections == number)
            threading.Event().wait(0.02)
        assert len(upstream.seen) == 3
        assert setup.upstreams[0].stale == 2


@pytest.mark.parametrize("method, statuses, seen", [("GET", [200, 200], 3), ("POST", [200, 502], 2)])
def test_a_pooled_connection_that_dies_under_a_request(method: str, statuses: list[int], seen: int) -> None:
    """It looked well, took the request and was reset: idempotent ones go again, a POST never does."""
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        peer.request()
        reset(peer.sock)

    with ScriptedUpstream(serve) as upstream, Setup(upstream.url).client() as client:
        text = get("/a", "Content-Length: 0", method=method)
        assert [client.send(text).answer().status for _ in statuses] == statuses
        assert len(upstream.seen) == seen


def test_refused_silent_and_reset_upstreams() -> None:
    upstream = ScriptedUpstream(lambda peer: peer.request() and threading.Event().wait(2))
    setup = Setup(upstream.url, timeout_s=0.3)
    with upstream, setup.client() as client:
        answer = client.send(get()).answer()
        assert (answer.status, answer.body) == (504, b"504 Gateway Timeout\n")
        upstream.close()
        answer = client.send(post("x")).answer()
        assert (answer.status, answer.body) == (502, b"502 Bad Gateway\n")
        answer = client.send(get(method="HEAD")).answer(of_head=True)
        assert answer.status == 502
    assert [account.reason for account in setup.accounts.all] == [
        "no answer in time", "cannot connect: Connection refused", "cannot connect: Connection refused"]


def test_half_a_head_in_time_is_504_and_the_connection_is_not_used_again() -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n")
        threading.Event().wait(1)
        peer.send(b"Content-Length: 6\r\n\r\nPOISON")

    with ScriptedUpstream(serve) as upstream, Setup(upstream.url, timeout_s=0.2).client() as client:
        assert client.send(get()).answer().status == 504
        assert client.send(get()).answer().status == 504
        assert upstream.connections == 2


def test_another_target_takes_over_and_the_first_rests() -> None:
    with ScriptedUpstream(OK) as good, ScriptedUpstream(OK) as bad:
        setup = Setup(bad.url, good.url)
        bad.close()
        with setup.client() as client:
            for _ in range(10):
                assert client.send(post("x")).answer().status == 200
        assert len(good.seen) == 10
        assert not setup.upstreams[0].is_well
        assert setup.upstreams[1].is_well


def test_a_reset_before_the_head_goes_to_another_target_only_when_idempotent() -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        reset(peer.sock)

    with ScriptedUpstream(serve) as bad, ScriptedUpstream(OK) as good:
        with Setup(bad.url, good.url).client() as client:
            assert {client.send(get()).answer().status for _ in range(4)} == {200}
        seen = len(bad.seen)
        with Setup(bad.url, good.url).client() as client:
            statuses = [client.send(post("x")).answer().status for _ in range(4)]
        assert statuses.count(502) == len(bad.seen) - seen == 2


def test_all_resting_is_no_reason_to_refuse() -> None:
    with ScriptedUpstream(OK) as one, ScriptedUpstream(OK) as two:
        setup = Setup(one.url, two.url)
        for upstream in setup.upstreams:
            for _ in range(5):
                upstream.failed()
        with setup.client() as client:
            assert client.send(get()).answer().status == 200


def test_least_busy_upstream_gets_the_request() -> None:
    gate = threading.Event()

    def serve(peer: Peer) -> None:
        while True:
            if peer.request().line.startswith("GET /slow"):
                gate.wait(5)
            peer.send(OK)

    with ScriptedUpstream(serve) as one, ScriptedUpstream(serve) as two:
        setup = Setup(one.url, two.url)
        with running(Router([setup.relay.rule()])) as (server, _), Client(server.server_address) as slow, \
                Client(server.server_address) as other:
            slow.send(get("/slow"))
            until(lambda: one.seen or two.seen)
            for _ in range(5):
                assert other.send(get()).answer().status == 200
            assert sorted([len(one.seen), len(two.seen)]) == [1, 5]
            gate.set()
            assert slow.answer().status == 200


def test_pool_is_bounded_and_aged() -> None:
    with ScriptedUpstream(OK) as upstream:
        setup = Setup(upstream.url)
        links = [setup.upstreams[0].connect() for _ in range(10)]
        for link in links:
            setup.upstreams[0].give_back(link)
        assert setup.upstreams[0].pooled == 8
        assert setup.upstreams[0].take() is links[-1]
        links[-2].returned_at -= 10
        assert setup.upstreams[0].take() is links[-3]
        links[2].returned_at -= 10
        setup.keeper.round()
        assert setup.upstreams[0].pooled == 4


def test_active_check_wakes_and_rests_upstreams() -> None:
    with ScriptedUpstream(OK) as upstream:
        setup = Setup(upstream.url + "/base")
        target = setup.upstreams[0]
        for _ in range(3):
            target.failed()
        assert not target.is_well
        setup.keeper.round()
        assert target.is_well
        assert upstream.seen[0].line == "GET /base/health HTTP/1.1"
    setup = Setup(upstream.url)
    setup.keeper._clock = SystemClock()
    for _ in range(3):
        setup.keeper._check_at = 0.0
        setup.keeper.round()
    assert not setup.upstreams[0].is_well
    setup.keeper.start()
    setup.keeper.end()


@pytest.mark.parametrize("cut", [False, True])
def test_tls_upstream(cut: bool) -> None:
    """An end without close_notify is a cut; pooled TLS connections are used again."""
    def serve(peer: Peer) -> None:
        while True:
            if peer.request().line.startswith("GET /until-close"):
                peer.send(b"HTTP/1.1 200 OK\r\n\r\nsome")
                if not cut:
                    peer.sock.unwrap()
                return
            peer.send(OK)

    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(TLS_FILES / "server.pem")
    context = tls_context(str(TLS_FILES / "ca.pem"))
    with ScriptedUpstream(serve, tls=server_side) as upstream, \
            Setup(upstream.url, tls=context).client() as client:
        for _ in range(3):
            assert client.send(post("x" * 100_000)).answer().body == b"ok"
        assert upstream.connections == 1
        client.send(get("/until-close", version="1.0"))
        time.sleep(0)
        if cut:
            with pytest.raises(ConnectionError):
                client.answer()
        else:
            assert client.answer().body == b"some"

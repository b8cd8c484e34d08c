"""The server keeps connections, its bounds and its deadlines, and loses no answer; over real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from tests.support.limits import Accounts, TestLimits, running
from tests.support.raw import Client, until
from wxsync.clock import SystemClock
from wxsync.web.exchange import Exchange
from wxsync.web.routes import Router, Rule, health_rule
from wxsync.web.server import Server
from wxsync.web.service import Service

GET = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n"


def echo(exchange: Exchange) -> None:
    exchange.answer(200, exchange.body(100_000), headers=(("X-Peer", exchange.peer),))


def broken(exchange: Exchange) -> None:
    raise KeyError("secret detail")


def silent(exchange: Exchange) -> None:
    pass


def huge(exchange: Exchange) -> None:
    exchange.answer(200, b"x" * 50_000_000)


class Gate:
    """A route that answers when it is told to."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        self.entered.release()
        assert self.opened.wait(10)
        exchange.answer(200, b"late")


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def router(gate: Gate) -> Router:
    return Router([
        health_rule(lambda: (True, {"version": "1"})),
        Rule(b"/echo", ("GET", "POST"), echo, below=True),
        Rule(b"/broken", ("GET", "POST"), broken),
        Rule(b"/silent", ("GET",), silent),
        Rule(b"/huge", ("GET",), huge),
        Rule(b"/gate", ("GET",), gate),
    ])


@pytest.fixture
def address(router: Router):
    with running(router) as (server, _):
        yield server.server_address


def test_health_tells_ok_and_head_has_no_body(address) -> None:
    with Client(address) as client:
        answer = client.send(GET).answer()
        assert (answer.status, answer.body) == (200, b'{"status": "ok", "version": "1"}\n')
        assert len(answer.values("Date")) == len(answer.values("Content-Length")) == 1
        assert not answer.values("Connection")
        head = client.send(GET.replace("GET", "HEAD")).answer(of_head=True)
        assert head.values("Content-Length") == answer.values("Content-Length")
        assert client.send(GET).answer().body == answer.body


def test_health_tells_trouble() -> None:
    with running(Router([health_rule(lambda: (False, {"store": "read-only"}))])) as (server, _), \
            Client(server.server_address) as client:
        answer = client.send(GET).answer()
        assert (answer.status, answer.body) == (503, b'{"status": "failing", "store": "read-only"}\n')


def test_unknown_paths_and_methods(address) -> None:
    with Client(address) as client:
        assert client.send("GET /nope HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 404
        answer = client.send("DELETE /health HTTP/1.1\r\nHost: h\r\n\r\n").answer()
        assert (answer.status, answer.values("Allow"), answer.body) == (405, ["GET, HEAD"], b"405 Method Not Allowed\n")
        assert client.send("GET /echoes HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 404
        answer = client.send("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").answer()
        assert (answer.status, answer.values("Allow")) == (200, ["GET, HEAD, POST"])
        assert client.send("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 405


@pytest.mark.parametrize("request_text", [
    "POST /echo/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
    "\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
])
def test_bodies_whole_and_byte_by_byte(address, request_text: str) -> None:
    with Client(address) as client:
        for _ in range(2):
            assert client.send(request_text).answer().body == b"hello"
        for char in request_text:
            client.send(char)
        assert client.answer().body == b"hello"


def test_pipelined_requests_are_answered_in_order(address) -> None:
    bodies = [b"one", b"twotwo", b"x" * 3000]
    with Client(address) as client:
        client.send(b"".join(
            b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body) + body for body in bodies))
        assert [client.answer().body for _ in bodies] == bodies


def test_expectation_is_answered_only_when_the_body_is_wanted(address) -> None:
    post = "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: "
    with Client(address) as client:
        assert client.send(post + "5\r\n\r\n").answer().status == 100
        assert client.send("hello").answer().body == b"hello"
        answer = client.send(post + "200000\r\n\r\n").answer()
        assert (answer.status, answer.values("Connection")) == (413, ["close"])
        assert client.is_closed()


def test_body_over_the_bound_is_refused_while_it_comes(address) -> None:
    with Client(address) as client:
        client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n" + "x" * 0x20000)
        assert client.answer().status == 413
        assert client.is_closed()


@pytest.mark.parametrize("data, status", [
    ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505), ("nonsense\n", 400),
    ("GET /" + "a" * 9000, 414), ("GET / HTTP/1.1\r\nHost: h\r\nX: " + "a" * 40000, 431),
    ("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
])
def test_bad_requests_are_answered_and_closed_without_reset(address, data: str, status: int) -> None:
    with Client(address) as client:
        answer = client.send(data).answer()
        assert (answer.status, answer.values("Connection")) == (status, ["close"])
        assert client.sock.recv(1) == b""


def test_a_fault_in_a_route_tells_nothing(address) -> None:
    with Client(address) as client:
        answer = client.send("GET /broken HTTP/1.1\r\nHost: h\r\n\r\n").answer()
        assert (answer.status, answer.body) == (500, b"500 Internal Server Error\n")
        assert client.is_closed()
    with Client(address) as client:
        assert client.send("GET /silent HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 500


def test_http_1_0_closes_unless_asked_to_stay(address) -> None:
    with Client(address) as client:
        answer = client.send("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer()
        assert answer.values("Connection") == ["keep-alive"]
        assert client.send("GET /health HTTP/1.0\r\n\r\n").answer().values("Connection") == ["close"]
        assert client.is_closed()


def test_deadlines_of_head_idle_and_body(router: Router) -> None:
    limits = TestLimits(head_timeout=0.3, idle_timeout=0.3, body_timeout=0.3)
    accounts = Accounts()
    with running(router, limits, accounts) as (server, _), contextlib.ExitStack() as stack:
        fresh, head, trickle, idle, body = (stack.enter_context(Client(server.server_address)) for _ in range(5))
        head.send("GET / HT")
        idle.send(GET).answer()
        body.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe")
        with contextlib.suppress(OSError):
            for char in "GET /health HTTP/1.1\r\nHost: h\r\nX: y":
                trickle.send(char)
                threading.Event().wait(0.03)
        assert head.answer().status == body.answer().status == trickle.answer().status == 408
        assert all(client.is_closed() for client in (fresh, head, trickle, idle, body))
    assert sorted(account.status for account in accounts.all) == [200, 408, 408, 408]


def test_a_client_that_does_not_read_is_let_go(router: Router) -> None:
    with running(router, TestLimits(write_timeout=0.3)) as (server, service), \
            Client(server.server_address) as client:
        client.send("GET /huge HTTP/1.1\r\nHost: h\r\n\r\n")
        until(lambda: service.lobby.counts()[0] == 1)
        until(lambda: service.lobby.counts()[0] == 0)


def test_last_request_of_a_connection_says_so(router: Router) -> None:
    with running(router, TestLimits(max_requests=2)) as (server, _), Client(server.server_address) as client:
        assert not client.send(GET).answer().values("Connection")
        assert client.send(GET).answer().values("Connection") == ["close"]
        assert client.is_closed()


def test_oldest_idle_connection_then_slowest_head_give_way(router: Router) -> None:
    with running(router, TestLimits(max_connections=3)) as (server, service), contextlib.ExitStack() as stack:
        def client() -> Client:
            return stack.enter_context(Client(server.server_address))

        head, first, second = client(), client(), client()
        head.send("GET / HTTP")
        for number, each in enumerate((first, second), 1):
            each.send(GET).answer()
            until(lambda number=number: service.lobby.counts()[1] == number)
        third = client().send("GET /he")
        assert first.is_closed()
        fourth = client().send("GET /he")
        assert second.is_closed()
        until(lambda: service.lobby.counts() == (3, 0, 3))
        assert client().send(GET).answer().status == 200
        answer = head.answer()
        assert (answer.status, answer.values("Connection")) == (503, ["close"])
        for each in (third, fourth):
            assert each.send(GET[7:]).answer().status == 200


def test_over_the_bound_is_503_when_nothing_gives_way(router: Router, gate: Gate) -> None:
    with running(router, TestLimits(max_connections=1)) as (server, _), Client(server.server_address) as busy:
        busy.send("GET /gate HTTP/1.1\r\nHost: h\r\n\r\n")
        assert gate.entered.acquire(timeout=5)
        with Client(server.server_address) as other:
            answer = other.answer()
            assert (answer.status, answer.values("Connection")) == (503, ["close"])
            assert answer.values("Retry-After") == ["1"]
            assert other.is_closed()
        gate.opened.set()
        assert busy.answer().body == b"late"


def test_no_free_thread_is_503_in_a_second_and_threads_are_not_exceeded(router: Router, gate: Gate) -> None:
    with running(router, TestLimits(threads=2)) as (server, _), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(server.server_address)) for _ in range(4)]
        for client in clients:
            client.send("GET /gate HTTP/1.1\r\nHost: h\r\n\r\n")
        assert gate.entered.acquire(timeout=5)
        assert gate.entered.acquire(timeout=5)
        threading.Timer(1.5, gate.opened.set).start()
        statuses = sorted(client.answer().status for client in clients)
        assert statuses == [200, 200, 503, 503]
        assert not gate.entered.acquire(blocking=False)


def test_waiting_requests_get_threads_beyond_the_few(router: Router, gate: Gate) -> None:
    with running(router, TestLimits(threads=60)) as (server, _), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(server.server_address)) for _ in range(60)]
        for client in clients:
            client.send("GET /gate HTTP/1.1\r\nHost: h\r\n\r\n")
        for _ in clients:
            assert gate.entered.acquire(timeout=5)
        gate.opened.set()
        assert {client.answer().status for client in clients} == {200}


def test_drain_ends_what_is_under_way_and_closes_the_rest(router: Router, gate: Gate) -> None:
    with running(router) as (server, service), Client(server.server_address) as busy, \
            Client(server.server_address) as idle:
        idle.send(GET).answer()
        busy.send("GET /gate HTTP/1.1\r\nHost: h\r\n\r\n")
        assert gate.entered.acquire(timeout=5)
        result: list[bool] = []
        drainer = threading.Thread(target=lambda: result.append(service.drain(5.0)))
        drainer.start()
        assert idle.is_closed()
        gate.opened.set()
        assert busy.answer().status == 200
        drainer.join(10)
        assert result == [True]
        server.server_close()
        with pytest.raises(OSError):
            socket.create_connection(server.server_address, timeout=1)


def test_drain_breaks_off_what_does_not_end(router: Router, gate: Gate) -> None:
    with running(router) as (server, service), Client(server.server_address) as busy:
        busy.send("GET /gate HTTP/1.1\r\nHost: h\r\n\r\n")
        assert gate.entered.acquire(timeout=5)
        assert service.drain(0.1) is False
        assert busy.is_closed()
        gate.opened.set()


def test_listens_on_an_inherited_socket_and_on_ipv6(router: Router) -> None:
    service = Service(TestLimits(), SystemClock(), Accounts())
    given = socket.create_server(("127.0.0.1", 0))
    servers = [Server(given, router, service), Server(("::", 0), router, service)]
    service.start()
    for server in servers:
        server.start()
    try:
        with Client(("127.0.0.1", given.getsockname()[1])) as client:
            assert client.send(GET).answer().status == 200
        with Client(("127.0.0.1", servers[1].server_address[1])) as client:
            answer = client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx").answer()
            assert answer.values("X-Peer") == ["127.0.0.1"]
    finally:
        service.drain(1.0)
        for server in servers:
            server.server_close()


def test_serve_forever_returns_after_shutdown(router: Router) -> None:
    with running(router) as (_, service):

        other = Server(("127.0.0.1", 0), router, service)
        thread = threading.Thread(target=other.serve_forever, args=(0.01,))
        thread.start()
        with Client(other.server_address) as client:
            assert client.send(GET).answer().status == 200
        other.shutdown()
        thread.join(5)
        assert not thread.is_alive()

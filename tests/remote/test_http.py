"""One request and its whole answer: time, size, framing, and nothing done unasked."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from tests.support.certificates import CA_FILE, server_tls
from tests.support.clock import FakeClock
from tests.support.records import recorded
from tests.support.scripted_server import ScriptedServer, answer
from tests.support.table_resolver import TableResolver
from wxsync.clock import SystemClock
from wxsync.errors import Bug, ConfigError, RemoteFault
from wxsync.remote.address import AddressRefused
from wxsync.remote.dialer import Dialer
from wxsync.remote.exchange import Request
from wxsync.remote.http import HttpTransport, tls_context
from wxsync.remote.resolver import SystemResolver

CLOCK = SystemClock()


def transport(ca_file="", resolver=None):
    dialer = Dialer(CLOCK, resolver or SystemResolver(CLOCK))
    return HttpTransport(dialer, CLOCK, user_agent="wxsyncd/0", tls=tls_context(ca_file))


def get(server, path="/", **kwargs):
    return transport().send(Request("GET", server.url + path), **kwargs)


def get_over_tls(server):
    return transport(CA_FILE).send(Request("GET", f"https://localhost:{server.port}/"))


def fault_of(server, request=None, **kwargs):
    with pytest.raises(RemoteFault) as caught:
        transport().send(request or Request("GET", server.url + "/p?access_token=hidden"), **kwargs)
    assert "hidden" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("status", [
    200, 201, 204, 301, 302, 304, 307, 400, 401, 403, 404, 409, 422, 429, 500, 503, 599])
def test_every_status_comes_back_as_it_is(status):
    body = b"" if status in (204, 304) else b"body"
    with ScriptedServer(answer(status, body, [("Location", "/else"), ("X-A", "1"), ("X-A", "2")])) as server:
        response = get(server)
    assert (response.status, response.body) == (status, body)
    assert [value for name, value in response.headers if name == "X-A"] == ["1", "2"]
    assert response.header("location") == "/else"
    assert response.header("absent") is None
    assert len(server.seen) == 1


def test_only_the_fields_asked_for_are_sent():
    with ScriptedServer(answer(200), answer(200), answer(200)) as server:
        get(server, "/a%20b?q=%E6")
        own = (("Content-Type", "application/json"), ("User-Agent", "own"))
        transport().send(Request("PUT", server.url + "/x", own, b"{}"))
        transport().send(Request("POST", server.url + "/x", (), b"raw"))
    first, second, third = server.seen
    assert first.target == "/a%20b?q=%E6"
    assert {name.lower(): value for name, value in first.headers} == {
        "host": f"127.0.0.1:{server.port}", "user-agent": "wxsyncd/0", "connection": "close",
        "accept-encoding": "identity"}
    assert (second.header("content-type"), second.header("user-agent")) == ("application/json", "own")
    assert second.body == b"{}"
    assert third.header("content-type") is None
    assert third.body == b"raw"


def test_empty_post_says_its_length():
    with ScriptedServer(answer(202)) as server:
        transport().send(Request("POST", server.url + "/cancel"))
    assert server.seen[0].header("content-length") == "0"


def test_head_has_no_body():
    with ScriptedServer(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n") as server:
        assert transport().send(Request("HEAD", server.url)).body == b""


def test_environment_proxies_are_ignored(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with ScriptedServer(answer(200, b"direct")) as server:
        assert get(server).body == b"direct"


def test_chunked_close_delimited_and_listed_equal_lengths_are_read():
    with ScriptedServer(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nuntil close",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n12345tail",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n12345tail",
        b"HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n",
    ) as server:
        assert [get(server).body for _ in range(5)] == [b"abcde", b"until close", b"12345", b"12345", b""]


def test_informational_answers_are_read_over():
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\n\r\n"
    with ScriptedServer(early + answer(200, b"final")) as server:
        response = get(server)
    assert (response.status, response.body, response.header("Link")) == (200, b"final", None)


@pytest.mark.parametrize(("raw", "what"), [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "answer cut short"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "answer cut short"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", "answer cut short"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab", "malformed chunk size"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456", "unsound Content-Length"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n123456", "unsound Content-Length"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n12345", "unsound Content-Length"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n12345", "unsound Content-Length"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n1234567890", "unsound Content-Length"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "unsound Transfer-Enc"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "unsound Transfer-Enc"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "unsound Tra"),
    (b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 0\r\n\r\n", "broken header line"),
    (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "protocol switched unasked"),
    (b"SSH-2.0-OpenSSH\r\n", "no HTTP/1 answer"),
    (b"HTTP/2.0 200 OK\r\n\r\n", "no HTTP/1 answer"),
    (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "too many header lines"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000 + b"\r\n\r\n", "answer too large"),
    (b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"a" * 2000 + b"\r\n") * 40 + b"\r\n", "answer too large"),
    (b"HTTP/1.1 103 X\r\n\r\n" * 5000, "answer too large"),
    (b"", "connection closed without an answer"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_unsound_answer_is_a_fault_that_may_have_been_done(raw, what):
    with ScriptedServer(raw) as server:
        fault = fault_of(server)
    assert fault.temporary
    assert fault.maybe_done
    assert fault.status is None
    assert fault.where == f"GET {server.url}/p"
    assert what in fault.what


@pytest.mark.parametrize("raw", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" + b"x" * 0x800 + b"\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"1;" + b"e" * 9000 + b"\r\nx\r\n") * 100,
], ids=["announced", "until close", "chunk", "chunk extensions"])
def test_body_over_the_bound_is_a_fault(raw):
    with ScriptedServer(raw) as server:
        assert fault_of(server, max_bytes=1000).what == "answer too large"


@pytest.mark.parametrize("size", [b"-1", b"+1", b"0x1", b"1_0", b" 1", b"", b"1\xb2", b"f" * 16])
def test_a_chunk_size_that_is_no_hexadecimal_number_is_refused(size):
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n" + b"x" * 200_000
    with ScriptedServer(raw) as server:
        assert fault_of(server, max_bytes=1000).what == "malformed chunk size"


def test_body_of_exactly_the_bound_is_fine():
    with ScriptedServer(answer(200, b"x" * 1000)) as server:
        assert len(get(server, max_bytes=1000).body) == 1000


def drip(piece, gap_s=0.02):
    def play(connection, _):
        until = time.monotonic() + 8
        while time.monotonic() < until:
            connection.sendall(piece)
            time.sleep(gap_s)
    return play


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
                                  b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-"],
                         ids=["status line", "body", "chunks", "field"])
def test_dripping_server_is_left_at_the_deadline(head):
    def play(connection, seen):
        connection.sendall(head)
        drip(b"1\r\nx\r\n" if b"chunked" in head else b"x")(connection, seen)
    with ScriptedServer(play) as server:
        started = time.monotonic()
        fault = fault_of(server, timeout_s=0.5)
        assert time.monotonic() - started < 2
    assert (fault.what, fault.maybe_done) == ("no whole answer in time", True)


def test_silent_server_is_left_at_the_deadline():
    gone = threading.Event()
    with ScriptedServer(lambda connection, _: (connection.recv(1), gone.set())) as server:
        assert fault_of(server, timeout_s=0.3).what == "no whole answer in time"
        assert gone.wait(5), "the connection was not closed"


def test_server_that_reads_nothing_is_left_at_the_deadline():
    stop = threading.Event()
    with ScriptedServer(lambda *_: stop.wait(5), reads_request=False) as server:
        fault = fault_of(server, Request("PUT", server.url, (), b"x" * (32 << 20)), timeout_s=0.5)
        stop.set()
    assert fault.what == "no whole answer in time"
    assert fault.maybe_done


def test_early_refusal_of_a_large_body_is_read():
    def refuse(connection, _):
        connection.recv(10000)
        connection.sendall(answer(413, b"too large"))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(10000)
    with ScriptedServer(refuse, reads_request=False) as server:
        response = transport().send(Request("PUT", server.url, (), b"x" * (32 << 20)), timeout_s=5)
    assert (response.status, response.body) == (413, b"too large")


def test_reset_in_the_middle_is_a_fault():
    def reset(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with ScriptedServer(reset) as server:
        fault = fault_of(server)
    assert fault.maybe_done
    assert fault.temporary


def test_refused_connection_was_not_done():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(RemoteFault) as caught:
            transport().send(Request("POST", f"http://127.0.0.1:{closed.getsockname()[1]}/?k=hidden"))
    assert caught.value.temporary
    assert not caught.value.maybe_done
    assert "hidden" not in str(caught.value)


def test_tls_with_the_operators_ca_file():
    with ScriptedServer(answer(200, b"secure"), tls=server_tls()) as server:
        assert get_over_tls(server).body == b"secure"
    assert server.seen[0].header("host") == f"localhost:{server.port}"


def test_unknown_certificate_is_a_lasting_fault_before_anything_is_sent():
    with ScriptedServer(answer(200), tls=server_tls()) as server:
        fault = fault_of(server)
        assert get_over_tls(server).status == 200
    assert fault.what.startswith("TLS certificate refused")
    assert (fault.temporary, fault.maybe_done) == (False, False)
    assert len(server.seen) == 1


def test_certificate_of_another_name_is_refused():
    carrier = transport(CA_FILE, TableResolver({"other.test": ["127.0.0.1"], "api.test": ["127.0.0.1"]}))
    with ScriptedServer(answer(200), tls=server_tls()) as server:
        with pytest.raises(RemoteFault, match="TLS certificate refused: Hostname mismatch"):
            carrier.send(Request("GET", f"https://other.test:{server.port}/"))
        assert carrier.send(Request("GET", f"https://api.test:{server.port}/")).status == 200


def test_plain_server_on_a_tls_url_and_silent_handshake_are_temporary():
    with ScriptedServer(b"HTTP/1.1 400 X\r\n\r\n", reads_request=False) as server:
        with pytest.raises(RemoteFault, match="TLS handshake failed") as caught:
            transport().send(Request("GET", f"https://127.0.0.1:{server.port}/"))
        assert caught.value.temporary
        assert not caught.value.maybe_done
    stop = threading.Event()
    with ScriptedServer(lambda *_: stop.wait(5), reads_request=False) as server:
        with pytest.raises(RemoteFault, match="TLS handshake failed"):
            transport().send(Request("GET", f"https://127.0.0.1:{server.port}/"), timeout_s=0.3)
        stop.set()


def test_missing_ca_file_is_a_configuration_error():
    with pytest.raises(ConfigError, match="ca_file = /no/such"):
        tls_context("/no/such.pem")


@pytest.mark.parametrize("headers", [
    (("X-A", "a\r\nB: c"),), (("X A", "1"),), (("X-A", "钥匙"),), (("X-A", "1"), ("x-a", "2"))])
def test_field_that_cannot_be_sent_is_a_bug_that_does_not_show_its_value(headers):
    with pytest.raises(Bug) as caught:
        transport().send(Request("GET", "http://127.0.0.1:1/", headers))
    assert all(value not in str(caught.value) for _, value in headers if len(value) > 1)


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http://127.0.0.1/\r\nX: 1"])
def test_url_that_is_no_http_url_is_refused(url):
    with pytest.raises(AddressRefused):
        transport().send(Request("GET", url))


def test_answer_is_logged_without_query_and_headers():
    with recorded("remote.http") as records, ScriptedServer(answer(200)) as server:
        transport().send(Request("GET", server.url + "/p?access_token=hidden", (("Authorization", "Bearer hidden"),)))
    assert "/p" in records.text()
    assert "hidden" not in records.text()


def test_time_that_is_over_before_sending_ends_the_exchange():
    with ScriptedServer() as server, pytest.raises(RemoteFault) as caught:
        transport().send(Request("GET", server.url), timeout_s=0)
    assert caught.value.temporary


def test_time_that_is_over_between_two_reads_ends_the_exchange():
    clock = FakeClock()

    def late(connection, _):
        clock.advance(31)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

    carrier = HttpTransport(Dialer(clock, SystemResolver(clock)), clock, user_agent="x", tls=tls_context())
    with ScriptedServer(late) as server, pytest.raises(RemoteFault, match="no whole answer in time"):
        carrier.send(Request("GET", server.url), timeout_s=30)

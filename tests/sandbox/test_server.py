"""The HTTP base: requests are kept, faults come as ordered, an outage is one."""

from __future__ import annotations

import http.client
import socket
import threading

import pytest

from tests.support.plain_client import call
from wxsync.sandbox.faults import Fault
from wxsync.sandbox.server import Answer, Server, json_answer


@pytest.fixture
def server():
    made = Server(lambda request: json_answer({"path": request.path, "said": request.body.decode("utf-8")}))
    yield made
    made.close()


def test_a_request_is_answered_and_kept_as_it_came(server):
    reply = call(server.port, "POST", "/a%20b?x=1&y=&x=2", b"hi", {"X-Own": "value"})
    assert (reply.status, reply.json()) == (200, {"path": "/a b", "said": "hi"})
    (request,) = server.seen("POST", "^/a")
    assert (request.target, request.query) == ("/a%20b?x=1&y=&x=2", (("x", "1"), ("y", ""), ("x", "2")))
    assert (request.arg("x"), request.arg("none", "d"), request.headers["x-own"]) == ("1", "d", "value")
    assert server.seen("GET") == []


def test_several_requests_go_over_one_connection(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for number in range(3):
        connection.request("GET", f"/{number}")
        assert connection.getresponse().read()
    connection.close()
    assert len(server.seen()) == 3


def test_head_and_204_have_no_body():
    server = Server(lambda request: Answer(204) if request.path == "/none" else Answer(200, b"12345", "text/plain"))
    try:
        head = call(server.port, "HEAD", "/")
        assert (head.body, head.headers["content-length"]) == (b"", "5")
        none = call(server.port, "GET", "/none")
        assert (none.status, none.body, "content-length" in none.headers) == (204, b"", False)
    finally:
        server.close()


@pytest.mark.parametrize(("headers", "status"), [
    ("Transfer-Encoding: chunked", 411), ("Content-Length: x", 413), ("Content-Length: 99999999999", 413)])
def test_a_body_without_a_fit_length_is_refused(server, headers, status):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert server.seen() == []


def test_a_status_is_answered_as_often_as_ordered_then_the_truth(server):
    server.fail_next("/x", 503, 2, body=b"busy", headers=(("Retry-After", "7"),))
    assert call(server.port, "GET", "/y").status == 200
    replies = [call(server.port, "GET", "/x") for _ in range(3)]
    assert [reply.status for reply in replies] == [503, 503, 200]
    assert (replies[0].body, replies[0].headers["retry-after"]) == (b"busy", "7")


def test_a_fault_may_wait_for_one_method(server):
    server.fail_next("/", 500, method="PUT")
    assert [call(server.port, method, "/").status for method in ("GET", "PUT", "PUT")] == [200, 500, 200]


def test_reset_and_close_end_the_connection_without_an_answer(server):
    server.fail_next("/", "reset")
    with pytest.raises(ConnectionResetError):
        call(server.port, "GET", "/")
    server.fail_next("/", "close")
    with pytest.raises(http.client.RemoteDisconnected):
        call(server.port, "GET", "/")


def test_truncate_sends_half_of_the_body(server):
    server.fail_next("/", "truncate")
    with pytest.raises(http.client.IncompleteRead):
        call(server.port, "GET", "/")


def test_a_lost_answer_comes_after_the_effect():
    effects = []
    server = Server(lambda request: effects.append(request.path) or Answer(200))
    try:
        server.fail_next("/x", 500, after=True)
        server.fail_next("/y", "reset", after=True)
        server.fail_next("/z", 500)
        assert call(server.port, "POST", "/x").status == 500
        with pytest.raises(ConnectionResetError):
            call(server.port, "POST", "/y")
        assert call(server.port, "POST", "/z").status == 500
        assert effects == ["/x", "/y"]
    finally:
        server.close()


def test_hang_never_answers_until_the_faults_are_cleared(server):
    server.fail_next("/", "hang")
    with pytest.raises(TimeoutError if TimeoutError is socket.timeout else socket.timeout):
        call(server.port, "GET", "/", timeout_s=0.3)
    server.fail_next("/", "hang")
    ends = []
    waiting = threading.Thread(target=lambda: ends.append(_end_of(server.port)))
    waiting.start()
    server.wait_seen("GET", "/", count=2)
    server.faults.clear()
    waiting.join(10)
    assert ends == ["closed"]


def _end_of(port):
    try:
        call(port, "GET", "/")
    except http.client.RemoteDisconnected:
        return "closed"
    return "answered"


def test_a_delay_comes_before_the_answer(server):
    server.fail_next("/", 200, delay_s=0.2)
    with pytest.raises(socket.timeout):
        call(server.port, "GET", "/", timeout_s=0.05)


def test_an_unknown_misdeed_is_an_error_of_the_test():
    with pytest.raises(ValueError, match="unknown misdeed"):
        Fault("/", "explode")


def test_down_refuses_and_cuts_and_up_listens_on_the_same_port(server):
    port, url = server.port, server.url
    kept = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    kept.request("GET", "/")
    kept.getresponse().read()
    server.down()
    assert server.is_down
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        kept.request("GET", "/")
        kept.getresponse()
    kept.close()
    with pytest.raises(ConnectionRefusedError):
        call(port, "GET", "/")
    server.up()
    server.up()
    assert (call(port, "GET", "/").status, server.url) == (200, url)


def test_waiting_for_a_request_ends_with_it_or_with_an_assertion(server):
    threading.Thread(target=call, args=(server.port, "GET", "/late")).start()
    assert server.wait_seen("GET", "/late")[0].path == "/late"
    with pytest.raises(AssertionError, match="0 of 1 requests"):
        server.wait_seen("GET", "/never", within_s=0.05)


def test_an_error_of_the_stand_in_itself_is_shown(capsys):
    def broken(request):
        raise RuntimeError("a fault of the stand-in")

    server = Server(broken)
    try:
        with pytest.raises(http.client.RemoteDisconnected):
            call(server.port, "GET", "/")
        server.down()
        assert "a fault of the stand-in" in capsys.readouterr().err
    finally:
        server.close()

"""The origin's files and the egress proxy through which its name is found."""

from __future__ import annotations

import hashlib
import http.client
import socket

import pytest

from tests.support.plain_client import call
from wxsync.sandbox.egress import EgressProxy
from wxsync.sandbox.origin import Origin, pdf
from wxsync.sandbox.server import Answer, Server
from wxsync.sandbox.stand_ins import StandIns


@pytest.fixture
def origin():
    made = Origin()
    yield made
    made.close()


@pytest.fixture
def proxy(origin):
    made = EgressProxy({"files.test": origin.server.port})
    yield made
    made.close()


def through(proxy, host, path, port=80):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    connection.set_tunnel(host, port)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def raw(proxy, data):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").readline()


def test_files_are_always_the_same_and_come_with_their_names(origin):
    got = call(origin.server.port, "GET", "/report.pdf")
    assert got.body == origin.files["/report.pdf"][1] == pdf(200_000)
    assert hashlib.sha256(got.body).hexdigest()[:32] == got.headers["etag"].strip('"')
    assert (got.body[:8], got.body[-6:]) == (b"%PDF-1.4", b"%%EOF\n")
    assert got.headers["content-disposition"].endswith("%E6%8A%A5%E5%91%8A.pdf")
    assert call(origin.server.port, "HEAD", "/backup.tar.gz").headers["content-length"] == "10000000"
    asked = (("GET", "/none"), ("POST", "/report.pdf"), ("GET", "/"))
    assert [call(origin.server.port, *what).status for what in asked] == [404, 405, 200]


def test_files_can_be_resumed(origin):
    whole = call(origin.server.port, "GET", "/report.pdf")
    etag = whole.headers["etag"]
    rest = call(origin.server.port, "GET", "/report.pdf", None, {"Range": "bytes=1000-", "If-Range": etag})
    assert (rest.status, rest.body) == (206, whole.body[1000:])
    assert rest.headers["content-range"] == f"bytes 1000-{len(whole.body) - 1}/{len(whole.body)}"
    other = call(origin.server.port, "GET", "/report.pdf", None, {"Range": "bytes=1000-", "If-Range": '"x"'})
    assert other.status == 200
    assert call(origin.server.port, "GET", "/report.pdf", None, {"Range": "bytes=99999999-"}).status == 416


def test_a_name_is_found_through_the_proxy_alone(origin, proxy):
    assert through(proxy, "files.test", "/report.pdf") == origin.files["/report.pdf"][1]
    assert through(proxy, "FILES.test.", "/") == b"/backup.tar.gz\n/report.pdf"
    assert proxy.tunnels == ["files.test:80", "FILES.test.:80"]


def test_loopback_is_reached_and_nothing_else(proxy):
    server = Server(lambda request: Answer(200, b"here"))
    assert through(proxy, "127.0.0.1", "/", server.port) == b"here"
    assert through(proxy, "localhost", "/", server.port) == b"here"
    server.close()
    assert raw(proxy, b"CONNECT [::1]:1 HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 502")
    for host in ("example.com", "10.0.0.1", "169.254.169.254"):
        assert raw(proxy, f"CONNECT {host}:80 HTTP/1.1\r\n\r\n".encode()).startswith(b"HTTP/1.1 502")


@pytest.mark.parametrize("data", [b"GET http://files.test/ HTTP/1.1\r\n\r\n", b"CONNECT files.test HTTP/1.1\r\n\r\n",
                                  b"\r\n\r\n", b"", b"x" * 20_000])
def test_only_connect_is_served(proxy, data):
    assert raw(proxy, data).startswith(b"HTTP/1.1 405")


def test_a_proxy_that_ends_cuts_its_tunnels(origin, proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(b"CONNECT files.test:80 HTTP/1.1\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        proxy.close()
        connection.settimeout(10)
        assert connection.recv(1) == b""


def test_the_demos_settings_lead_through_the_proxy():
    with StandIns() as stand_ins:
        egress = stand_ins.settings()["egress"]
        assert egress == {"proxy_url": stand_ins.egress.url, "check_url": "http://files.test/"}
        assert b"report.pdf" in through(stand_ins.egress, "files.test", "/")

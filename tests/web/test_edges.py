"""Broken peers at odd moments: upstreams that do not read or speak TLS, clients that reset, answers nobody takes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading

import pytest

from tests.support.limits import TestLimits, running
from tests.support.raw import Client, until
from tests.support.upstream import OK, Peer, ScriptedUpstream
from tests.web.test_proxy import TLS_FILES, Setup, get, post
from wxsync.http1.answer import answer_head
from wxsync.remote.http import tls_context
from wxsync.web.exchange import Exchange
from wxsync.web.routes import Router, Rule


def test_an_upstream_that_does_not_read_is_504() -> None:
    gate = threading.Event()

    def serve(peer: Peer) -> None:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.head()
        gate.wait(5)

    with ScriptedUpstream(serve) as upstream, \
            Setup(upstream.url, timeout_s=0.4, max_body=1 << 30).client() as client:
        client.send(get("/a", "Content-Length: 100000000", method="PUT"))
        sender = threading.Thread(target=push, args=(client,))
        sender.start()
        assert client.answer().status == 504
        client.sock.shutdown(socket.SHUT_RDWR)
        sender.join(5)
        gate.set()


def push(client: Client) -> None:
    with contextlib.suppress(OSError):
        for _ in range(1000):
            client.sock.sendall(b"x" * 65536)


def test_https_to_a_plain_upstream_is_502() -> None:
    def serve(peer: Peer) -> None:
        peer.more()
        peer.send(b"HTTP/1.1 400 Bad\r\n\r\n")

    with ScriptedUpstream(serve) as upstream, \
            Setup(f"https://127.0.0.1:{upstream.port}", tls=tls_context(str(TLS_FILES / "ca.pem"))).client() as client:
        assert client.send(get()).answer().status == 502


def test_an_unknown_authority_is_502() -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(TLS_FILES / "server.pem")
    with ScriptedUpstream(OK, tls=server_side) as upstream, Setup(upstream.url, tls=tls_context()).client() as client:
        assert client.send(post("x")).answer().status == 502
        assert upstream.seen == []


def test_tls_upload_in_pieces_slow_answer_and_stale_connection() -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        threading.Event().wait(0.7)
        peer.send(OK)
        ending.set()
        peer.sock.unwrap()

    ending = threading.Event()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(TLS_FILES / "server.pem")
    context = tls_context(str(TLS_FILES / "ca.pem"))
    with ScriptedUpstream(serve, tls=server_side) as upstream:
        setup = Setup(upstream.url, tls=context, timeout_s=10.0)
        with setup.client() as client:
            for _ in range(2):
                client.send(get("/a", "Content-Length: 6", method="PUT"))
                client.send("abc")
                until(lambda: upstream.connections)
                assert client.send("def").answer().body == b"ok"
                # The end of the connection must have arrived: one that is used within the same moment is a race.
                assert ending.wait(10)
                threading.Event().wait(0.1)
        assert [seen.body for seen in upstream.seen] == [b"abcdef"] * 2


@pytest.mark.parametrize("sent", ["", "hel"])
def test_a_client_that_resets_under_its_body(sent: str) -> None:
    with ScriptedUpstream(OK) as upstream:
        setup = Setup(upstream.url)
        with setup.client() as client:
            client.send(get("/a", "Content-Length: 5", method="POST") + sent)
            until(lambda: upstream.connections)
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sock.close()
            until(lambda: [account.status for account in setup.accounts.all] == [0])
        assert upstream.seen == []


def test_a_client_that_leaves_an_answer_under_way() -> None:
    ended = threading.Event()

    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(100_000):
                peer.send(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
        ended.set()

    with ScriptedUpstream(serve) as upstream, Setup(upstream.url).client() as client:
        client.send(get()).sock.recv(10)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sock.close()
        assert ended.wait(5)


def test_a_slow_body_that_keeps_coming_is_read_and_bounded() -> None:
    def echo(exchange: Exchange) -> None:
        exchange.answer(200, exchange.body(100))

    def broken_midway(exchange: Exchange) -> None:
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        exchange.keeps = True
        raise RuntimeError

    router = Router([Rule(b"/echo", ("POST",), echo), Rule(b"/half", ("GET",), broken_midway)])
    with running(router, TestLimits(body_timeout=1.0)) as (server, _):
        with Client(server.server_address) as client:
            client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in ("2\r\nhe", "\r\n", "3\r", "\nllo\r\n", "0\r\n\r\n"):
                threading.Event().wait(0.05)
                client.send(piece)
            assert client.answer().body == b"hello"
            client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe")
            threading.Event().wait(0.05)
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with Client(server.server_address) as client, pytest.raises(EOFError):
            client.send("GET /half HTTP/1.1\r\nHost: h\r\n\r\n").answer()


def test_a_connection_in_use_outlives_a_slower_head() -> None:
    router = Router([Rule(b"/a", ("GET",), lambda exchange: exchange.answer(200, b"a"))])
    text = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
    with running(router, TestLimits(max_connections=2)) as (server, service), \
            Client(server.server_address) as head, Client(server.server_address) as used:
        head.send("GET /a")
        threading.Event().wait(0.7)
        used.send(text).answer()
        until(lambda: service.lobby.counts()[1] == 1)
        with Client(server.server_address) as other:
            assert other.send(text).answer().status == 200
            assert head.answer().status == 503
            assert used.send(text).answer().status == 200


def test_a_header_with_a_line_end_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError):
        answer_head(200, (("X", "a\r\nSet-Cookie: b"),))
    router = Router([Rule(b"/a", ("GET",), lambda exchange: exchange.answer(200, b"", headers=(("X", "a\nb"),)))])
    with running(router) as (server, _), Client(server.server_address) as client:
        assert client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 500

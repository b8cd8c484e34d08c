"""Streamed answers over kept connections: reuse, bodies that stream, early answers, time, and the stop."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.records import recorded
from tests.support.scripted_server import answer
from tests.support.upstream import OK, Peer, ScriptedUpstream
from wxsync.clock import SystemClock
from wxsync.errors import Bug, RemoteFault
from wxsync.remote.broken import Break, BrokenExchange
from wxsync.remote.dialer import Dialer
from wxsync.remote.exchange import Request
from wxsync.remote.http import HttpTransport, tls_context
from wxsync.remote.resolver import SystemResolver
from wxsync.remote.stop import SLICE_S, Stopped

CERTS = Path(__file__).parents[1] / "data" / "tls"
CLOCK = SystemClock()


def server_tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(CERTS / "server.pem"))
    return context


def session(stop=None, clock=CLOCK, dialer=None):
    dialer = dialer or Dialer(clock, SystemResolver(clock))
    return HttpTransport(dialer, clock, user_agent="wxsyncd/0", tls=tls_context(str(CERTS / "ca.pem"))).session(stop)


def soon(seconds=10.0):
    return CLOCK.monotonic() + seconds


def local(server, path="/"):
    return f"{server.url.replace('127.0.0.1', 'localhost') if 'https' in server.url else server.url}{path}"


def opened(carrier, server, method="GET", body=None, *, path="/", **kwargs):
    return carrier.open(Request(method, local(server, path), (), body), deadline=soon(), **kwargs)


def whole(incoming, block=1000):
    body, buffer = b"", memoryview(bytearray(block))
    while count := incoming.readinto(buffer):
        body += buffer[:count]
    incoming.close()
    return body


class Generated:
    """A body that is made while it is sent."""

    def __init__(self, *pieces, length=None):
        self.pieces = pieces
        self.length = sum(map(len, pieces)) if length is None else length

    def __iter__(self):
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield memoryview(piece)


@pytest.fixture(params=["plain", "tls"])
def tls(request):
    return server_tls() if request.param == "tls" else None


def test_a_connection_is_used_again_after_each_kind_of_sound_end(tls):
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2 \r\nde\r\n0\r\nT: 1\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ]

    def serve(peer):
        for each in answers:
            peer.request()
            peer.send(each)
        peer.more()

    with ScriptedUpstream(serve, tls=tls) as server, contextlib.closing(session()) as carrier:
        assert [whole(opened(carrier, server)) for _ in answers] == [b"12345", b"abcde", b"ok", b"", b""]
        assert server.connections == 1
    assert all(not request.values("Connection") for request in server.seen)


def test_an_answer_without_a_body_lets_its_connection_go_on_when_nobody_reads_it():
    def serve(peer):
        while True:
            peer.request()
            peer.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nETag: x\r\n\r\n")

    with ScriptedUpstream(serve) as server, contextlib.closing(session()) as carrier:
        for _ in range(3):
            incoming = opened(carrier, server, "PUT", b"part")
            assert (incoming.status, incoming.header("etag"), incoming.header("absent")) == (201, "x", None)
            incoming.close()
            incoming.close()
        assert server.connections == 1


@pytest.mark.parametrize("raw", [
    b"HTTP/1.1 200 OK\r\nConnection: keep, Close\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 injected\r\n\r\n",
], ids=["close", "1.0", "more than asked for"])
def test_a_connection_that_cannot_go_on_is_left(raw, tls):
    def serve(peer):
        peer.request()
        peer.send(raw)
        peer.more()

    with ScriptedUpstream(serve, tls=tls) as server, contextlib.closing(session()) as carrier:
        assert [whole(opened(carrier, server)) for _ in range(2)] == [b"ok", b"ok"]
        assert server.connections == 2


def test_a_body_that_was_not_read_to_its_end_costs_its_connection():
    with ScriptedUpstream(OK) as server, contextlib.closing(session()) as carrier:
        first = opened(carrier, server)
        assert first.readinto(memoryview(bytearray(1))) == 1
        first.close()
        with pytest.raises(Bug):
            first.readinto(memoryview(bytearray(1)))
        assert whole(opened(carrier, server)) == b"ok"
        assert server.connections == 2


def test_two_answers_at_a_time_have_a_connection_each():
    with ScriptedUpstream(OK) as server, contextlib.closing(session()) as carrier:
        pair = [opened(carrier, server), opened(carrier, server)]
        assert [whole(each) for each in pair] == [b"ok", b"ok"]
        assert (whole(opened(carrier, server)), server.connections) == (b"ok", 2)


def test_each_origin_has_its_own_connection():
    with ScriptedUpstream(OK) as a, ScriptedUpstream(OK) as b, contextlib.closing(session()) as carrier:
        for server in (a, b, a, b):
            assert carrier.send(Request("GET", server.url)).body == b"ok"
        assert (a.connections, b.connections) == (1, 1)


def test_a_kept_connection_that_the_peer_closed_is_replaced_for_every_method(tls):
    """The end is seen before anything is sent, so that a POST is not sent twice either."""
    ended = threading.Semaphore(0)

    def serve(peer):
        peer.request()
        peer.send(OK)
        peer.sock.shutdown(socket.SHUT_RDWR)
        ended.release()

    with ScriptedUpstream(serve, tls=tls) as server, contextlib.closing(session()) as carrier:
        for method in ("GET", "POST", "PUT"):
            assert whole(opened(carrier, server, method)) == b"ok"
            assert ended.acquire(timeout=5)
        assert (len(server.seen), server.connections) == (3, 3)


def once_then_hang_up(peer):
    """Answer the first request of a connection, and close on the second one's arrival."""
    peer.request()
    peer.send(OK)
    peer.request()


@pytest.mark.parametrize("body", [None, b"x", bytearray(b"y" * 300_000), memoryview(b"z" * 300_000)])
def test_a_kept_connection_that_ends_under_a_request_is_replaced_once(body):
    with ScriptedUpstream(once_then_hang_up) as server, contextlib.closing(session()) as carrier:
        with recorded("remote.http") as records:
            assert whole(opened(carrier, server)) == b"ok"
            assert whole(opened(carrier, server, "PUT", body, path="/?signature=hidden")) == b"ok"
        assert server.connections == 2
    assert [request.body for request in server.seen] == [b"", bytes(body or b""), bytes(body or b"")]
    assert "hidden" not in records.text()
    assert records.fields("kept connection had ended")


@pytest.mark.parametrize(("method", "body"), [("POST", b"x"), ("PUT", Generated(b"a", b"b"))])
def test_what_cannot_or_must_not_be_sent_twice_is_not(method, body):
    with ScriptedUpstream(once_then_hang_up) as server, contextlib.closing(session()) as carrier:
        assert whole(opened(carrier, server)) == b"ok"
        with pytest.raises(BrokenExchange, match="without an answer") as caught:
            opened(carrier, server, method, body)
        assert (caught.value.cause, caught.value.maybe_done, server.connections) == (Break.ENDED, True, 1)


def test_a_fresh_connection_that_ends_is_not_tried_again():
    with ScriptedUpstream(Peer.request) as server, contextlib.closing(session()) as carrier:
        with pytest.raises(BrokenExchange, match="without an answer"):
            opened(carrier, server)
        assert server.connections == 1


def test_an_answer_that_began_on_a_kept_connection_is_not_asked_for_again():
    def serve(peer):
        peer.request()
        peer.send(OK)
        peer.request()
        peer.send(b"HTTP/1.1 2")

    with ScriptedUpstream(serve) as server, contextlib.closing(session()) as carrier:
        assert whole(opened(carrier, server)) == b"ok"
        with pytest.raises(BrokenExchange, match="cut short"):
            opened(carrier, server)
        assert server.connections == 1


def test_a_connection_that_was_idle_for_long_is_not_used():
    clock = FakeClock()
    with ScriptedUpstream(OK) as server, contextlib.closing(session(clock=clock)) as carrier:
        for connections, idle_s in ((1, 29), (1, 31), (2, 0)):
            assert carrier.send(Request("GET", server.url)).body == b"ok"
            assert server.connections == connections
            clock.advance(idle_s)


def test_close_ends_every_connection_also_one_that_is_being_read():
    gone = threading.Semaphore(0)

    def serve(peer):
        try:
            while True:
                peer.request()
                peer.send(OK)
        finally:
            gone.release()

    with ScriptedUpstream(serve) as server:
        carrier = session()
        late = opened(carrier, server)
        assert whole(opened(carrier, server)) == b"ok"
        carrier.close()
        for _ in range(2):
            assert gone.acquire(timeout=5)
        late.close()
        assert whole(opened(carrier, server)) == b"ok"
        assert gone.acquire(timeout=5), "a closed session keeps nothing"


@pytest.mark.parametrize("body", [
    b"x" * 3_000_000, bytearray(b"y" * 100_000), memoryview(b"abc" * 50_000)[::1],
    Generated(b"ab", b"", b"c" * 2_000_000), Generated(), b"",
], ids=["bytes", "bytearray", "memoryview", "pieces", "no pieces", "empty"])
def test_every_body_goes_out_whole_with_its_length(body, tls):
    with ScriptedUpstream(OK, tls=tls) as server, contextlib.closing(session()) as carrier:
        assert whole(opened(carrier, server, "PUT", body)) == b"ok"
        wanted = b"".join(body.pieces) if isinstance(body, Generated) else bytes(body)
        assert server.seen[0].body == wanted
        assert server.seen[0].values("Content-Length") == [str(len(wanted))]


@pytest.mark.parametrize("length", [3, 5])
def test_pieces_that_do_not_add_up_to_their_length_are_a_bug_and_end_the_connection(length):
    with ScriptedUpstream(OK) as server, contextlib.closing(session()) as carrier:
        with pytest.raises(Bug, match="not as long as it said"):
            opened(carrier, server, "PUT", Generated(b"ab", b"cd", length=length))
        assert whole(opened(carrier, server)) == b"ok"
        assert server.connections == 2


def test_what_the_pieces_raise_comes_out_as_it_is():
    class Broken(Generated):
        def __iter__(self):
            yield memoryview(b"a")
            raise OSError("the disk")

    with ScriptedUpstream(OK) as server, pytest.raises(OSError, match="the disk"):
        opened(session(), server, "PUT", Broken(length=2))


def test_an_early_refusal_stops_the_sending_although_the_connection_stays(tls):
    over = threading.Event()

    def serve(peer):
        peer.head()
        peer.send(answer(413, b"too large"))
        over.wait(10)

    asked_for = []

    class Endless(Generated):
        def __iter__(self):
            while True:
                asked_for.append(1)
                yield memoryview(bytes(1 << 20))

    with ScriptedUpstream(serve, tls=tls) as server, contextlib.closing(session()) as carrier:
        started = time.monotonic()
        incoming = opened(carrier, server, "PUT", Endless(length=1 << 40))
        assert (incoming.status, whole(incoming)) == (413, b"too large")
        assert time.monotonic() - started < 5
        assert len(asked_for) < 100
        assert opened(carrier, server).status == 413
        over.set()
        assert server.connections == 2, "never a second request behind half a body"


def test_an_interim_answer_while_the_body_is_sent_stops_nothing(tls):
    def serve(peer):
        head = peer.head()
        peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        assert len(peer.body(head)) == 8 << 20
        peer.send(OK)

    with ScriptedUpstream(serve, tls=tls) as server, contextlib.closing(session()) as carrier:
        assert whole(opened(carrier, server, "PUT", bytes(8 << 20))) == b"ok"


def test_head_announces_a_length_and_has_no_body():
    def serve(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        peer.request()
        peer.send(OK)

    with ScriptedUpstream(serve) as server, contextlib.closing(session()) as carrier:
        incoming = opened(carrier, server, "HEAD")
        assert (incoming.length, whole(incoming)) == (5000, b"")
        assert whole(opened(carrier, server)) == b"ok"
        assert server.connections == 1


def test_length_is_none_when_the_head_announces_none():
    with ScriptedUpstream(lambda peer: (peer.request(), peer.send(b"HTTP/1.1 200 OK\r\n\r\nuntil close"))) as server:
        incoming = opened(session(), server)
        assert (incoming.length, whole(incoming)) == (None, b"until close")


@pytest.mark.parametrize(("raw", "what"), [
    (b"Content-Length: 10\r\n\r\nshort", "cut short"),
    (b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", "cut short"),
    (b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "cut short"),
    (b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", "chunk longer than its size"),
    (b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nno trailer\r\n\r\n", "malformed trailers"),
    (b"Transfer-Encoding: chunked\r\n\r\n1;" + b"e" * 70_000, "answer too large"),
    (b"Transfer-Encoding: chunked\r\n\r\n" + (b"1;" + b"e" * 1000 + b"\r\nx\r\n") * 100, "answer too large"),
    (b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"T: x\r\n" * 20_000 + b"\r\n", "answer too large"),
], ids=["length", "chunk", "after a chunk", "long chunk", "trailer", "chunk line", "chunk lines", "trailers"])
def test_a_broken_body_is_a_temporary_fault(raw, what):
    with ScriptedUpstream(lambda peer: (peer.request(), peer.send(b"HTTP/1.1 200 OK\r\n" + raw))) as server:
        incoming = opened(session(), server)
        with pytest.raises(BrokenExchange, match=what) as caught:
            whole(incoming)
        assert caught.value.temporary
        incoming.close()


def test_a_tls_stream_that_ends_without_its_own_end_is_cut_short():
    def serve(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        socket.socket(fileno=peer.sock.detach()).close()

    with ScriptedUpstream(serve, tls=server_tls()) as server:
        incoming = opened(session(), server)
        with pytest.raises(BrokenExchange, match="connection broken: SSL"):
            whole(incoming)


def test_folded_spaced_and_bare_line_feed_fields_are_read():
    raw = (b"HTTP/1.1 200\nLocation:\r\n http://a/\r\n\tb \r\nX-Name : v\r\nX-Raw: \xe4\xb8\xad\n"
           b"Content-Length: 0\n\n")
    with ScriptedUpstream(lambda peer: (peer.request(), peer.send(raw))) as server:
        incoming = opened(session(), server)
        assert [incoming.header(name) for name in ("location", "x-name", "x-raw")] == [
            "http://a/ b", "v", "\xe4\xb8\xad"]


@pytest.mark.parametrize("line", [b" folded first: 1", b": no name", b"a b: 1", b"X: nul\0", b"X: cr\rLF: 1"])
def test_fields_that_two_readers_could_read_differently_are_refused(line):
    raw = b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: 0\r\n\r\n"
    with ScriptedUpstream(lambda peer: (peer.request(), peer.send(raw))) as server, pytest.raises(
        BrokenExchange, match="broken header line"
    ):
        opened(session(), server)


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection"])
def test_fields_that_the_session_sets_are_no_callers_business(name):
    with pytest.raises(Bug):
        session().send(Request("GET", "http://127.0.0.1:1/", ((name, "1"),)))


def test_silence_ends_an_exchange_long_before_its_deadline():
    over = threading.Event()

    def serve(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        over.wait(10)

    with ScriptedUpstream(serve) as server:
        incoming = opened(session(), server, silence_s=0.2)
        started = time.monotonic()
        with pytest.raises(BrokenExchange, match=r"silent for 0\.2 s") as caught:
            whole(incoming)
        over.set()
        assert 0.15 < time.monotonic() - started < 2
        assert caught.value.cause is Break.SILENT


def test_dripping_bytes_break_the_silence_but_not_the_deadline():
    over = threading.Event()

    def serve(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not over.wait(0.05):
            peer.send(b"x")

    with ScriptedUpstream(serve) as server:
        incoming = session().open(Request("GET", server.url), deadline=soon(0.8), silence_s=0.5)
        with pytest.raises(BrokenExchange, match="no whole answer in time") as caught:
            whole(incoming)
        over.set()
        assert caught.value.cause is Break.TIMED_OUT


@contextlib.contextmanager
def ended_within_a_second(stop):
    timer = threading.Timer(0.1, stop.set)
    started = time.monotonic()
    timer.start()
    with pytest.raises(Stopped):
        yield
    timer.join()
    assert 0.1 <= time.monotonic() - started < 2.5  # a second, and a loaded machine


def silent_after(raw, over):
    def serve(peer):
        peer.request()
        peer.send(raw)
        over.wait(10)
    return serve


def test_stop_ends_the_wait_for_a_head_and_for_a_body(tls):
    over = threading.Event()
    for raw in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"):
        stop = threading.Event()
        with ScriptedUpstream(silent_after(raw, over), tls=tls) as server, ended_within_a_second(stop):
            whole(opened(session(stop), server))
    over.set()


def test_stop_ends_a_flood():
    stop, over = threading.Event(), threading.Event()

    def serve(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.is_set():
            peer.send(bytes(65536))

    with ScriptedUpstream(serve) as server, ended_within_a_second(stop):
        incoming = opened(session(stop), server)
        buffer = memoryview(bytearray(65536))
        while incoming.readinto(buffer):
            pass
    over.set()


def test_stop_ends_a_handshake_a_send_and_a_dial():
    over = threading.Event()
    with ScriptedUpstream(lambda _: over.wait(10)) as server:
        stop = threading.Event()
        with ended_within_a_second(stop):
            session(stop).open(Request("GET", f"https://localhost:{server.port}/"), deadline=soon())
        stop = threading.Event()
        with ended_within_a_second(stop):
            opened(session(stop), server, "PUT", bytes(64 << 20))
    over.set()

    class BlackHole:
        def dial(self, host, port, deadline, *, stop=None):
            stop.wait(10)
            raise Stopped("stopped")

    stop = threading.Event()
    with ended_within_a_second(stop):
        session(stop, dialer=BlackHole()).open(Request("GET", "http://a.test/"), deadline=soon())


def test_a_dial_may_last_no_longer_than_the_silence():
    seen = []

    class Recording:
        def dial(self, host, port, deadline, *, stop=None):
            seen.append(deadline - CLOCK.monotonic())
            raise RemoteFault("away", temporary=True)

    for limits in ({"deadline": soon(100), "silence_s": 5}, {"deadline": soon(3)}):
        with pytest.raises(RemoteFault, match="away"):
            session(dialer=Recording()).open(Request("GET", "http://a.test/"), **limits)
    assert seen == [pytest.approx(5, abs=1), pytest.approx(3, abs=1)]


def test_a_body_goes_straight_into_the_callers_buffer():
    """Large pieces come out of few reads; a reader that goes through a small buffer would need many."""
    size = 32 << 20
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size

    with ScriptedUpstream(lambda peer: (peer.request(), peer.send(head + bytes(size)))) as server:
        incoming = opened(session(), server)
        buffer, sizes = memoryview(bytearray(4 << 20)), []
        while count := incoming.readinto(buffer):
            sizes.append(count)
    assert sum(sizes) == size
    assert max(sizes) > 64 << 10


@pytest.mark.parametrize("head", [
    b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"
], ids=["head", "chunk"])
def test_a_head_or_a_chunk_line_that_drips_counts_as_silence(head):
    over = threading.Event()

    def serve(peer):
        peer.request()
        peer.send(head)
        while not over.wait(0.05):
            peer.send(b"H")

    with ScriptedUpstream(serve) as server, pytest.raises(BrokenExchange, match=r"silent for 0\.4 s"):
        started = time.monotonic()
        try:
            whole(opened(session(), server, silence_s=0.4))
        finally:
            over.set()
            assert time.monotonic() - started < 3


def test_a_peer_that_reads_slowly_gets_every_byte_in_order(tls):
    """The wait for room to send is cut into slices; TLS wants the very same bytes again after each."""
    body = random.Random(2).randbytes(8 << 20)

    def serve(peer):
        head = peer.head()
        for _ in range(2):
            threading.Event().wait(1.2 * SLICE_S)
            peer.more()
        assert peer.body(head) == body
        peer.send(OK)

    with ScriptedUpstream(serve, tls=tls) as server, contextlib.closing(session()) as carrier:
        assert whole(opened(carrier, server, "PUT", body)) == b"ok"


def test_a_peer_that_resets_a_large_body_without_a_word_is_a_broken_connection():
    def serve(peer):
        peer.head()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with ScriptedUpstream(serve) as server, pytest.raises(BrokenExchange) as caught:
        opened(session(), server, "PUT", bytes(64 << 20))
    assert caught.value.cause is Break.ENDED

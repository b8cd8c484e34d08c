"""Damaged requests over real sockets, half-closed after sending: an answer or an end in time, and nothing smuggled."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

from tests.support.mutation import REQUESTS, mutated
from tests.support.relay_process import RelayProcess
from tests.support.upstream import OK, Peer, ScriptedUpstream
from wxsync.http1.bodies import ChunkedDecoder, LengthDecoder
from wxsync.http1.forwarding import leaves_prefix
from wxsync.http1.grammar import HEAD_END
from wxsync.http1.refusal import Refusal
from wxsync.http1.request import parse_request
from wxsync.web.proxy import METHODS

ROUNDS = 2000
DEADLINE_S = 5.0
PREFIX = b"/wework-callback"


def judged(data: bytes) -> list[tuple[str, bytes]]:
    """The requests that may go on: request line without version, and body, up to the first that ends the connection."""
    found = []
    with suppress(Refusal):
        while (end := data.removeprefix(b"\r\n").find(HEAD_END)) >= 0:
            data = data.removeprefix(b"\r\n")
            head = parse_request(data[:end + 4], max_line=8192, max_fields=32768)
            data = data[end + 4:]
            decoder = ChunkedDecoder() if head.fields.chunked else LengthDecoder(head.fields.length or 0)
            body = b"" if decoder.done else decoder.feed(data)
            if not decoder.done:
                break
            data = decoder.rest if head.fields.has_body else data
            rest = head.target[len(PREFIX):]
            is_ours = head.path == PREFIX or head.path.startswith(PREFIX + b"/")
            if is_ours and head.method in METHODS and not leaves_prefix(head.path[len(PREFIX):]):
                target = rest if rest.startswith(b"/") else b"/" + rest
                found.append((f"{head.method} {target.decode('latin-1')}", body))
    return found


def ask(address: tuple[str, int], data: bytes) -> bytes:
    answer = b""
    with socket.create_connection(address, timeout=DEADLINE_S) as sock, suppress(ConnectionError):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while more := sock.recv(65536):
            answer += more
    return answer


def test_damaged_requests_over_sockets() -> None:
    chance = random.Random(3)
    faults: list[str] = []

    def serve(peer: Peer) -> None:
        with suppress(EOFError, OSError):
            while True:
                try:
                    peer.request()
                except (ValueError, AssertionError) as error:
                    faults.append(f"malformed at the upstream: {error!r}")
                    return
                peer.send(OK)

    passed = 0
    with ScriptedUpstream(serve) as upstream, RelayProcess({
            "targets": [upstream.url], "head_timeout": 1, "body_timeout": 1, "timeout": 2, "max_body": 1 << 20,
    }) as relay:
        for _ in range(ROUNDS):
            data = mutated(chance, chance.choice(REQUESTS), REQUESTS)
            upstream.seen.clear()
            answer = ask(relay.address, data)
            assert not answer or answer.startswith(b"HTTP/1.1 "), answer[:50]
            seen = [(each.line.rpartition(" ")[0], each.body) for each in upstream.seen]
            allowed = judged(data)
            assert seen == allowed[:len(seen)], (data, seen, allowed)
            passed += len(seen)
        assert ask(relay.address, b"GET /wework-callback HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 OK")
    assert faults == []
    assert passed > ROUNDS // 10, "the damage leaves nothing to judge"

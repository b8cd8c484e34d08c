"""An origin that plays a script for each path: whole files, ranges, cuts, resets, drips, redirects, refusals."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import Callable, Union

from tests.support.upstream import Peer, Request, ScriptedUpstream

Play = Union[bytes, Callable[[Peer, Request], None]]


class Origin(ScriptedUpstream):
    """routes: path -> plays, one for each request in order, the last one again and again; other paths are 404."""

    def __init__(self, routes: dict[str, Sequence[Play]], *, tls: ssl.SSLContext | None = None) -> None:
        self._plays = {path: list(plays) for path, plays in routes.items()}
        self.over = threading.Event()  # ends the plays that wait
        super().__init__(self._each, tls=tls)

    def close(self) -> None:
        self.over.set()
        super().close()

    def asked(self, name: str) -> list[str]:
        """Return a field of every request that had it."""
        return [value for request in self.seen for value in request.values(name)]

    def _each(self, peer: Peer) -> None:
        while True:
            request = peer.request()
            path = request.line.split(" ")[1].partition("?")[0]
            plays = self._plays.get(path, [status(404)])
            play = plays.pop(0) if len(plays) > 1 else plays[0]
            if isinstance(play, bytes):
                peer.send(play)
            else:
                play(peer, request)


def answer(code: int, body: bytes = b"", *fields: str, length: int | None = -1) -> bytes:
    """Return an answer; length: what it announces, -1 the truth, None nothing."""
    announced = () if length is None else (f"Content-Length: {len(body) if length < 0 else length}",)
    head = "\r\n".join([f"HTTP/1.1 {code} X", *fields, *announced, "", ""])
    return head.encode("latin-1") + body


def status(code: int, *fields: str) -> bytes:
    return answer(code, b"sorry", *fields)


def redirect(location: str, code: int = 302) -> bytes:
    return answer(code, b"", "Location: " + location.encode().decode("latin-1"))


def cut(body: bytes, at: int, *fields: str, reset: bool = False) -> Play:
    """Announce the whole body, send so much of it, and end the connection."""
    def play(peer: Peer, _: Request) -> None:
        peer.send(answer(200, body[:at], *fields, length=len(body)))
        end(peer, reset=reset)
    return play


def rest(body: bytes, *fields: str, until: int | None = None, reset: bool = False) -> Play:
    """Answer a range request with what it asks for, up to `until`, and end the connection when that is not all."""
    def play(peer: Peer, request: Request) -> None:
        start = int(request.values("Range")[0].partition("=")[2].rstrip("-"))
        content = f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}"
        peer.send(answer(206, body[start:until], content, *fields, length=len(body) - start))
        if until is not None:
            end(peer, reset=reset)
    return play


def end(peer: Peer, *, reset: bool = False) -> None:
    """End the connection, by a reset if so wanted."""
    if reset:
        # What was sent must have been read: a reset throws away what waits at the other side.
        time.sleep(0.05)
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.sock.close()
    else:
        peer.sock.shutdown(socket.SHUT_RDWR)
    raise EOFError


def silent(before: bytes = b"") -> Play:
    """Send what comes before, and nothing more."""
    def play(peer: Peer, _: Request) -> None:
        peer.send(before)
        _over(peer).wait(20)
    return play


def endless(head: bytes, piece: bytes, gap_s: float = 0.0) -> Play:
    """Send the head, then the piece again and again."""
    def play(peer: Peer, _: Request) -> None:
        peer.send(head)
        while not _over(peer).wait(gap_s):
            peer.send(piece)
    return play


def _over(peer: Peer) -> threading.Event:
    assert isinstance(peer.upstream, Origin)
    return peer.upstream.over

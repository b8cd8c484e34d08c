"""A scripted upstream: each connection is given to a function, and the requests that came are kept."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Request(NamedTuple):
    line: str
    head: str
    body: bytes

    def values(self, name: str) -> list[str]:
        return re.findall(rf"(?im)^{re.escape(name)}:[ \t]*([^\r\n]*)\r?$", self.head)


class Peer:
    """One connection to the upstream."""

    def __init__(self, sock: socket.socket, upstream: ScriptedUpstream) -> None:
        self.sock = sock
        self.buffer = b""
        self.upstream = upstream

    def more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def head(self) -> str:
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head.decode("latin-1") + "\r\n"

    def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self.more()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self.more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def body(self, head: str) -> bytes:
        if re.search(r"(?im)^transfer-encoding: *chunked\r$", head):
            body = b""
            while size := int(self.line(), 16):
                body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
            assert self.line() == b""
            return body
        found = re.search(r"(?im)^content-length: *(\d+)\r$", head)
        return self.exactly(int(found[1])) if found else b""

    def request(self) -> Request:
        """Read one whole request, and keep it."""
        head = self.head()
        request = Request(head.partition("\r\n")[0], head, self.body(head))
        self.upstream.seen.append(request)
        return request

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)


class ScriptedUpstream:
    """Serves each connection with the function, in a thread, until it returns or the connection ends."""

    def __init__(self, serve: Callable[[Peer], None] | bytes, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Request] = []
        self.connections = 0
        self._serve = serve
        self._tls = tls
        self._open: set[socket.socket] = set()
        self.sock = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> ScriptedUpstream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Refuse from now on, and break every connection."""
        for sock in [self.sock, *self._open]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self.sock.accept()
                self.connections += 1
                threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock: socket.socket) -> None:
        self._open.add(sock)
        with suppress(OSError, EOFError, ValueError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            peer = Peer(sock, self)
            if isinstance(self._serve, bytes):
                while True:
                    peer.request()
                    peer.send(self._serve)
            self._serve(peer)
        self._open.discard(sock)
        sock.close()

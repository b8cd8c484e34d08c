"""An egress proxy (HTTP CONNECT) that knows some names of its own and nothing outside loopback. Floor: sandbox."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import selectors
import socket
import socketserver
import threading
from collections.abc import Mapping
from typing import cast

MAX_HEAD = 16 << 10
IDLE_S = 120.0
BLOCK = 64 << 10
_CONNECT = re.compile(r"CONNECT (\[[0-9a-f:.]+\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5}) HTTP/1\.[01]", re.ASCII | re.I)


class EgressProxy:
    """Ready when made; end it with `close`.

    names: the loopback port behind each name, whatever port is asked for. tunnels: each HOST:PORT asked for.
    """

    def __init__(self, names: Mapping[str, int]) -> None:
        self.names = dict(names)
        self.tunnels: list[str] = []
        self._listener = _Listener(("127.0.0.1", 0), self)
        self.port: int = self._listener.server_address[1]
        threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        """The value for egress.proxy_url."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Refuse connections and cut the open ones."""
        self._listener.shutdown()
        self._listener.server_close()
        self._listener.cut()

    def place(self, host: str, port: int) -> tuple[str, int] | None:
        """Return where a name leads, None when it is unknown here."""
        name = host.lower().rstrip(".").strip("[]")
        if name in self.names:
            return "127.0.0.1", self.names[name]
        try:
            return (name, port) if ipaddress.ip_address(name).is_loopback else None
        except ValueError:
            return ("127.0.0.1", port) if name == "localhost" else None


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], owner: EgressProxy) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept, and remember the connection so that it can be cut."""
        connection, address = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: object) -> None:
        """Close one connection."""
        with self._lock:
            self._open.discard(cast(socket.socket, request))
        super().shutdown_request(cast(socket.socket, request))

    def cut(self) -> None:
        """End every connection."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):  # its own thread was faster
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(socketserver.BaseRequestHandler):
    request: socket.socket
    server: _Listener

    def handle(self) -> None:
        """Serve one CONNECT; whatever breaks ends the tunnel."""
        with contextlib.suppress(OSError):
            self.request.settimeout(IDLE_S)
            self._serve()

    def _serve(self) -> None:
        match = _CONNECT.fullmatch(self._head().partition("\r\n")[0])
        if match is None:
            self._refuse("405 Only CONNECT")
            return
        host, port = match[1], int(match[2])
        self.server.owner.tunnels.append(f"{host}:{port}")
        place = self.server.owner.place(host, port)
        if place is None:
            self._refuse("502 Unknown Name")
            return
        try:
            far = socket.create_connection(place, timeout=5)
        except OSError:
            self._refuse("502 Not Reached")
            return
        with far:
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _relay(self.request, far)

    def _head(self) -> str:
        """Read to the blank line byte by byte: what follows belongs to the tunnel."""
        head = bytearray()
        while not head.endswith(b"\r\n\r\n") and len(head) < MAX_HEAD:
            byte = self.request.recv(1)
            if not byte:
                break
            head += byte
        return head.decode("latin-1")

    def _refuse(self, status: str) -> None:
        self.request.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


def _relay(near: socket.socket, far: socket.socket) -> None:
    """Copy both ways until both sides have ended, or nothing came for a while."""
    far.settimeout(IDLE_S)
    with selectors.DefaultSelector() as selector:
        selector.register(near, selectors.EVENT_READ, far)
        selector.register(far, selectors.EVENT_READ, near)
        while selector.get_map():
            ready = selector.select(IDLE_S)
            if not ready:
                return
            for key, _ in ready:
                source, target = cast(socket.socket, key.fileobj), cast(socket.socket, key.data)
                data = source.recv(BLOCK)
                if data:
                    target.sendall(data)
                else:
                    selector.unregister(source)
                    target.shutdown(socket.SHUT_WR)

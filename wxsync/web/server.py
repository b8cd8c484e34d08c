"""A listening socket of the daemon, in the shape of http.server; serving is the service's. Floor: web."""

from __future__ import annotations

import socket
import socketserver
import threading
from http.server import ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any

from wxsync.web.connection import Connection, timeval
from wxsync.web.limits import MOMENT_S
from wxsync.web.routes import Router
from wxsync.web.service import Service

Address = tuple[str, int]


class Server(ThreadingHTTPServer):
    """One listener with its routes. Its connections wait in the service's lobby and are served by its workers.

    address: host and port (0: the system chooses; see server_address), or a socket that listens already, such as one
    inherited from the parent process.
    """

    request_queue_size = 1024
    daemon_threads = True

    def __init__(self, address: Address | socket.socket, router: Router, service: Service) -> None:
        inherited = address if isinstance(address, socket.socket) else None
        place: Any = inherited.getsockname()[:2] if inherited else address
        self.address_family = inherited.family if inherited else _family(place[0])
        self._router = router
        self._service = service
        self._closed = threading.Event()
        super().__init__(place, Connection, bind_and_activate=not inherited)  # type: ignore[arg-type]  # no handler
        if inherited:
            self.socket.close()
            self.socket = inherited
            self.server_address = place
        self.socket.setblocking(False)
        # What is set on the listener, the kernel gives to every connection accepted from it.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(MOMENT_S))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval(service.limits.write_timeout))

    def server_bind(self) -> None:
        """Bind without http.server's look-up of the host's full name, which may wait for a name server."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)
        self.server_address = self.socket.getsockname()[:2]
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def start(self) -> None:
        """Have the service accept from this listener."""
        self._service.lobby.listen(self)

    def accept(self, now: float) -> Connection:
        """Return the next connection; BlockingIOError when there is none."""
        sock, address = self.socket.accept()
        sock.setblocking(True)
        return Connection(sock, _plain(address[0]), self._router.find, self._service.limits, now)

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Start, and return after `shutdown`."""
        self.start()
        while not self._closed.wait(poll_interval):
            pass

    def shutdown(self) -> None:
        """Let `serve_forever` return; the service's drain ends the connections."""
        self._closed.set()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _plain(peer: str) -> str:
    """Write an IPv4 client of an IPv6 listener as what it is."""
    if not peer.startswith("::ffff:"):
        return peer
    mapped = getattr(ip_address(peer), "ipv4_mapped", None)
    return str(mapped) if mapped else peer

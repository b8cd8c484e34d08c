"""Ask an egress proxy for a connection to a host: HTTP CONNECT (RFC 9110 9.3.6), SOCKS5 (RFC 1928, 1929).

The proxy resolves names. What is read ends exactly where the tunnel begins. Floor: remote.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import re
import socket
import threading

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.options.egress import HTTP, EgressProxy
from wxsync.remote.address import is_address
from wxsync.remote.stop import slices
from wxsync.remote.url import bracketed

MAX_HEAD_BYTES = 64 << 10
_STATUS = re.compile(rb"HTTP/1\.[0-9] ([0-9]{3})(?: .*)?", re.ASCII)
_NOT_A_PROXY = (400, 404, 405, 501)  # what a web server says to CONNECT
_SOCKS_REPLIES = {
    1: "general failure", 2: "not allowed", 3: "network unreachable", 4: "host unreachable", 5: "refused",
    6: "TTL expired", 7: "command not supported", 8: "address type not supported",
}  # fmt: skip
_NO_LOGIN, _LOGIN = 0, 2


class ProxyFault(RemoteFault):
    """The proxy made no tunnel; nothing was sent to the host. is_own: the proxy itself is at fault, for any host."""

    def __init__(self, what: str, *, where: str, mend: str, is_own: bool) -> None:
        super().__init__(what, where=where, mend=mend, temporary=True)
        self.is_own = is_own


def open_tunnel(
    sock: socket.socket,
    proxy: EgressProxy,
    host: str,
    port: int,
    *,
    clock: Clock,
    deadline: float,
    stop: threading.Event | None = None,
) -> None:
    """Turn a connection to the proxy into one to the host; raise ProxyFault or Stopped; close nothing."""
    handshake = _Handshake(sock, proxy, clock, deadline, stop)
    try:
        if proxy.kind == HTTP:
            handshake.ask_http(host, port)
        else:
            handshake.greet()
            handshake.ask_socks(host, port)
    except OSError as error:
        raise handshake.broken(host, port, error) from error
    sock.settimeout(None)


class _Handshake:
    def __init__(
        self, sock: socket.socket, proxy: EgressProxy, clock: Clock, deadline: float, stop: threading.Event | None
    ) -> None:
        self._sock = sock
        self._proxy = proxy
        self._clock = clock
        self._deadline = deadline
        self._stop = stop
        self._has_asked = False  # for a host: a silence from here on may be the host's

    def ask_http(self, host: str, port: int) -> None:
        """Send CONNECT and read the head of the answer byte by byte: the next byte is the tunnel's."""
        target = f"{bracketed(host)}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self._proxy.user:
            pair = f"{self._proxy.user}:{self._proxy.password}".encode()
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair).decode('ascii')}")
        self._send("\r\n".join([*lines, "", ""]).encode("ascii"))
        self._has_asked = True
        head = bytearray()
        while not head.endswith((b"\r\n\r\n", b"\n\n")):
            if len(head) >= MAX_HEAD_BYTES:
                raise self._not_a_proxy("endless answer")
            head += self._exactly(1)
        match = _STATUS.fullmatch(bytes(head).split(b"\n", 1)[0].rstrip(b"\r"))
        if match is None:
            raise self._not_a_proxy("no HTTP answer")
        self._judge_status(int(match[1]), host, port)

    def greet(self) -> None:
        """Agree on a method; a login only when the URL has one."""
        self._send(bytes([5, 2, _NO_LOGIN, _LOGIN]) if self._proxy.user else bytes([5, 1, _NO_LOGIN]))
        version, method = self._exactly(2)
        if version != 5:
            raise self._not_a_proxy("no SOCKS5 answer")
        if method == _LOGIN and self._proxy.user:
            user, password = self._proxy.user.encode(), self._proxy.password.encode()
            self._send(bytes([1, len(user)]) + user + bytes([len(password)]) + password)
            if self._exactly(2)[1] != 0:
                raise self._no_login("login refused")
        elif method != _NO_LOGIN:
            raise self._no_login("no acceptable login method")

    def ask_socks(self, host: str, port: int) -> None:
        """Ask for the host and read the answer to its end: the bound address may have three forms."""
        self._send(bytes([5, 1, 0]) + _socks_address(host) + port.to_bytes(2, "big"))
        self._has_asked = True
        version, reply = self._exactly(2)
        if version != 5:
            raise self._not_a_proxy("no SOCKS5 answer")
        if reply:
            raise self._refused(f"SOCKS5 reply {reply}, {_SOCKS_REPLIES.get(reply, 'unknown')}", host, port)
        form = self._exactly(2)[1]
        sizes = {1: 4, 4: 16}
        if form not in (1, 3, 4):
            raise self._not_a_proxy("unknown address type")
        self._exactly((sizes.get(form) or self._exactly(1)[0]) + 2)

    def broken(self, host: str, port: int, error: OSError) -> ProxyFault:
        """Return the fault for a connection that ended or fell silent."""
        if self._has_asked:
            return self._refused(f"no answer: {type(error).__name__}", host, port)
        return self._fault(f"proxy connection broken: {type(error).__name__}", "没有应答，请检查代理程序是否正常")

    def _judge_status(self, status: int, host: str, port: int) -> None:
        if 200 <= status < 300:
            return
        if status in (401, 407):  # tinyproxy: 407 without, 401 with wrong credentials
            raise self._no_login(f"status {status}")
        if status in _NOT_A_PROXY:
            raise self._not_a_proxy(f"status {status}")
        raise self._refused(f"status {status}", host, port)

    def _send(self, data: bytes) -> None:
        self._sock.settimeout(max(0.001, self._deadline - self._clock.monotonic()))
        self._sock.sendall(data)  # a few hundred bytes: they fit into the socket's buffer

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._receive(count - len(data))
            if not piece:
                raise ConnectionResetError("closed by the proxy")
            data += piece
        return data

    def _receive(self, count: int) -> bytes:
        for seconds in slices(self._clock, self._deadline, self._stop, self._proxy.shown):
            self._sock.settimeout(seconds)
            with contextlib.suppress(socket.timeout, BlockingIOError):
                return self._sock.recv(count)
        raise TimeoutError

    def _no_login(self, what: str) -> ProxyFault:
        return self._fault(f"proxy: {what}", "不接受用户名或口令，请检查 [egress] proxy_url 里的用户名和口令")

    def _not_a_proxy(self, what: str) -> ProxyFault:
        return self._fault(f"proxy: {what}", "的应答不像这种代理，请检查 [egress] proxy_url 的类型和端口")

    def _fault(self, what: str, mend: str) -> ProxyFault:
        return ProxyFault(what, where=self._proxy.shown, mend=f"出口代理 {self._proxy.shown} {mend}", is_own=True)

    def _refused(self, what: str, host: str, port: int) -> ProxyFault:
        target = f"{bracketed(host)}:{port}"
        mend = f"出口代理连不上 {target}：请检查主机名，或稍后重试；该主机不用代理时请写入 [egress] no_proxy_domains"
        return ProxyFault(f"proxy: {what}", where=target, mend=mend, is_own=False)


def _socks_address(host: str) -> bytes:
    """Return type and address: a name goes as a name, so that the proxy resolves it."""
    if not is_address(host):
        return bytes([3, len(host)]) + host.encode("ascii")
    packed = ipaddress.ip_address(host).packed
    return bytes([1 if len(packed) == 4 else 4]) + packed

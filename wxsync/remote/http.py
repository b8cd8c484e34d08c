"""Carry one request over a dialled connection and bring the whole answer back, within time and size.

`urllib.request` on an OpenerDirector that has only the two handlers below: every status comes back as it is, no
redirect is followed, no environment proxy is read, no file: or ftp: is opened, no Content-Type is made up.

Floor: remote.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import threading
import urllib.error
import urllib.request
from email.errors import MissingHeaderBodySeparatorDefect
from functools import partial
from typing import Any, Protocol, cast

from wxsync.clock import Clock
from wxsync.errors import Bug, ConfigError, RemoteFault
from wxsync.log.logger import logger
from wxsync.remote.exchange import Request, Response
from wxsync.remote.url import bracketed, parse_url

LOG = logger("remote.http")
MAX_HEAD_BYTES = 64 << 10
BLOCK_BYTES = 64 << 10
IGNORE_UNEXPECTED_EOF = 0x80  # SSL_OP_IGNORE_UNEXPECTED_EOF, which Python 3.9 has no name for

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e]*", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)


class Dials(Protocol):
    """What opens connections: remote.dialer."""

    def dial(
        self, host: str, port: int, deadline: float, *, stop: threading.Event | None = None
    ) -> socket.socket:
        """Return a connected socket, or raise RemoteFault or Stopped before anything of the request was sent."""


class HttpTransport:
    """Implements `remote.exchange.Transport`: a connection of its own for each request. Any thread may call."""

    def __init__(self, dialer: Dials, clock: Clock, *, user_agent: str, tls: ssl.SSLContext) -> None:
        self._clock = clock
        self._user_agent = user_agent
        self._opener = urllib.request.OpenerDirector()
        self._opener.add_handler(_Handler(dialer, clock, tls))

    def send(self, request: Request, *, timeout_s: float = 30.0, max_bytes: int = 8 << 20) -> Response:
        """Send the request and return the whole answer, whatever its status.

        Raises RemoteFault when no whole answer came within timeout_s (dialling, TLS, sending and reading together),
        when its body has more than max_bytes, its head more than 64 KiB, or its framing is unsound.
        """
        url = parse_url(request.url)
        where = f"{request.method} {url.shown}"
        message = urllib.request.Request(  # noqa: S310 - parse_url lets http and https pass only
            url.text, data=cast(Any, request.body), headers=self._fields(request), method=request.method
        )
        started = self._clock.monotonic()
        try:
            with self._opener.open(message, timeout=timeout_s) as answer:
                body = cast(_Answer, answer).whole_body(max_bytes)
        except (OSError, http.client.HTTPException) as error:
            raise _broken_exchange(error, where) from error
        LOG.debug("answer", call=where, status=answer.status, took=round(self._clock.monotonic() - started, 3))
        return Response(answer.status, tuple(answer.headers.items()), body)

    def _fields(self, request: Request) -> dict[str, str]:
        fields = {"user-agent": self._user_agent}
        given = {name.lower(): value for name, value in request.headers}
        bad = [name for name, value in request.headers if not (_TOKEN.fullmatch(name) and _VALUE.fullmatch(value))]
        if bad or len(given) != len(request.headers):
            raise Bug("a request field is repeated or cannot be sent", where=", ".join(bad) or request.method)
        return {**fields, **given}


def tls_context(ca_file: str = "") -> ssl.SSLContext:
    """Return the rules of every TLS connection: system roots, and those of ca_file (PEM) beside them."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.9 with OpenSSL 3 takes a stream that was cut off for one that has ended; other versions do not.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", IGNORE_UNEXPECTED_EOF)
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            mend = "写一个存在、可读的 PEM 证书文件"
            raise ConfigError("CA 证书文件读不出来", where=f"[egress] ca_file = {ca_file}", mend=mend) from error
    return context


class _Handler(urllib.request.AbstractHTTPHandler):
    """Opens http and https; without `http_request` it adds no field to what it is given."""

    def __init__(self, dialer: Dials, clock: Clock, tls: ssl.SSLContext) -> None:
        super().__init__()
        self._plain = partial(_Connection, dialer=dialer, clock=clock)
        self._secure = partial(_TlsConnection, dialer=dialer, clock=clock, tls=tls)

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Carry the request over a plain connection."""
        return self.do_open(self._plain, request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Carry the request over TLS."""
        return self.do_open(self._secure, request)


class _Wire:
    """The socket as http.client sees it: each send and read ends at the deadline, what comes in is counted.

    A socket time-out alone bounds one call only: a server that drips one byte at a time never trips it.
    """

    def __init__(self, sock: socket.socket, clock: Clock, deadline: float) -> None:
        self.allowance = MAX_HEAD_BYTES
        self._sock = sock
        self._clock = clock
        self._deadline = deadline
        self._is_refused = False

    def arm(self) -> None:
        """Give the next call on the socket the time that is left."""
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)

    def sendall(self, data: bytes) -> None:
        """Send; when the peer closes before it has read all, stop sending: its answer may be there to read."""
        view = memoryview(data)
        try:
            while view and not self._is_refused:
                self.arm()
                view = view[self._sock.send(view[:BLOCK_BYTES]):]
        except (BrokenPipeError, ConnectionResetError):
            self._is_refused = True

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the reading side; the socket stays open until it is closed too."""
        return io.BufferedReader(_Reader(self, self._sock.makefile("rb", buffering=0)), BLOCK_BYTES)

    def close(self) -> None:
        """Close the sending side's hold on the socket."""
        self._sock.close()


class _Reader(io.RawIOBase):
    """The reading side of a wire."""

    def __init__(self, wire: _Wire, raw: socket.SocketIO) -> None:
        self._wire = wire
        self._raw = raw

    def readable(self) -> bool:
        """Tell that BufferedReader may read from here."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read once, within the time and the size that are left."""
        if self._wire.allowance <= 0:
            raise _Unsound("answer too large")
        self._wire.arm()
        count = self._raw.readinto(memoryview(buffer)[: self._wire.allowance])
        self._wire.allowance -= count or 0
        return count

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


class _Unsound(http.client.HTTPException):
    """The answer breaks a bound or a framing rule; the text is ours."""


class _Answer(http.client.HTTPResponse):
    """An answer read more strictly than http.client does."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._wire: _Wire = sock

    def begin(self) -> None:
        """Read the head. http.client skips 100 only; RFC 9110 15.2 wants every 1xx read over."""
        super().begin()
        while 100 <= self.status < 200:
            if self.status == 101:
                raise _Unsound("protocol switched unasked")
            self.headers = self.msg = cast(http.client.HTTPMessage, None)  # begin() reads only while there are none
            super().begin()
        self._check_framing()

    def _check_framing(self) -> None:
        """RFC 9112 6.3: http.client takes the first of two lengths, and reads over what it cannot parse."""
        if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in self.headers.defects):
            raise _Unsound("broken header line")
        codings = self.headers.get_all("Transfer-Encoding", [])
        lengths = {each.strip() for line in self.headers.get_all("Content-Length", []) for each in line.split(",")}
        if codings and (lengths or [each.strip().lower() for each in codings] != ["chunked"]):
            raise _Unsound("unsound Transfer-Encoding")
        if len(lengths) > 1 or not all(_LENGTH.fullmatch(each) for each in lengths):
            raise _Unsound("unsound Content-Length")
        if lengths and self.length is None:  # "5, 5", which int() does not take
            self.length = int(lengths.pop())
        if self.status in (204, 304):  # no body whatever the fields say (RFC 9112 6.3)
            self.chunked = False

    def whole_body(self, max_bytes: int) -> bytes:
        """Return the body; `read` ends without a word when the connection does, so the length is checked after."""
        if (self.length or 0) > max_bytes:
            raise _Unsound("answer too large")
        self._wire.allowance = 2 * max_bytes + MAX_HEAD_BYTES  # chunk lines may take as much as what they carry
        body = bytearray()
        while piece := self.read(BLOCK_BYTES):
            body += piece
            if len(body) > max_bytes:
                raise _Unsound("answer too large")
        if self.length:
            raise _Unsound("answer cut short")
        return bytes(body)


class _Connection(http.client.HTTPConnection):
    """One exchange over a dialled socket; timeout is the time for all of it."""

    response_class = _Answer

    def __init__(self, host: str, *, timeout: float, dialer: Dials, clock: Clock) -> None:
        super().__init__(host, timeout=timeout)
        self._dialer = dialer
        self._clock = clock
        self._deadline = clock.monotonic() + timeout

    def connect(self) -> None:
        """Dial; a RemoteFault from here means that nothing was sent."""
        sock = self._secured(self._dialer.dial(self.host, self.port, self._deadline))
        self.sock = cast(socket.socket, _Wire(sock, self._clock, self._deadline))

    def _secured(self, sock: socket.socket) -> socket.socket:
        return sock


class _TlsConnection(_Connection):
    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, *, timeout: float, dialer: Dials, clock: Clock, tls: ssl.SSLContext) -> None:
        super().__init__(host, timeout=timeout, dialer=dialer, clock=clock)
        self._tls = tls

    def _secured(self, sock: socket.socket) -> socket.socket:
        where = f"{bracketed(self.host)}:{self.port}"
        try:
            sock.settimeout(max(0.001, self._deadline - self._clock.monotonic()))
            return self._tls.wrap_socket(sock, server_hostname=self.host)
        except ssl.SSLCertVerificationError as error:
            mend = f"{where} 的 TLS 证书无效：请检查本机时间和对方证书；自签证书请写入 [egress] ca_file"
            raise RemoteFault(f"TLS certificate refused: {error.verify_message}", where=where, mend=mend) from error
        except OSError as error:
            mend = f"与 {where} 的 TLS 握手失败：请稍后重试；一直如此请检查网络设备和端口"
            raise RemoteFault("TLS handshake failed", where=where, mend=mend, temporary=True) from error


def _broken_exchange(error: Exception, where: str) -> RemoteFault:
    """Return what to raise for a failure after the connection stood: the request may have been taken."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, (TimeoutError, socket.timeout)):
        what, mend = "no whole answer in time", "对方没有在时限内答复，请稍后重试"
    elif isinstance(cause, _Unsound):
        what, mend = str(cause), "对方的答复不合规范或过大，请检查地址是否正确、中间是否有代理改写"
    elif isinstance(cause, http.client.HTTPException) and not isinstance(cause, OSError):
        what, mend = f"broken answer: {type(cause).__name__}", "对方的答复不合规范，请检查地址和端口是否正确"
    else:
        what, mend = f"connection broken: {type(cause).__name__}", "连接中断，请稍后重试"
    return RemoteFault(what, where=where, mend=f"{where}：{mend}", temporary=True, maybe_done=True)

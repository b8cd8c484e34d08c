"""The transports over a dialled connection: whole answers, and sessions that stream and keep connections.

Own code on `remote.wire` instead of `urllib.request`: no redirect is followed, no environment proxy read, no field made
up, and both ways share one strict reading of heads and framing. http.client has no place for a deadline, an early
answer, a body that is not joined, or the check that a kept connection is still good.

Floor: remote.
"""

from __future__ import annotations

import ssl
import threading

from wxsync.clock import Clock
from wxsync.errors import ConfigError
from wxsync.remote.exchange import Request, Response
from wxsync.remote.session import Dials, HttpSession

IGNORE_UNEXPECTED_EOF = 0x80  # SSL_OP_IGNORE_UNEXPECTED_EOF, which Python 3.9 has no name for


class HttpTransport:
    """Implements `remote.exchange.Transport`: a connection of its own for each request. Any thread may call."""

    def __init__(self, dialer: Dials, clock: Clock, *, user_agent: str, tls: ssl.SSLContext) -> None:
        self._dialer = dialer
        self._clock = clock
        self._user_agent = user_agent
        self._tls = tls

    def send(self, request: Request, *, timeout_s: float = 30.0, max_bytes: int = 8 << 20) -> Response:
        """Send the request and return the whole answer, whatever its status.

        Raises RemoteFault when no whole answer came within timeout_s (dialling, TLS, sending and reading together),
        when its body has more than max_bytes, its head more than 64 KiB, or its framing is unsound.
        """
        return self._session(None, keeps=False).send(request, timeout_s=timeout_s, max_bytes=max_bytes)

    def session(self, stop: threading.Event | None = None) -> HttpSession:
        """Return a session that keeps its connections until it is closed; for one thread at a time.

        Once stop is set, each of its calls ends within a second by `remote.stop.Stopped`.
        """
        return self._session(stop, keeps=True)

    def _session(self, stop: threading.Event | None, *, keeps: bool) -> HttpSession:
        return HttpSession(
            self._dialer, self._clock, user_agent=self._user_agent, tls=self._tls, stop=stop, keeps=keeps
        )


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

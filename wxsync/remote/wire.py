"""A connected socket on which each wait ends by deadline, silence or stop. Floor: remote."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable, TypeVar

from wxsync.clock import Clock
from wxsync.remote.broken import Break, BrokenExchange
from wxsync.remote.stop import SLICE_S, check

BLOCK_BYTES = 64 << 10
PLAIN_SEND_BYTES = 1 << 20
TLS_SEND_BYTES = 64 << 10  # OpenSSL tells nothing of what it sent before a block is through: slow lines want it small

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class Wire:
    """Both directions of one connection; one thread at a time.

    A socket's own time-out bounds one call only: a peer that drips one byte at a time never trips it, and no event
    wakes it. allowance: how many bytes of lines may still come. received: bytes that came since `begin`.
    """

    def __init__(self, sock: socket.socket, clock: Clock, stop: threading.Event | None) -> None:
        self.allowance = 0
        self.received = 0
        self.returned_at = 0.0
        self._sock = sock
        self._clock = clock
        self._stop = stop
        self._where, self._deadline, self._silence_s = "", 0.0, 0.0
        self._one_wait_since: float | None = None
        self._send_bytes = PLAIN_SEND_BYTES
        self._armed: float | None = None
        self._ahead = b""  # bytes that came with a line and were not asked for yet
        self._at = 0
        self._poller = select.poll()
        self._poller.register(sock, select.POLLIN)

    def begin(self, where: str, *, deadline: float, silence_s: float, allowance: int) -> None:
        """Set the bounds of the next exchange; where it goes to, for its faults."""
        self._where, self._deadline, self._silence_s, self.allowance = where, deadline, silence_s, allowance
        self.received = 0

    @contextmanager
    def as_one_wait(self) -> Iterator[None]:
        """Let the silence be counted over all that is read within: what is read there counts as nothing yet.

        Else a peer that drips its head or its chunk lines would hold the reader until the deadline.
        """
        self._one_wait_since = self._clock.monotonic()
        try:
            yield
        finally:
            self._one_wait_since = None

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Put TLS on top and check the peer's certificate against the host.

        A stream that ends without TLS's own end is an error: without it a cut-off body could pass for a whole one.
        """
        self._armed = None
        try:
            secured = context.wrap_socket(
                self._sock, server_hostname=host, do_handshake_on_connect=False, suppress_ragged_eofs=False
            )
            self._sock, self._send_bytes = secured, TLS_SEND_BYTES
            self._waiting(lambda _: secured.do_handshake(), None)
        except ssl.SSLCertVerificationError as error:
            what = f"TLS certificate refused: {error.verify_message}"
            raise BrokenExchange(Break.CERTIFICATE, what, where=self._where) from error
        except (OSError, BrokenExchange) as error:
            raise BrokenExchange(Break.HANDSHAKE, "TLS handshake failed", where=self._where) from error

    def send(self, data: memoryview) -> int:
        """Send some of the data and return how much of it; 0 when the answer has begun or the peer takes no more.

        After 0 the caller reads: a peer that refused a large body and closed may have said why.
        """
        try:
            return self._waiting(self._sock.send, data[: self._send_bytes], unless_input=True) or 0
        except OSError:
            return 0

    def line(self) -> bytes:
        """Return the next line without its end (CRLF, or LF alone), within the allowance."""
        while (end := self._ahead.find(b"\n", self._at, self._at + self.allowance)) < 0:
            if len(self._ahead) - self._at >= self.allowance:
                raise self.unsound("answer too large")
            more = self._read(self._sock.recv, BLOCK_BYTES)
            if not more:
                raise self.ended()
            self.received += len(more)
            self._ahead, self._at = self._ahead[self._at:] + more, 0
        line = self._ahead[self._at:end]
        self.allowance -= end + 1 - self._at
        self._at = end + 1
        return line[:-1] if line.endswith(b"\r") else line

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with what comes next, from the socket without a copy; 0 when the peer has ended."""
        if self._at < len(self._ahead):
            count = min(len(buffer), len(self._ahead) - self._at)
            buffer[:count] = self._ahead[self._at:self._at + count]
            self._at += count
            return count
        count = self._read(self._sock.recv_into, buffer)
        self.received += count
        return count

    def has_input(self) -> bool:
        """Tell without waiting whether there is anything to read, the peer's end too.

        A readable socket is not enough: session tickets of TLS 1.3 come unasked and carry nothing to read.
        """
        if self._at < len(self._ahead):
            return True
        is_decrypted = isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0
        if not is_decrypted and not self._poller.poll(0):
            return False
        self._arm(0.0)
        try:
            self._ahead, self._at = self._sock.recv(BLOCK_BYTES), 0
            self.received += len(self._ahead)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            return True  # the next read tells
        return True

    def ended(self) -> BrokenExchange:
        """Return the fault of a peer that closed too early."""
        what = "answer cut short" if self.received else "connection closed without an answer"
        return BrokenExchange(Break.ENDED, what, where=self._where)

    def unsound(self, what: str) -> BrokenExchange:
        """Return the fault of an answer that breaks a rule or a bound."""
        return BrokenExchange(Break.UNSOUND, what, where=self._where)

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()

    def _read(self, call: Callable[[_Given], _Made], argument: _Given) -> _Made:
        try:
            made = self._waiting(call, argument)
        except OSError as error:
            what = f"connection broken: {type(error).__name__}"
            raise BrokenExchange(Break.ENDED, what, where=self._where) from error
        assert made is not None
        return made

    def _waiting(
        self, call: Callable[[_Given], _Made], argument: _Given, *, unless_input: bool = False
    ) -> _Made | None:
        """Return what the call on the socket gives, asked in slices; None when input came first."""
        now = self._clock.monotonic()
        started = now if self._one_wait_since is None else self._one_wait_since
        while True:
            check(self._stop, self._where)
            if now >= self._deadline:
                raise BrokenExchange(Break.TIMED_OUT, "no whole answer in time", where=self._where)
            if now - started >= self._silence_s:
                raise BrokenExchange(Break.SILENT, f"silent for {self._silence_s:g} s", where=self._where)
            if unless_input and self.has_input():
                return None
            self._arm(min(SLICE_S, self._deadline - now, started + self._silence_s - now))
            try:
                return call(argument)
            except socket.timeout:
                now = self._clock.monotonic()

    def _arm(self, timeout_s: float) -> None:
        if timeout_s != self._armed:  # each setting is a system call
            self._sock.settimeout(timeout_s)
            self._armed = timeout_s

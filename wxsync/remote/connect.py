"""One TCP connection to the first of several addresses that answers (after RFC 8305). Floor: remote."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import threading
from collections import deque
from collections.abc import Sequence

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.remote.resolver import Address
from wxsync.remote.stop import SLICE_S, check
from wxsync.remote.url import bracketed

HEAD_START_S = 0.25  # RFC 8305 5: how long an attempt runs alone before the next address is tried beside it
_UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)


def connect(
    host: str,
    port: int,
    addresses: Sequence[Address],
    *,
    clock: Clock,
    deadline: float,
    stop: threading.Event | None = None,
) -> socket.socket:
    """Return a connected socket in blocking mode.

    Raises RemoteFault (temporary) when no address answers in time, Stopped within a second after stop was set.
    """
    race = _Race(clock, addresses)
    try:
        winner = race.run(deadline, stop, host)
    finally:
        race.close()
    if winner is None:
        raise _fault(host, port, race.error)
    winner.setblocking(True)
    winner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return winner


class _Race:
    """Attempts that run side by side, each started when the one before has failed or had its head start."""

    def __init__(self, clock: Clock, addresses: Sequence[Address]) -> None:
        self.error = errno.ETIMEDOUT
        self._clock = clock
        self._waiting = deque(_interleaved(addresses))
        self._selector = selectors.DefaultSelector()
        self._next_start = clock.monotonic()

    def run(self, deadline: float, stop: threading.Event | None, host: str) -> socket.socket | None:
        """Return the first connected socket, None when all failed or the deadline is over; raise Stopped."""
        while (now := self._clock.monotonic()) < deadline:
            check(stop, host)
            running = len(self._selector.get_map())
            if self._waiting and (not running or now >= self._next_start):
                self._start(self._waiting.popleft())
                self._next_start = now + HEAD_START_S
            elif not running:
                return None
            else:
                until = min(deadline, self._next_start) if self._waiting else deadline
                for key, _ in self._selector.select(min(until - now, SLICE_S)):
                    if (sock := self._finished(key.fd)) is not None:
                        return sock
        self.error = errno.ETIMEDOUT
        return None

    def close(self) -> None:
        """Close every attempt that has not won."""
        for key in list(self._selector.get_map().values()):
            key.data.close()
        self._selector.close()

    def _start(self, address: Address) -> None:
        try:
            sock = socket.socket(address.family, socket.SOCK_STREAM)
        except OSError as error:  # a family that this machine does not have
            self.error = error.errno or errno.EIO
            return
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_WRITE, sock)
        code = sock.connect_ex(address.sockaddr)
        if code not in _UNDER_WAY:
            self._drop(sock, code)

    def _finished(self, fd: int) -> socket.socket | None:
        sock: socket.socket = self._selector.get_key(fd).data
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._drop(sock, code)
            self._next_start = self._clock.monotonic()
            return None
        self._selector.unregister(sock)
        return sock

    def _drop(self, sock: socket.socket, code: int) -> None:
        self.error = code
        self._selector.unregister(sock)
        sock.close()


def _interleaved(addresses: Sequence[Address]) -> list[Address]:
    """Return the addresses with the families taking turns, beginning with the resolver's first choice."""
    first = [each for each in addresses if each.family == addresses[0].family]
    rest = [each for each in addresses if each.family != addresses[0].family]
    turns = [each for pair in zip(first, rest) for each in pair]
    return turns + first[len(rest):] + rest[len(first):]


def _fault(host: str, port: int, code: int) -> RemoteFault:
    cause = {errno.ECONNREFUSED: "连接被拒绝", errno.ETIMEDOUT: "连接超时"}.get(code, "网络不通")
    place = f"{bracketed(host)}:{port}"
    return RemoteFault(
        f"cannot connect: {os.strerror(code)}",
        where=place,
        temporary=True,
        mend=f"连不上 {place}（{cause}）：请检查网络和防火墙",
    )

"""Names become addresses within a deadline. Floor: remote."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable, Protocol, Union

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.remote.stop import slices

MAX_LOOKUPS = 32


@dataclass(frozen=True)
class Address:
    """Where a socket can connect to: the family and what `socket.connect` takes."""

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...]

    @property
    def ip(self) -> str:
        """Return the numeric address as text, with its zone id if it has one."""
        return str(self.sockaddr[0])


class Resolver(Protocol):
    """Finds the addresses of a host."""

    def addresses(
        self, host: str, port: int, deadline: float, stop: threading.Event | None = None
    ) -> tuple[Address, ...]:
        """Return at least one address, the best first.

        Raises RemoteFault (temporary) when there is none in time, Stopped within a second after stop was set.
        """


_Rows = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]]
_Found = Union[tuple[Address, ...], OSError, ValueError]


def system_rows(host: str, port: int) -> _Rows:
    """Return getaddrinfo's rows for TCP, in the order of RFC 6724."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)


class SystemResolver:
    """Asks getaddrinfo, which has no time-out of its own: in a helper thread that is left behind when it hangs.

    Any thread may call. At most max_lookups helper threads exist at a time; further calls wait for one to end.
    """

    def __init__(
        self, clock: Clock, *, max_lookups: int = MAX_LOOKUPS, look_up: Callable[[str, int], _Rows] = system_rows
    ) -> None:
        self._clock = clock
        self._rows = look_up
        self._slots = threading.BoundedSemaphore(max_lookups)

    def addresses(
        self, host: str, port: int, deadline: float, stop: threading.Event | None = None
    ) -> tuple[Address, ...]:
        """Return at least one address, the best first; raise RemoteFault (temporary) or Stopped."""
        waits = slices(self._clock, deadline, stop, host)
        if not any(self._slots.acquire(timeout=seconds) for seconds in waits):
            raise _fault(host, "name look-up timed out", "域名解析超时")
        found: queue.SimpleQueue[_Found] = queue.SimpleQueue()
        threading.Thread(target=self._look_up, args=(host, port, found), name="resolver", daemon=True).start()
        result = self._awaited(found, slices(self._clock, deadline, stop, host))
        if result is None:
            raise _fault(host, "name look-up timed out", "域名解析超时")
        if isinstance(result, Exception):
            raise _fault(host, "unknown name", "找不到该域名") from result
        if not result:
            raise _fault(host, "unknown name", "找不到该域名")
        return result

    @staticmethod
    def _awaited(found: queue.SimpleQueue[_Found], waits: Iterator[float]) -> _Found | None:
        for seconds in waits:
            with contextlib.suppress(queue.Empty):
                return found.get(timeout=seconds)
        return None

    def _look_up(self, host: str, port: int, found: queue.SimpleQueue[_Found]) -> None:
        try:
            found.put(tuple(Address(row[0], row[4]) for row in self._rows(host, port)))
        except (OSError, ValueError) as error:  # ValueError: a name that IDNA cannot encode
            found.put(error)
        finally:
            self._slots.release()


def _fault(host: str, what: str, cause: str) -> RemoteFault:
    return RemoteFault(what, where=host, mend=f"{host}：{cause}，请检查主机名和服务器的 DNS 设置", temporary=True)

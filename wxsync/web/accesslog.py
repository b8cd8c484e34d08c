"""One line for each request, laid out and written by a thread of its own, and counted on the way. Floor: web."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from functools import lru_cache, partial
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Callable, Protocol, Union

from wxsync.clock import Clock
from wxsync.http1.fields import list_items
from wxsync.http1.request import RequestHead
from wxsync.log.logger import logger
from wxsync.web.account import Account

LOG = logger("web.access")

FLUSH_S = 0.2
TURN = 64
MAX_WAITING = 20_000
LONGEST = 2048  # characters of a path
PRINTABLE = re.compile(rb"[!#-\[\]-~]*")

Network = Union[IPv4Network, IPv6Network]


class Lines(Protocol):
    """Takes whole lines, such as wxsync.log.file's sinks."""

    def write(self, data: bytes) -> bool:
        """Write the lines; False when they could not be written."""

    def reopen(self) -> None:
        """Open the file anew after it was moved away."""


class Layout:
    """Lays one account out as a line of text or JSON; the query, which carries signatures, is left out."""

    def __init__(self, clock: Clock, trusted: Iterable[Network], *, is_json: bool) -> None:
        self._clock = clock
        self._is_json = is_json
        self._client = lru_cache(1024)(partial(_client, tuple(trusted)))
        self._second = (0, "", "")  # a second of the epoch, and how it is written before and behind the milliseconds

    def line(self, account: Account, offset_s: float) -> str:
        """Return the line with its end; offset_s leads from the monotonic clock to the epoch's."""
        head = account.head
        moment = self._time(account.began + offset_s)
        ms = (account.ended - account.began) * 1000
        client = account.peer
        if head is not None and b"x-forwarded-for" in head.fields.special:
            client = self._client(client, tuple(head.fields.special[b"x-forwarded-for"]))
        if self._is_json:
            method, path, protocol = _shown(head)
            asked = {
                "upstream": account.upstream, "upstream_ms": round(account.upstream_s * 1000, 1),
                "tries": account.tries, "connection": "reused" if account.reused else "new",
            } if account.upstream else {}
            return json.dumps({
                "time": moment, "level": "info", "logger": "web.access", "event": "request", "client": client,
                "method": method, "path": path, "protocol": protocol, "status": account.status,
                "in": account.bytes_in, "out": account.bytes_out, "ms": round(ms, 1), **asked,
                **({"reason": account.reason} if account.reason else {}),
            }) + "\n"
        request = '"{} {} {}"'.format(*_shown(head))
        more = f" reason={json.dumps(account.reason)}" if account.reason else ""
        if account.upstream:
            use = "reused" if account.reused else "new"
            more = (
                f" upstream={account.upstream} upstream_ms={account.upstream_s * 1000:.1f} tries={account.tries} "
                f"connection={use}{more}"
            )
        return (
            f"{moment} INFO web.access {client} {request} {account.status} "
            f"in={account.bytes_in} out={account.bytes_out} ms={ms:.1f}{more}\n"
        )

    def _time(self, epoch_s: float) -> str:
        second = int(epoch_s)
        if second != self._second[0]:
            local = self._clock.local(datetime.fromtimestamp(second, timezone.utc)).isoformat()
            self._second = (second, local[:19], local[19:])
        _, before, behind = self._second
        return f"{before}.{int((epoch_s - second) * 1000):03}{behind}"


def _shown(head: RequestHead | None) -> tuple[str, str, str]:
    """Return method, path and protocol as they stand in the log."""
    if head is None:
        return "-", "-", "-"
    path = _shown_path(head.path[:LONGEST])
    if len(head.target) > len(head.path):
        path += "?[redacted]"
    return head.method[:32], path, "HTTP/1.1" if head.minor else "HTTP/1.0"


@lru_cache(256)
def _shown_path(path: bytes) -> str:
    if PRINTABLE.fullmatch(path):
        return path.decode("ascii")
    return "".join(chr(byte) if PRINTABLE.fullmatch(bytes([byte])) else f"\\x{byte:02x}" for byte in path)


def _client(trusted: tuple[Network, ...], peer: str, forwarded: tuple[bytes, ...]) -> str:
    """Return the right-most address that is not a trusted proxy's: the peer, or one that X-Forwarded-For names."""
    client = peer
    for item in reversed(list_items(forwarded)):
        address = ip_address(client.partition("%")[0])
        if not any(address in network for network in trusted):
            break
        try:
            client = str(ip_address(item.decode("latin-1")))
        except ValueError:
            break
    return client


def yielding(accounts: Sequence[Account]) -> Iterator[Account]:
    """Yield them, and now and then the interpreter: a thread that computes on holds it for 5 ms each time."""
    for number, account in enumerate(accounts):
        if number % TURN == 0:
            time.sleep(0)
        yield account


class AccessLog:
    """The recorder of a process: workers only put accounts aside; a thread lays them out five times a second."""

    def __init__(
        self, clock: Clock, *, count: Callable[[Sequence[Account]], None], layout: Layout | None, lines: Lines | None
    ) -> None:
        self._clock = clock
        self._count = count
        self._layout = layout  # None: requests are counted, but not logged
        self._lines = lines
        self._waiting: deque[Account] = deque()
        self._flushing = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web-access-log", daemon=True)

    def record(self, account: Account) -> None:
        """Keep the account for the next flush; a writer that cannot keep up is waited for."""
        self._waiting.append(account)
        if len(self._waiting) >= MAX_WAITING:
            self.flush()

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def end(self) -> None:
        """Write what is left and end the thread."""
        self._ended.set()
        self._thread.join()
        self.flush()

    def reopen(self) -> None:
        """Open the file anew (SIGHUP)."""
        with self._flushing:
            if self._lines:
                self._lines.reopen()

    def flush(self) -> None:
        """Count and write what waits."""
        with self._flushing:
            taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
            self._count(taken)
            if not self._layout or not self._lines or not taken:
                return
            offset_s = self._clock.now().timestamp() - self._clock.monotonic()
            shown = (account for account in yielding(taken) if not account.is_polling)
            text = "".join(self._layout.line(account, offset_s) for account in shown)
            if text and not self._lines.write(text.encode()):
                LOG.warning("access lines lost", count=len(taken))

    def _run(self) -> None:
        while not self._clock.wait(self._ended, FLUSH_S):
            try:
                self.flush()
            except Exception:
                LOG.exception("access log failed")

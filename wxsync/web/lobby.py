"""Where connections wait without a thread: idle ones, unfinished heads, and those whose last bytes are discarded.

One thread and one selector. It accepts, keeps the deadlines, and gives a connection to the workers when there is
something to do for it. Floor: web.
"""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator

from wxsync.clock import Clock
from wxsync.http1.answer import answer_head
from wxsync.http1.grammar import BARE_LF, HEAD_END
from wxsync.log.logger import logger
from wxsync.web.account import Account, Recorder
from wxsync.web.connection import DONTWAIT, Connection
from wxsync.web.limits import BLOCK, LINGER_BYTES, LINGER_S, Limits
from wxsync.web.listener import Listener, share
from wxsync.web.naps import Naps
from wxsync.web.workers import TICK_S, Workers

LOG = logger("web.lobby")

ARMED = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT
REST_S = 0.25  # the longest sleep of the selector: deadlines are kept that exactly
ACCEPTS = 64  # connections taken at once, before the others are looked at again
MAX_LINGERING = 256
ENOUGH, BATCH_S = 16, 0.001
IN_USE_S = 0.5
QUEUE_S = 1.0  # a request that no thread takes in this time is answered 503
REFUSALS = {
    408: answer_head(408, (("Connection", "close"), ("Content-Length", "0"))),
    503: answer_head(503, (("Connection", "close"), ("Content-Length", "0"), ("Retry-After", "1"))),
}
GRACE_S = 1.0  # while draining: how long a client may take to send the request it had begun when it was answered


Table = OrderedDict[int, Connection]  # by descriptor, in the order of waiting


class Lobby:
    """admit, park, linger and forget may be called by any thread; the rest is its own thread's."""

    def __init__(self, limits: Limits, clock: Clock, recorder: Recorder, *, accepts: int = ACCEPTS) -> None:
        self._limits = limits
        self._accepts = accepts
        self._clock = clock
        self._recorder = recorder
        self._epoll = select.epoll()
        self._bell, self._rope = os.pipe()  # a byte ends the selector's sleep
        self._epoll.register(self._bell, select.EPOLLIN)
        self._listeners: dict[int, Listener] = {}
        self._lock = threading.Lock()  # guards the four tables
        self._open: dict[int, Connection] = {}
        self._idle, self._heads, self._lingering = Table(), Table(), Table()
        self._naps = Naps()
        self._draining = False
        self._ended = False
        self._accepts_again_at = 0.0

    def counts(self) -> tuple[int, int, int]:
        """Return how many connections are open, idle, and sending a head."""
        return len(self._open), len(self._idle), len(self._heads)

    def listen(self, listener: Listener) -> None:
        """Accept from this listener."""
        self._listeners[listener.fileno()] = listener
        self._epoll.register(listener.fileno(), select.EPOLLIN)

    def park(self, connection: Connection) -> None:
        """Wait here for the connection's next bytes: of a new request, or of the head that has begun."""
        with self._lock:
            if connection.buffer:
                self._heads[connection.fd] = connection
            else:
                connection.begun = self._clock.monotonic()
                self._idle[connection.fd] = connection
        self._arm(connection)

    def linger(self, connection: Connection) -> None:
        """Close after the answer without losing it: unread input would make the close a reset (RFC 9112 9.6)."""
        if connection.finish_writing() or len(self._lingering) >= MAX_LINGERING:
            self.forget(connection)
            return
        connection.begun = self._clock.monotonic()
        with self._lock:
            self._lingering[connection.fd] = connection
        self._arm(connection)

    def forget(self, connection: Connection, *, reset: bool = False) -> None:
        """Close the connection; with a reset when a plain end would look like the end of the answer."""
        with self._lock:
            self._open.pop(connection.fd, None)
        if reset:
            connection.reset()
        else:
            connection.close()

    def _arm(self, connection: Connection) -> None:
        try:
            self._epoll.modify(connection.fd, ARMED)
        except ValueError:  # the lobby has ended meanwhile
            self.forget(connection)

    def run(self, workers: Workers) -> None:
        """Serve until drained; the body of the lobby's thread."""
        while not self._ended:
            try:
                self._round(workers)
            except Exception:
                LOG.exception("lobby round failed")
        self._epoll.close()
        os.close(self._bell)
        os.close(self._rope)

    def _round(self, workers: Workers) -> None:
        if workers.is_busy() >= ENOUGH:
            # The threads have work: one look at many connections is cheaper than many looks, each of which waits for
            # the interpreter.
            time.sleep(BATCH_S)
        for fd, _ in self._epoll.poll(TICK_S if workers.is_busy() else self._naps.rest_s(REST_S, self._now())):
            if listener := self._listeners.get(fd):
                self._accept(listener)
            elif fd != self._bell:
                self._wake(fd, workers)
        now = self._now()
        for connection in self._naps.over(now):
            if self._heads.get(connection.fd) is connection:
                self._read_head(connection, workers)
        self._expire(now, workers)
        workers.tick(now)
        while stale := workers.take_stale(now - QUEUE_S):
            self._turn_away(stale, 503, "no thread was free")

    def _now(self) -> float:
        return self._clock.monotonic()

    def _wake(self, fd: int, workers: Workers) -> None:
        with self._lock:
            connection = self._idle.pop(fd, None)
        if connection is not None:
            connection.begun = self._now()
            workers.put(connection)
        elif fd in self._heads:
            self._read_head(self._heads[fd], workers)
        elif fd in self._lingering:
            self._discard(self._lingering[fd])

    def _read_head(self, connection: Connection, workers: Workers) -> None:
        """Go on with a head of which nothing or not all has come; a worker gets it when there is something to judge.

        So a crowd of slow clients never stands in the workers' queue. A connection that has been served before goes
        to a worker unread: its next request mostly comes whole, and reading here would be one more turn.
        """
        data = connection.receive_now()
        seen = max(0, len(connection.buffer) - 3)
        if data:
            connection.buffer += data
        if data == b"":
            self._remove(self._heads, connection)
            self.forget(connection)
        elif HEAD_END in connection.buffer[seen:] or BARE_LF.search(connection.buffer, seen) \
                or len(connection.buffer) > self._limits.max_request_line:
            self._remove(self._heads, connection)
            workers.put(connection)
        elif not self._naps.begin(connection, self._now()):
            self._arm(connection)

    def _remove(self, table: Table, connection: Connection) -> None:
        with self._lock:
            table.pop(connection.fd, None)

    def _discard(self, connection: Connection) -> None:
        data = connection.receive_now(BLOCK)
        connection.lingered += len(data or b"")
        if data == b"" or connection.lingered > LINGER_BYTES:
            self._remove(self._lingering, connection)
            self.forget(connection)
        else:
            self._arm(connection)

    def _accept(self, listener: Listener) -> None:
        now = self._now()
        if now < self._accepts_again_at:
            return
        pause_s, accepts = share(len(self._open)) if self._accepts < ACCEPTS else (0.0, ACCEPTS)
        if pause_s:
            time.sleep(pause_s)
        for _ in range(accepts):
            try:
                connection = listener.accept(now)
            except (BlockingIOError, ConnectionError):
                return
            except OSError as error:
                if is_odd := error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    LOG.error("accept failed", error=str(error))
                if is_odd or not self._make_room("no descriptor left"):
                    self._accepts_again_at = now + TICK_S
                return
            self._admit(connection)

    def _admit(self, connection: Connection) -> None:
        full = len(self._open) - len(self._lingering) >= self._limits.max_connections
        has_room = not full or self._make_room("all connections in use")
        with self._lock:
            self._open[connection.fd] = connection
            if has_room:
                self._heads[connection.fd] = connection
        self._epoll.register(connection.fd, ARMED)
        if not has_room:
            self._turn_away(connection, 503, "all connections in use")

    def _make_room(self, why: str) -> bool:
        """Close the oldest idle connection, else refuse the slowest head; tell whether there was one.

        A connection that was answered a moment ago is in use: before it goes a head that is slower than that.
        """
        with self._lock:
            table = self._idle or self._heads
            if not table:
                return False
            if self._heads and table is self._idle:
                recently = self._now() - IN_USE_S
                if next(iter(self._idle.values())).begun > recently > next(iter(self._heads.values())).begun:
                    table = self._heads
            _, connection = table.popitem(last=False)
        if connection.buffer:
            self._turn_away(connection, 503, why, lingers=False)
        else:
            self.forget(connection)
        return True

    def _turn_away(self, connection: Connection, status: int, why: str, *, lingers: bool = True) -> None:
        """Answer without a worker; a client that does not take these few bytes at once loses them."""
        head = REFUSALS[status]
        try:
            connection.sock.send(head, DONTWAIT)
        except OSError:
            lingers = False
        account = Account(connection.peer, connection.begun, None, status, why)
        account.bytes_out = len(head)
        account.ended = self._now()
        self._recorder.record(account)
        if lingers:
            self.linger(connection)
        else:
            self.forget(connection)

    def _expire(self, now: float, workers: Workers) -> None:
        for connection in self._older(self._heads, now - self._limits.head_timeout):
            connection.buffer += connection.receive_now() or b""  # it may have come while the connection napped
            if HEAD_END in connection.buffer:
                workers.put(connection)
            elif connection.buffer:
                self._turn_away(connection, 408, "head not complete in time")
            else:
                self.forget(connection)
        idle_s = min(GRACE_S, self._limits.idle_timeout) if self._draining else self._limits.idle_timeout
        for connection in self._older(self._idle, now - idle_s):
            self.forget(connection)
        for connection in self._older(self._lingering, now - LINGER_S):
            self.forget(connection)

    def _older(self, table: Table, before: float) -> Iterator[Connection]:
        """Take out of the table what waits since before that time; a table's order is nearly that of waiting."""
        while True:
            with self._lock:
                first = next(iter(table.values()), None)
                if first is None or first.begun > before:
                    return
                table.popitem(last=False)
            yield first

    def stop_listening(self) -> None:
        """Take what has been accepted by the kernel already, then no more; idle connections go after GRACE_S."""
        self._draining = True
        while self._listeners:
            fd, listener = self._listeners.popitem()  # its number may be the next connection's
            self._epoll.unregister(fd)
            self._accept(listener)
            listener.server_close()

    def is_empty(self) -> bool:
        """Tell whether no connection is left."""
        return not self._open

    def end(self) -> None:
        """Break off what is left and end the thread."""
        with self._lock:
            left = list(self._open.values())
        for connection in left:
            connection.interrupt()
        os.write(self._rope, b".")  # first, since the thread closes it as soon as it sees the end
        self._ended = True

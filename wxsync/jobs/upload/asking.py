"""Carry calls to QingStor over one session: sign, send, read, and try again where that helps. Floor: jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.log.logger import logger
from wxsync.remote.exchange import SILENCE_S, Incoming, Request, Response, Session
from wxsync.remote.qingstor.bucket import Bucket
from wxsync.remote.qingstor.calls import Call
from wxsync.remote.qingstor.faults import QingStorFault, unreachable
from wxsync.remote.stop import Stopped, check

LOG = logger("jobs.upload")
T = TypeVar("T")

PAUSES_S = (1.0, 2.0, 4.0)
JITTER = 0.25  # of a pause, so that several workers do not come back at the same instant
LONGEST_PAUSE_S = 60.0  # who asks for more is not waited for
ANSWER_S = 120.0  # joining a large file's parts takes a while
SLOWEST_BYTES_S = 16 << 10  # a connection that takes less is given up
HELD_BYTES = 1 << 20  # of what is sent the kernel may hold so much: it is still on its way when the wait begins
ANSWER_BYTES = 1 << 20
BLOCK_BYTES = 16 << 10


class Asker:
    """One thread's way to ask; stop ends every wait within a second. until: monotonic instant at which it gives up."""

    def __init__(
        self, bucket: Bucket, session: Session, clock: Clock, stop: threading.Event, rng: Callable[[], float], *,
        until: float | None = None,
    ) -> None:
        """rng: numbers from 0 to below 1."""
        self._bucket = bucket
        self._session = session
        self._clock = clock
        self._stop = stop
        self._rng = rng
        self._until = until

    def ask(self, call: Call[T], *, doubts: list[QingStorFault] | None = None) -> T:
        """Return the call's result. Raises QingStorFault when it is refused or still fails after the last try.

        doubts: gets the faults of tries that may have had their effect all the same. Raises Stopped.
        """
        pauses_s = iter(PAUSES_S)
        while True:
            check(self._stop, call.where)
            try:
                return self._ask_once(call)
            except QingStorFault as fault:
                if doubts is not None and fault.maybe_done:
                    doubts.append(fault)
                wait_s = self._pause_s(fault, next(pauses_s, None))
                if wait_s is None:
                    raise
                LOG.info("qingstor call repeated", call=call.where, reason=fault.what, pause=round(wait_s, 2))
                if self._clock.wait(self._stop, wait_s):
                    raise Stopped("stopped", where=call.where) from fault

    def _pause_s(self, fault: QingStorFault, planned_s: float | None) -> float | None:
        """Return how long to wait before the next try, None when there is none."""
        if planned_s is None or not fault.temporary:
            return None
        wait_s = planned_s if fault.retry_after_s is None else fault.retry_after_s
        wait_s += planned_s * JITTER * self._rng()
        is_late = self._until is not None and self._clock.monotonic() + wait_s >= self._until
        return None if is_late or wait_s > LONGEST_PAUSE_S else wait_s

    def _ask_once(self, call: Call[T]) -> T:
        request = self._bucket.request(call, self._clock.now())
        try:
            response = self._carry(request)
        except RemoteFault as fault:
            raise unreachable(fault, where=call.where) from fault
        return self._bucket.result(call, response, self._clock.now())

    def _carry(self, request: Request) -> Response:
        size = len(request.body) if isinstance(request.body, (bytes, bytearray, memoryview)) else 0
        deadline = self._clock.monotonic() + ANSWER_S + size / SLOWEST_BYTES_S
        if self._until is not None:
            deadline = min(deadline, self._until)
        held_s = min(size, HELD_BYTES) / SLOWEST_BYTES_S
        silence_s = ANSWER_S if request.method == "POST" else SILENCE_S + held_s
        answer = self._session.open(request, deadline=deadline, silence_s=silence_s)
        try:
            return Response(answer.status, answer.headers, _whole(answer))
        finally:
            answer.close()


def _whole(answer: Incoming) -> bytes:
    """Return the answer's body; QingStor's are short."""
    body, block = bytearray(), memoryview(bytearray(BLOCK_BYTES))
    while count := answer.readinto(block):
        body += block[:count]
        if len(body) > ANSWER_BYTES:
            raise RemoteFault("answer too large", temporary=True, maybe_done=True)
    return bytes(body)

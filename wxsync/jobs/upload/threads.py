"""The upload threads: take upload jobs in turn, a few side by side, each to its end. Floor: jobs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from wxsync.clock import Clock
from wxsync.jobs.heartbeat import Heartbeat
from wxsync.jobs.job import Job
from wxsync.jobs.loop import Loop
from wxsync.log.logger import logger
from wxsync.store.database import StoreFault

LOG = logger("jobs.upload")
IDLE_S = 5.0
STORE_RETRY_S = 5.0

Run = Callable[[Job, threading.Event], None]
Sweep = Callable[[threading.Event, Heartbeat], float]


class UploadThreads:
    """Any thread may call; each job that is handed over is taken by one of the loops."""

    def __init__(self, clock: Clock, run: Run, *, workers: int, busy_s: float, sweep: Sweep) -> None:
        """run: takes a job to its end, or as far as its stop event lets it. busy_s: the longest that it may take.

        sweep: takes away what uploads have left behind, in a thread of its own; tells when it is to be called again.
        """
        self._clock = clock
        self._run = run
        self._busy_s = busy_s
        self._sweep = sweep
        self._workers = [Loop(f"upload-{number}", clock, Heartbeat(clock)) for number in range(1, workers + 1)]
        self._sweeper = Loop("upload-leftovers", clock, Heartbeat(clock))
        self.loops = [*self._workers, self._sweeper]
        self._guard = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._begun: set[int] = set()  # jobs of which something is done: only their own course can end them
        self._stops: dict[int, threading.Event] = {}  # of the jobs under way
        self._ending = threading.Event()

    def start(self, left_open: Sequence[Job] = ()) -> None:
        """Begin, first with what a former process left open."""
        self._waiting.extend(left_open)
        self._begun.update(job.id for job in left_open)
        for loop in self._workers:
            loop.start(partial(self._turn, loop.heartbeat))
        self._sweeper.start(partial(self._sweep, self._ending, self._sweeper.heartbeat))

    def hand_over(self, job: Job) -> None:
        """Take a job that it does not have yet."""
        with self._guard:
            self._waiting.append(job)
        for loop in self._workers:
            loop.wake()

    def has(self, number: int) -> bool:
        """Tell whether a job was handed over and its course is not over."""
        with self._guard:
            return number in self._stops or any(job.id == number for job in self._waiting)

    @property
    def ahead(self) -> int:
        """How many jobs another one would have to wait for."""
        with self._guard:
            return len(self._waiting) + 1 if len(self._stops) >= len(self._workers) else 0

    def cancel(self, number: int) -> bool:
        """Stop a job that the store calls cancelled; False when its course will not end it: it was only dropped."""
        with self._guard:
            if number not in self._begun:
                self._waiting = deque(job for job in self._waiting if job.id != number)
            elif number in self._stops:
                self._stops[number].set()
            return number in self._begun

    def stop(self, timeout_s: float) -> bool:
        """Cut off what is under way, it begins anew at the next start; tell whether all threads ended in time."""
        with self._guard:
            self._ending.set()
            for stop in self._stops.values():
                stop.set()
        end = self._clock.monotonic() + timeout_s
        late = [loop for loop in self.loops if not loop.stop(0.0)]
        return not [loop for loop in late if not loop.stop(end - self._clock.monotonic())]

    def _turn(self, heartbeat: Heartbeat) -> float:
        while True:
            with self._guard:
                if self._ending.is_set() or not self._waiting:
                    return IDLE_S
                job = self._waiting.popleft()
                self._begun.add(job.id)
                stop = self._stops[job.id] = threading.Event()
            heartbeat.beat(self._busy_s)
            again: list[Job] = []
            try:
                self._run(job, stop)
            except StoreFault as fault:
                LOG.error("upload waits for the store", job=job.id, why=str(fault))
                self._clock.wait(stop, STORE_RETRY_S)
                again.append(job)
            finally:
                with self._guard:
                    del self._stops[job.id]
                    self._waiting.extend(again)
                    if not again:
                        self._begun.discard(job.id)
                heartbeat.beat()

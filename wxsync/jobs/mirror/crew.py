"""The threads of one job: each mirrors an image at a time, or helps with the blobs of another. Floor: jobs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Generic, Protocol, TypeVar

from wxsync.log.logger import logger
from wxsync.remote.registry.manifest import Descriptor
from wxsync.remote.stop import Stopped

LOG = logger("jobs.mirror.crew")
HELPERS = 3
HELP_FROM_BYTES = 1 << 20
WAIT_S = 0.2


class Closes(Protocol):
    """What one thread has to itself: its connections."""

    def close(self) -> None:
        """Close them."""


LaneT = TypeVar("LaneT", bound=Closes)


class Batch(Generic[LaneT]):
    """The blobs of one image that are still to be copied; guarded by its crew's condition."""

    def __init__(self, blobs: Sequence[Descriptor], copy: Callable[[LaneT, Descriptor], None]) -> None:
        self.waiting = deque(blobs)
        self.copy = copy
        self.running = 0
        self.fault: BaseException | None = None

    @property
    def wants_help(self) -> bool:
        """Tell whether so much waits that another thread is worth its connections."""
        return sum(blob.size for blob in self.waiting) >= HELP_FROM_BYTES


class Crew(Generic[LaneT]):
    """Runs `mirror` for each place, several side by side. lane: makes what a thread has to itself."""

    def __init__(
        self,
        places: Sequence[int],
        mirror: Callable[[Crew[LaneT], LaneT, int], None],
        lane: Callable[[], LaneT],
        *,
        workers: int,
        stop: threading.Event,
    ) -> None:
        """mirror reports its result by itself, and raises nothing but Stopped."""
        self._places = deque(places)
        self._mirror = mirror
        self._lane = lane
        self._stop = stop
        self._changed = threading.Condition()
        self._batches: list[Batch[LaneT]] = []
        self._busy = min(workers, len(places))
        loops = [self._work] * self._busy + [self._help] * HELPERS
        self._threads = [
            threading.Thread(target=self._run, args=(loop,), name=f"mirror-{n}", daemon=True)
            for n, loop in enumerate(loops)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    @property
    def is_over(self) -> bool:
        """Tell whether no thread does anything any more."""
        return not any(thread.is_alive() for thread in self._threads)

    def join(self, timeout_s: float) -> None:
        """Wait for the threads, each for so long at most."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout_s)

    def copy_all(self, lane: LaneT, blobs: Sequence[Descriptor], copy: Callable[[LaneT, Descriptor], None]) -> None:
        """Copy every blob, with the helpers' help; raise what the first failed copy raised, once all have ended."""
        batch = Batch(blobs, copy)
        with self._changed:
            self._batches.append(batch)
            self._changed.notify_all()
        try:
            while self._take_and_copy(batch, lane):
                pass
            with self._changed:
                while batch.running:
                    self._changed.wait(WAIT_S)
        finally:
            with self._changed:
                self._batches.remove(batch)
        if batch.fault is not None:
            raise batch.fault

    def _run(self, loop: Callable[[LaneT], None]) -> None:
        try:
            with closing(self._lane()) as lane:
                loop(lane)
        except Stopped:
            pass
        except Exception:  # the top of a thread; what it had in hand stays without a result, and the engine tells so
            LOG.exception("mirror thread broke")

    def _work(self, lane: LaneT) -> None:
        try:
            while not self._stop.is_set():
                with self._changed:
                    if not self._places:
                        return
                    place = self._places.popleft()
                self._mirror(self, lane, place)
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _help(self, lane: LaneT) -> None:
        while True:
            with self._changed:
                batch = next((each for each in self._batches if each.wants_help), None)
                while batch is None and self._busy and not self._stop.is_set():
                    self._changed.wait(WAIT_S)
                    batch = next((each for each in self._batches if each.wants_help), None)
            if batch is None or self._stop.is_set():
                return
            self._take_and_copy(batch, lane)

    def _take_and_copy(self, batch: Batch[LaneT], lane: LaneT) -> bool:
        """Copy the batch's next blob; tell whether there was one."""
        with self._changed:
            if not batch.waiting:
                return False
            blob = batch.waiting.popleft()
            batch.running += 1
        fault: BaseException | None = None
        try:
            batch.copy(lane, blob)
        except BaseException as raised:  # noqa: BLE001 kept for the thread that mirrors the image, which raises it
            fault = raised
        with self._changed:
            batch.running -= 1
            if fault is not None:
                batch.waiting.clear()
                batch.fault = batch.fault or fault
            self._changed.notify_all()
        return True

"""One job's copying: its threads, and the results as they come. Floor: jobs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from wxsync.clock import Clock
from wxsync.jobs import results
from wxsync.jobs.job import Job
from wxsync.jobs.mirror.crew import Crew
from wxsync.jobs.mirror.failure import Failure
from wxsync.jobs.mirror.holders import Holders
from wxsync.jobs.mirror.image import ImageMirror
from wxsync.jobs.mirror.lane import Lane, Registries
from wxsync.jobs.mirror.tally import Tally
from wxsync.jobs.progress import Progress
from wxsync.jobs.replies import syncs
from wxsync.jobs.results import Item
from wxsync.log.logger import logger
from wxsync.remote.stop import Stopped

LOG = logger("jobs.mirror")


class Run:
    """Copies the open images of a job. `items`, `stop`: any thread; the rest: the engine's."""

    def __init__(
        self,
        job: Job,
        registries: Registries,
        holders: Holders,
        clock: Clock,
        progress: Progress,
        *,
        workers: int,
        deadline: float,
    ) -> None:
        """deadline: instant of the clock's monotonic time at which every call must be over."""
        self.job = job.id
        self._items = list(job.items)
        self._lock = threading.Lock()
        self._holders = holders
        self._clock = clock
        self._progress = progress
        self._deadline = deadline
        self._stop = threading.Event()
        self._crew: Crew[Lane] = Crew(
            [place for place, item in enumerate(job.items) if not item.result],
            self._mirror,
            lambda: registries.lane(self._stop),
            workers=workers,
            stop=self._stop,
        )

    def start(self) -> None:
        """Begin."""
        self._crew.start()

    def stop(self) -> None:
        """Have the threads end; each does within a second."""
        self._stop.set()

    @property
    def is_over(self) -> bool:
        """Tell whether no thread copies any more."""
        return self._crew.is_over

    def join(self, timeout_s: float) -> bool:
        """Wait for the threads; tell whether all have ended."""
        self._crew.join(timeout_s)
        return self.is_over

    @property
    def items(self) -> Sequence[Item]:
        """Return the images with the results until now."""
        with self._lock:
            return tuple(self._items)

    def _mirror(self, crew: Crew[Lane], lane: Lane, place: int) -> None:
        """Mirror the image at this place and keep how it went."""
        item, began = self._items[place], self._clock.monotonic()
        tally = Tally(lambda done, total: self._progress.report(self.job, place, done, total))
        try:
            mirror = ImageMirror(item, self._holders, tally, self._clock, stop=self._stop, deadline=self._deadline)
            copied = mirror.run(crew, lane)
            done = replace(item, result=results.SUCCEEDED if copied.is_new else results.SKIPPED, size=copied.size)
            LOG.info("image mirrored", job=self.job, image=item.source, digest=copied.digest, is_new=copied.is_new)
        except Failure as failure:
            done = replace(item, result=results.FAILED, reason=_reason(failure))
            LOG.warning("image not mirrored", job=self.job, image=item.source, why=str(failure))
        except Stopped:
            raise
        except Exception:  # the top of one image: the others go on
            LOG.exception("mirroring broke", job=self.job, image=item.source)
            done = replace(item, result=results.FAILED, reason="程序内部错误，已写入日志，请联系管理员")
        seconds = round(self._clock.monotonic() - began, 2)
        with self._lock:
            self._items[place] = replace(done, seconds=seconds, moved=tally.moved)


def _reason(failure: Failure) -> str:
    return syncs.local_reason(failure.kind, failure.reason, failure.after_s)

"""Ask the sources, before a sync starts, whether its images are there; only a clear no counts. Floor: jobs.

Nothing is held back because a source is away, wants a login, limits us or may not be reached from here: whoever copies
may see it differently, and says so then. Docker Hub answers 401 for a repository that is not there, as for a private
one; so does quay.io. What is certain is 404 with the specification's own codes.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.jobs.command import ImageRequest
from wxsync.jobs.mirror.lane import Lane, Registries
from wxsync.jobs.nearby import near
from wxsync.jobs.replies import absences
from wxsync.log.logger import logger
from wxsync.remote.registry import manifest
from wxsync.remote.registry.faults import Kind, RegistryFault
from wxsync.remote.registry.repository import Repository
from wxsync.remote.stop import Stopped

LOG = logger("jobs.precheck")
LIMIT_S = 5.0
LOOK_S = 0.2  # between two looks whether the answer is still wanted
MAX_THREADS = 16
NOT_THERE = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"})  # the last one is Harbor's


class _Said(NamedTuple):
    """An image is not there, and why; reason None: no more is said of it."""

    image: ImageRequest
    reason: str | None


class Precheck:
    """Used by the sync thread; each call has threads of its own, which end within a second after it."""

    def __init__(self, registries: Registries, clock: Clock, *, limit_s: float = LIMIT_S) -> None:
        self._registries = registries
        self._clock = clock
        self.limit_s = limit_s

    def absent(
        self, images: Sequence[ImageRequest], *, is_wanted: Callable[[], bool] = lambda: True
    ) -> Mapping[ImageRequest, str]:
        """Return the images that cannot be mirrored as they are written, with the reason, within limit_s.

        is_wanted: asked now and then; once it says no, what is known until then is returned.
        """
        began = self._clock.monotonic()
        asking = _Asking(self._registries, self._clock, began + self.limit_s, is_wanted)
        reasons = asking.reasons(dict.fromkeys(images))
        took = round(self._clock.monotonic() - began, 2)
        LOG.info("sources asked", images=len(images), absent=len(reasons), took=took)
        return reasons


class _Asking:
    """One call's questions and answers, and its threads."""

    def __init__(
        self, registries: Registries, clock: Clock, deadline: float, is_wanted: Callable[[], bool]
    ) -> None:
        self._registries = registries
        self._clock = clock
        self._deadline = deadline
        self._is_wanted = is_wanted
        self._questions: queue.SimpleQueue[ImageRequest] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[_Said] = queue.SimpleQueue()
        self._stop = threading.Event()

    def reasons(self, images: Mapping[ImageRequest, None]) -> dict[ImageRequest, str]:
        """Ask for all of them side by side; return what was said when the time was over, or all was said."""
        for image in images:
            self._questions.put(image)
        for n in range(min(MAX_THREADS, len(images))):
            threading.Thread(target=self._run, name=f"precheck-{n}", daemon=True).start()
        open_ones, reasons = set(images), {}
        try:
            while open_ones and (said := self._next()) is not None:
                if said.reason is None:
                    open_ones.discard(said.image)
                else:
                    reasons[said.image] = said.reason
        finally:
            self._stop.set()
        if open_ones:
            LOG.info("sources not asked in time", images=len(open_ones))
        return reasons

    def _next(self) -> _Said | None:
        """Return what is said next; None when the time is over, or nobody waits for it any more."""
        while True:
            left_s = max(0.0, self._deadline - self._clock.monotonic())
            try:
                return self._answers.get(timeout=min(LOOK_S, left_s))
            except queue.Empty:
                if not left_s or not self._is_wanted():
                    return None

    def _run(self) -> None:
        """Take questions until there are none."""
        lane = self._registries.lane(self._stop)
        try:
            while not self._stop.is_set():
                image = self._questions.get_nowait()
                self._answer(lane, image)
                self._answers.put(_Said(image, None))
        except (queue.Empty, Stopped):
            pass
        except Exception:  # the top of a thread; its image counts as not asked
            LOG.exception("precheck broke")
        finally:
            lane.close()

    def _answer(self, lane: Lane, image: ImageRequest) -> None:
        try:
            for reason in _reasons(lane.source(image.reference), image, self._deadline):
                self._answers.put(_Said(image, reason))
        except RemoteFault as fault:
            LOG.info("source does not tell", image=image.reference.full, why=str(fault))


def _reasons(repository: Repository, image: ImageRequest, deadline: float) -> Iterator[str]:
    """Yield why an image cannot be mirrored, a better reason after a first one; nothing when it can.

    Raises RegistryFault when the source does not tell.
    """
    reference = image.reference.digest or image.reference.tag or "latest"
    try:
        if not image.platforms and _is_there(repository, reference, deadline):
            return
        found = repository.manifest(reference, deadline=deadline)  # a HEAD has no body that could hold a code
    except RegistryFault as fault:
        if fault.status != 404 or fault.code not in NOT_THERE:
            raise
        yield from _absence(repository, image, fault.code, deadline)
        return
    present = manifest.platforms(found) if isinstance(found, manifest.Index) else ()
    missing = manifest.missing(image.platforms, present) if present else ()
    if missing:
        yield absences.no_platform(missing, tuple(map(str, present)))


def _is_there(repository: Repository, reference: str, deadline: float) -> bool:
    """Ask by HEAD, which Docker Hub does not count as a pull."""
    try:
        repository.head(reference, deadline=deadline)
    except RegistryFault as fault:
        if fault.kind is not Kind.NOT_FOUND:
            raise
        return False
    return True


def _absence(repository: Repository, image: ImageRequest, code: str, deadline: float) -> Iterator[str]:
    """Yield what is missing: the whole repository, or this tag or digest of it."""
    if code == "NAME_UNKNOWN":
        yield absences.no_repository()
        return
    tag = image.reference.tag or ""
    yield absences.no_digest() if image.reference.digest else absences.no_tag(tag, ())
    try:
        tags = repository.tags(deadline=deadline)
    except RegistryFault as fault:
        if fault.status == 404 and fault.code in NOT_THERE:
            yield absences.no_repository()  # docker-registry says "manifest unknown" of any repository
        return
    if not image.reference.digest:
        yield absences.no_tag(tag, near(tag, tags))

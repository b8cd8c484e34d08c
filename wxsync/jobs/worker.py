"""The sync thread: takes jobs over, runs their steps, stores what happened, goes on after a crash. Floor: jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.jobs import events, planning, results
from wxsync.jobs.command import ImageRequest
from wxsync.jobs.engine import Engine
from wxsync.jobs.heartbeat import Heartbeat
from wxsync.jobs.job import Job, advance, from_record
from wxsync.jobs.ledger import Ledger
from wxsync.jobs.precheck import Precheck
from wxsync.jobs.replies import absences, followups, refusals, syncs
from wxsync.jobs.rollover import Rollover
from wxsync.jobs.slot import Slot
from wxsync.log.logger import logger
from wxsync.store.database import StoreFault
from wxsync.store.records import Ownership
from wxsync.store.store import Store

LOG = logger("jobs.worker")
IDLE_S = 5.0
STORE_RETRY_S = 5.0
STORE_TRIES = 12  # a minute


@dataclass
class _Live:
    """A job under way in this process, with when its next step is due."""

    job: Job
    due: float
    tries: int = 0


class Worker:
    """Owns all sync jobs from accepted to ended. `hand_over`, `hurry`: any thread; the rest: its own."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        clock: Clock,
        engine: Engine,
        slot: Slot,
        rollover: Rollover,
        heartbeat: Heartbeat,
        precheck: Precheck | None,
        prefix: str,
        new_request_id: Callable[[], str],
        wake: Callable[[], None],
        on_slot_free: Callable[[], None],
    ) -> None:
        """precheck: None for none. prefix: REGISTRY/NAMESPACE/. wake: this worker's own thread.

        on_slot_free: wakes the reception.
        """
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._engine = engine
        self._slot = slot
        self._rollover = rollover
        self._heartbeat = heartbeat
        self._precheck = precheck
        self._prefix = prefix
        self._new_request_id = new_request_id
        self._wake = wake
        self._on_slot_free = on_slot_free
        self._live: dict[int, _Live] = {}
        self._handed_over: list[Job] = []
        self._hurried: list[int] = []

    def hand_over(self, job: Job) -> None:
        """Take an accepted sync job whose slot is held; any thread."""
        self._handed_over.append(job)
        self._wake()

    def hurry(self, number: int) -> None:
        """Take the next step of a job now, since the store says something about it; any thread."""
        self._hurried.append(number)
        self._wake()

    def resume(self) -> None:
        """Take up every sync job that a former process left open; before any thread runs. Raises StoreFault."""
        for record in self._store.open_jobs():
            if record.kind == "sync" and record.state != "accepted":
                job = from_record(record)
                if not job.is_noticed:
                    self._slot.take(job.id)
                self._live[job.id] = _Live(job, self._clock.monotonic())
                LOG.info("sync resumed", job=job.id, state=job.state)

    def turn(self) -> float:
        """Run every step that is due, then a due rollover; return the seconds until the next one."""
        while self._handed_over:
            job = self._handed_over.pop(0)
            self._live[job.id] = _Live(job, self._clock.monotonic())
        while self._hurried:
            hurried = self._live.get(self._hurried.pop(0))
            if hurried is not None:
                hurried.due, hurried.tries = self._clock.monotonic(), 0
        for live in list(self._live.values()):
            while live.job.id in self._live and live.due <= self._clock.monotonic():
                self._heartbeat.beat()
                self._step(live)
        pauses = [live.due - self._clock.monotonic() for live in self._live.values()]
        return max(0.0, min([IDLE_S, self._serve_rollover(), *pauses]))

    def _serve_rollover(self) -> float:
        try:
            if self._rollover.is_due:
                if any(live.job.state in {"announced", "committed"} for live in self._live.values()):
                    return IDLE_S  # its block is being committed and dispatched; every step of it ends in a turn
                self._rollover.serve()
            return self._rollover.wait_s()
        except StoreFault as fault:
            LOG.error("rollover waits for the store", why=str(fault))
            return STORE_RETRY_S

    def _step(self, live: _Live) -> None:
        try:
            self._advance(live)
        except StoreFault as fault:
            self._on_store_fault(live, fault)
        except RemoteFault as fault:
            self._on_fault(live, fault)
        except Exception:  # the top of one job: it ends in an answer, the others go on
            LOG.exception("job broke", job=live.job.id, state=live.job.state)
            self._give_up(live)

    def _advance(self, live: _Live) -> None:
        by = self._store.cancelled_by(live.job.id)
        if by and not live.job.cancelled_by:
            live.job = advance(live.job, events.CancelAsked(by))
        job = live.job
        if job.state == "accepted":
            self._announce(live)
            return
        if job.state == "concluded":
            self._finish(live)
            return
        event, again_s = self._engine.step(job)
        if event is not None:
            after = advance(job, event)
            if isinstance(event, events.Noticed):
                waited_s = (self._clock.now() - (job.started_at or job.created_at)).total_seconds()
                self._save(live, after, syncs.still_running(after, waited_s))
                self._free_slot(after)
            elif isinstance(event, events.Progressed):
                waited_s = (self._clock.now() - (job.started_at or job.created_at)).total_seconds()
                self._save(live, after, syncs.still_copying(after, event.done, event.total, waited_s))
            else:
                self._save(live, after)
        live.tries = 0
        live.due = self._clock.monotonic() + again_s

    def _announce(self, live: _Live) -> None:
        job = live.job
        now = self._clock.now()
        if job.cancelled_by:
            self._end_unstarted(live, results.CANCELLED, followups.cancelled_unstarted(job))
            return
        try:
            images = planning.requested(self._store, job, own_prefix=self._prefix)
            absent = self._absent(job, images)
            if self._store.cancelled_by(job.id):
                return  # the next turn, which is due, ends it
            items = planning.plan(self._store, job, images, absent)
        except planning.Refused as refusal:
            self._end_unstarted(live, results.REFUSED, refusals.clashes(refusal.lines, job.id))
            return
        if absent and all(item.result for item in items):
            lines = [(image.written, absent[image]) for image in images]
            self._end_unstarted(live, results.REFUSED, absences.all_absent(lines, job.id))
            return
        after = advance(job, events.Announced(self._new_request_id(), self._prefix, items, now))
        self._save(live, after, syncs.announced(after))
        LOG.info("sync announced", job=job.id, request=after.request_id, images=len(items))

    def _absent(self, job: Job, images: Sequence[ImageRequest]) -> Mapping[ImageRequest, str]:
        """Return the images that are certainly not at their source, and why; early once the job is cancelled."""
        if self._precheck is None:
            return {}
        self._heartbeat.beat(self._precheck.limit_s)
        return self._precheck.absent(images, is_wanted=lambda: not self._store.cancelled_by(job.id))

    def _end_unstarted(self, live: _Live, result: str, text: str) -> None:
        self._save(live, advance(live.job, events.Ended(result, self._clock.now())), text)
        LOG.info("sync ended", job=live.job.id, result=result, images=0)
        self._forget(live)

    def _finish(self, live: _Live) -> None:
        job, now = live.job, self._clock.now()
        took_s = (now - (job.started_at or job.created_at)).total_seconds()
        ended = advance(job, events.Ended(job.result, now))
        owned = planning.owned_by(job, {results.SUCCEEDED, results.SKIPPED})
        self._save(live, ended, syncs.concluded(job, took_s), owned=owned)
        LOG.info("sync ended", job=job.id, result=job.result, images=len(job.items), took=round(took_s, 1))
        self._forget(live)

    def _on_fault(self, live: _Live, fault: RemoteFault) -> None:
        job = live.job
        pause_s = self._engine.retry_s(job, fault, live.tries)
        LOG.warning("step failed", job=job.id, state=job.state, why=str(fault), status=fault.status, again_s=pause_s)
        if pause_s is None:
            self._fail(live, f"{fault.what}；{fault.mend}" if fault.mend else fault.what)
        else:
            self._later(live, pause_s)

    def _on_store_fault(self, live: _Live, fault: StoreFault) -> None:
        """Wait for the store; but a file that stays broken while the database works must not hold the slot for ever."""
        LOG.error("job waits for the store", job=live.job.id, why=str(fault), tries=live.tries)
        if live.tries >= STORE_TRIES and live.job.state not in {"accepted", "concluded"}:
            self._fail(live, f"{fault.what}（{fault.where}）；请管理员{fault.mend}")
        else:
            self._later(live, STORE_RETRY_S)

    def _later(self, live: _Live, pause_s: float) -> None:
        live.tries += 1
        live.due = self._clock.monotonic() + pause_s

    def _fail(self, live: _Live, reason: str) -> None:
        """Conclude a job for a reason of its own."""
        failed = events.Concluded(results.fail_open(live.job.items, reason), results.FAILED, reason)
        try:
            self._save(live, advance(live.job, failed))
            live.due = self._clock.monotonic()
        except StoreFault:
            self._later(live, STORE_RETRY_S)

    def _give_up(self, live: _Live) -> None:
        """End a job that broke the program, with what is known, whatever its state."""
        job, now = live.job, self._clock.now()
        try:
            if job.state not in {"accepted", "concluded"}:
                job = advance(job, events.Concluded(results.fail_open(job.items, "程序内部错误"), results.FAILED))
            ended = advance(job, events.Ended(results.FAILED, now))
            self._save(live, ended, refusals.internal_error(ended))
        except StoreFault:
            self._later(live, STORE_RETRY_S)
            return
        except Exception:
            LOG.exception("job cannot be ended", job=job.id)  # kept on, it would break every turn
        self._forget(live)

    def _save(self, live: _Live, after: Job, *texts: str, owned: Iterable[Ownership] = ()) -> None:
        self._ledger.save(after, *texts, owned=owned)
        live.job = after

    def _forget(self, live: _Live) -> None:
        del self._live[live.job.id]
        self._free_slot(live.job)

    def _free_slot(self, job: Job) -> None:
        self._slot.give_back(job.id)
        self._on_slot_free()

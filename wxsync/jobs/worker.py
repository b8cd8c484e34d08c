"""The sync thread: takes jobs over, runs their steps, stores what happened, goes on after a crash. Floor: jobs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.jobs import command, planning, replies
from wxsync.jobs import job as lives
from wxsync.jobs.engine import Engine
from wxsync.jobs.heartbeat import Heartbeat
from wxsync.jobs.job import Job, advance, from_record
from wxsync.jobs.ledger import Ledger
from wxsync.jobs.rollover import Rollover
from wxsync.jobs.slot import Slot
from wxsync.log import logger
from wxsync.store.database import StoreFault
from wxsync.store.records import Ownership
from wxsync.store.store import Store

LOG = logger("jobs.worker")
IDLE_S = 5.0
STORE_RETRY_S = 5.0
TRIES = 3  # beyond the first, for a step before the dispatch
BACKOFF_S = (1.0, 2.0, 4.0)
POLL_BACKOFF_S = 30.0


@dataclass
class _Live:
    """A job under way in this process, with when its next step is due."""

    job: Job
    due: float
    tries: int = 0


class Worker:
    """Owns all sync jobs from accepted to ended. `hand_over` may be called by any thread, the rest by its own."""

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
        prefix: str,
        new_request_id: Callable[[], str],
        wake: Callable[[], None],
        on_slot_free: Callable[[], None],
    ) -> None:
        """prefix: REGISTRY/NAMESPACE/. wake: this worker's own thread; on_slot_free: the reception's."""
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._engine = engine
        self._slot = slot
        self._rollover = rollover
        self._heartbeat = heartbeat
        self._prefix = prefix
        self._new_request_id = new_request_id
        self._wake = wake
        self._on_slot_free = on_slot_free
        self._live: dict[int, _Live] = {}
        self._handed_over: list[Job] = []

    def hand_over(self, job: Job) -> None:
        """Take an accepted sync job whose slot is held; any thread."""
        self._handed_over.append(job)
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
            LOG.error("job waits for the store", job=live.job.id, why=str(fault))
            live.due = self._clock.monotonic() + STORE_RETRY_S
        except RemoteFault as fault:
            self._on_fault(live, fault)
        except Exception:  # the top of one job: it ends in an answer, the others go on
            LOG.exception("job broke", job=live.job.id, state=live.job.state)
            self._give_up(live)

    def _advance(self, live: _Live) -> None:
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
            if isinstance(event, lives.Noticed):
                waited_s = (self._clock.now() - (job.started_at or job.created_at)).total_seconds()
                self._save(live, after, replies.still_running(after, waited_s))
                self._free_slot(after)
            else:
                self._save(live, after)
        live.tries = 0
        live.due = self._clock.monotonic() + again_s

    def _announce(self, live: _Live) -> None:
        job = live.job
        parsed = command.parse(job.text, own_prefix=self._prefix)
        if not isinstance(parsed, command.SyncImages):
            raise TypeError(f"job {job.id} is no sync any more")
        now = self._clock.now()
        try:
            items = planning.plan(self._store, job, parsed.images)
        except planning.Refused as refusal:
            ended = advance(job, lives.Ended(lives.REFUSED, now))
            self._save(live, ended, replies.clashes(refusal.lines))
            self._forget(live)
            return
        after = advance(job, lives.Announced(self._new_request_id(), items, now))
        self._save(live, after, replies.announced(after, self._prefix))
        LOG.info("sync announced", job=job.id, request=after.request_id, images=len(items))

    def _finish(self, live: _Live) -> None:
        job, now = live.job, self._clock.now()
        took_s = (now - (job.started_at or job.created_at)).total_seconds()
        ended = advance(job, lives.Ended(job.result, now))
        owned = planning.owned_by(job, {lives.SUCCEEDED, lives.SKIPPED})
        self._save(live, ended, replies.concluded(job, self._prefix, took_s), owned=owned)
        LOG.info("sync ended", job=job.id, result=job.result, images=len(job.items), took=round(took_s, 1))
        self._forget(live)

    def _on_fault(self, live: _Live, fault: RemoteFault) -> None:
        job = live.job
        pause = self._pause(live, fault)
        LOG.warning("step failed", job=job.id, state=job.state, why=str(fault), status=fault.status, again_s=pause)
        if pause is not None:
            live.tries += 1
            live.due = self._clock.monotonic() + pause
            return
        reason = f"{fault.what}；{fault.mend}" if fault.mend else fault.what
        failed = lives.Concluded(lives.fail_open(job.items, reason), lives.FAILED, reason)
        try:
            self._save(live, advance(job, failed))
            live.due = self._clock.monotonic()
        except StoreFault as trouble:
            LOG.error("job waits for the store", job=job.id, why=str(trouble))
            live.due = self._clock.monotonic() + STORE_RETRY_S

    def _pause(self, live: _Live, fault: RemoteFault) -> float | None:
        """Return the seconds until the step is tried again, or None when it is not worth it."""
        if not fault.temporary:
            return None
        if live.job.state in {"dispatched", "running"}:
            # The run goes on without us; a GitHub that is away for an hour must not cost the answer.
            pause = fault.retry_after_s or min(POLL_BACKOFF_S, BACKOFF_S[-1] * (live.tries + 1))
            return min(pause, max(0.0, self._engine.patience(live.job)) + 0.1)
        if live.tries >= TRIES:
            return None
        pause = fault.retry_after_s or BACKOFF_S[min(live.tries, len(BACKOFF_S) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311
        return pause if pause <= self._engine.patience(live.job) else None

    def _give_up(self, live: _Live) -> None:
        """End a job that broke the program, with what is known, whatever its state."""
        job, now = live.job, self._clock.now()
        try:
            if job.state not in {"accepted", "concluded"}:
                job = advance(job, lives.Concluded(lives.fail_open(job.items, "程序内部错误"), lives.FAILED))
            ended = advance(job, lives.Ended(lives.FAILED, now))
            self._save(live, ended, replies.internal_error(ended))
            self._forget(live)
        except StoreFault as fault:
            LOG.error("job waits for the store", job=job.id, why=str(fault))
            live.due = self._clock.monotonic() + STORE_RETRY_S

    def _save(self, live: _Live, after: Job, *texts: str, owned: Iterable[Ownership] = ()) -> None:
        self._ledger.save(after, *texts, owned=owned)
        live.job = after

    def _forget(self, live: _Live) -> None:
        del self._live[live.job.id]
        self._free_slot(live.job)

    def _free_slot(self, job: Job) -> None:
        self._slot.give_back(job.id)
        self._on_slot_free()

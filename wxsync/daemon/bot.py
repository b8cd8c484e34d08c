"""Build the bot: its engine, clients and threads, joined by nothing but the store and wake-ups. Floor: daemon."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from wxsync.clock import Clock
from wxsync.config import checks
from wxsync.daemon.engines import engine_of, precheck_of, registries_of
from wxsync.daemon.outbound import Outbound
from wxsync.daemon.uploading import upload_threads
from wxsync.jobs.desk import Desk
from wxsync.jobs.heartbeat import BeatingTransport, Heartbeat
from wxsync.jobs.inbox import Inbox
from wxsync.jobs.job import from_record
from wxsync.jobs.ledger import Ledger
from wxsync.jobs.loop import Loop
from wxsync.jobs.outbox import IDLE_S, Outbox
from wxsync.jobs.progress import Progress
from wxsync.jobs.reception import Reception
from wxsync.jobs.rollover import Rollover
from wxsync.jobs.slot import Slot
from wxsync.jobs.timer import Timer
from wxsync.jobs.tokenwatch import TokenWatch
from wxsync.jobs.worker import Worker
from wxsync.log.logger import logger
from wxsync.options.settings import Settings
from wxsync.remote.exchange import Transport
from wxsync.remote.github.client import GitHub
from wxsync.store.files import DayList, FileLock
from wxsync.store.spool import Spool
from wxsync.store.store import Store
from wxsync.wecom.client import WeComClient

LOG = logger("daemon.bot")
THREADS = ("reception", "sync", "outbox", "timer")


class Bot:
    """The jobs side: its threads, started and ended together.

    Without the options of WeCom it does what the admin API and the command line ask for; what is owed to members waits.
    """

    def __init__(
        self, settings: Settings, store: Store, state_dir: Path, clock: Clock, outbound: Outbound
    ) -> None:
        self._clock = clock
        self._outbound = outbound
        self._loops = {name: Loop(name, clock, Heartbeat(clock)) for name in THREADS}
        beats = {name: loop.heartbeat for name, loop in self._loops.items()}
        wakes = {name: loop.wake for name, loop in self._loops.items()}
        self._spool = Spool(state_dir / "spool", max_bytes=settings.upload.max_bytes)
        self._store = store
        ledger = Ledger(store, clock, wakes["outbox"], self._spool.drop)
        slot = Slot(FileLock(state_dir / "sync.lock"))
        day_list = DayList(state_dir / "images.txt")
        prefix = settings.registry.prefix
        github = _github(settings, BeatingTransport(outbound.github, beats["sync"]))
        self._rollover = Rollover(
            store, day_list, github, clock, at=settings.rollover.time, is_enabled=settings.rollover.enabled
        )
        progress = Progress()
        registries = registries_of(settings, clock, outbound)
        self._engine = engine_of(settings, github, day_list, clock, registries, state_dir=state_dir, progress=progress)
        self._worker = Worker(
            store=store,
            ledger=ledger,
            clock=clock,
            engine=self._engine,
            slot=slot,
            rollover=self._rollover,
            heartbeat=beats["sync"],
            precheck=precheck_of(settings, clock, registries),
            prefix=prefix,
            new_request_id=lambda: f"{clock.local(clock.now()):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
            wake=wakes["sync"],
            on_slot_free=wakes["reception"],
        )
        self._uploads = upload_threads(
            settings, store, ledger, clock, spool=self._spool, outbound=outbound, progress=progress
        )
        self._reception = self._made_reception(settings, ledger, slot)
        self._send = _sender(settings, store, clock, BeatingTransport(outbound.wecom, beats["outbox"]))
        self._timer = Timer(
            store,
            clock,
            self._rollover,
            history_days=settings.jobs.history_days,
            on_rollover=wakes["sync"],
            on_tick=_token_watch(settings, store, clock, github, wakes["outbox"]),
        )
        self.wake = wakes["reception"]
        self.inbox = Inbox(store, clock, wakes["reception"], own_prefix=prefix) if settings.has_bot else None
        self.desk = Desk(store, clock, self._spool, progress, own_prefix=prefix, wake=self.wake, hurry=self._hurry)

    def sweep(self) -> None:
        """Remove the files that no open job is for; before anybody can hand in new ones. Raises StoreFault."""
        self._spool.sweep({from_record(record).spooled for record in self._store.open_jobs()})

    def start(self) -> None:
        """Take up what a former process left open, then run. Raises StoreFault."""
        self._rollover.start()
        self._worker.resume()
        self._outbound.start()
        open_jobs = map(from_record, self._store.open_jobs())
        self._uploads.start([job for job in open_jobs if job.kind == "upload" and job.state != "accepted"])
        turns = (self._reception.turn, self._worker.turn, self._send, self._timer.turn)
        for name, turn in zip(THREADS, turns):
            self._loops[name].start(turn)

    def stop(self, timeout_s: float) -> bool:
        """End the threads; tell whether all ended in time. A step cut off by the process's end is taken again."""
        end = self._clock.monotonic() + timeout_s
        self._uploads.stop(0.0)  # they need the longest: what is half uploaded is taken away again
        late = [name for name, loop in self._loops.items() if not loop.stop(0.0)]
        late = [name for name in late if not self._loops[name].stop(end - self._clock.monotonic())]
        if not self._engine.stop(max(0.0, end - self._clock.monotonic())):
            late.append("mirror")
        if not self._uploads.stop(end - self._clock.monotonic()):
            late.append("uploads")
        if not self._outbound.stop(end - self._clock.monotonic()):
            late.append("egress")
        if late:
            LOG.info("threads still in a call", threads=",".join(late))
        return not late

    def silent(self) -> list[str]:
        """Return the threads that have not been heard of for longer than they promised."""
        loops = [*self._loops.values(), *self._uploads.loops]
        return [loop.name for loop in loops if loop.heartbeat.is_late]

    def troubles(self) -> list[str]:
        """Return why the bot is not well, empty when it is; a fault of a remote service is no trouble of ours."""
        silent = [f"{name} thread is silent" for name in self.silent()]
        return silent + ([] if self._timer.is_store_writable else ["store cannot be written"])

    def _made_reception(self, settings: Settings, ledger: Ledger, slot: Slot) -> Reception:
        return Reception(
            store=self._store,
            ledger=ledger,
            clock=self._clock,
            slot=slot,
            hand_over=self._worker.hand_over,
            hurry=self._worker.hurry,
            uploads=self._uploads,
            own_prefix=settings.registry.prefix,
            missing=_missing(settings),
            allow_users=settings.wecom.allow_users,
            admin_users=settings.wecom.admin_users,
            is_queueing=settings.jobs.when_busy == "queue",
            max_queue=settings.jobs.max_queue,
        )

    def _hurry(self, number: int) -> None:
        """Have what the store says of a job under way be looked at now; any thread."""
        self._worker.hurry(number)
        self._uploads.cancel(number)


def _github(settings: Settings, transport: Transport) -> GitHub | None:
    if settings.engine != "actions":
        return None
    options = settings.github
    return GitHub(
        transport,
        api_base=options.api_base,
        token=options.token,
        repo=options.repo,
        branch=options.branch,
        workflow=options.workflow,
    )


def _token_watch(
    settings: Settings, store: Store, clock: Clock, github: GitHub | None, on_texts: Callable[[], None]
) -> Callable[[], None]:
    if github is None:
        return lambda: None
    watch = TokenWatch(
        store, clock, github, token=settings.github.token, admins=settings.wecom.admin_users, on_texts=on_texts
    )
    return watch.look


def _sender(settings: Settings, store: Store, clock: Clock, transport: Transport) -> Callable[[], float]:
    """Return the outbox's turn; without WeCom what is owed to members waits for a daemon that has it."""
    return Outbox(store, clock, _wecom(settings, transport, clock)).turn if settings.has_bot else lambda: IDLE_S


def _wecom(settings: Settings, transport: Transport, clock: Clock) -> WeComClient:
    options = settings.wecom
    return WeComClient(
        transport,
        clock,
        api_base=options.api_base,
        corp_id=options.corp_id,
        secret=options.secret,
        agent_id=options.agent_id,
    )


def _missing(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return, for each part that a member can ask for, the options that are not given."""

    def lacking(keys: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(key for key in keys if not _given(settings, key))

    return {"mirror": () if settings.engine else checks.mirror_missing(lacking), "upload": lacking(checks.UPLOAD)}


def _given(settings: Settings, key: str) -> bool:
    section, _, option = key.partition(".")
    return bool(getattr(getattr(settings, section), option))

"""Build the upload side of the bot: its threads, the course of a job, download and bucket. Floor: daemon."""

from __future__ import annotations

import random
import threading
import uuid

from wxsync.clock import Clock
from wxsync.daemon.outbound import Outbound
from wxsync.jobs.ledger import Ledger
from wxsync.jobs.progress import Progress
from wxsync.jobs.upload.course import OpenSource, Tools, UploadCourse
from wxsync.jobs.upload.leftovers import LOOK_S, Leftovers
from wxsync.jobs.upload.off import SwitchedOff
from wxsync.jobs.upload.origins import Origins
from wxsync.jobs.upload.threads import UploadThreads
from wxsync.jobs.upload.transfer import Transfer
from wxsync.options.settings import Settings
from wxsync.remote.download.download import Downloads
from wxsync.remote.download.names import extension
from wxsync.remote.qingstor.bucket import Bucket
from wxsync.remote.qingstor.place import Place
from wxsync.remote.qingstor.signing import Key
from wxsync.store.spool import Spool
from wxsync.store.store import Store

GRACE_S = 120.0  # for what a job does after its deadline: its open part ends, the upload is dropped


def upload_threads(
    settings: Settings,
    store: Store,
    ledger: Ledger,
    clock: Clock,
    *,
    spool: Spool,
    outbound: Outbound,
    progress: Progress,
) -> UploadThreads:
    """Return the threads that upload; without QingStor's keys they only end what is left from before."""
    options = settings.upload
    if not settings.has_upload:
        return UploadThreads(
            clock, SwitchedOff(ledger, clock).run, workers=1, busy_s=GRACE_S, sweep=lambda *_: LOOK_S
        )

    def fetch(url: str, stop: threading.Event, left_s: float) -> OpenSource:
        downloads = Downloads(
            outbound.downloads.session, clock, max_bytes=options.max_bytes, min_rate=options.min_rate, deadline_s=left_s
        )
        return downloads.open(url, stop)

    transfer = _transfer(settings, clock, outbound)
    leftovers = Leftovers(store, clock, lambda key, upload_id, stop: transfer.clean_up(key, upload_id, stop=stop))
    course = UploadCourse(
        Tools(
            store=store,
            ledger=ledger,
            clock=clock,
            origin=Origins(store, spool, fetch),
            transfer=transfer,
            leftovers=leftovers,
            progress=progress,
            new_key=lambda name: f"{uuid.uuid4()}{extension(name)}",
            bucket=settings.qingstor.bucket,
            deadline_s=options.deadline,
        )
    )
    return UploadThreads(
        clock, course.run, workers=settings.jobs.upload_workers, busy_s=options.deadline + GRACE_S, sweep=leftovers.turn
    )


def _transfer(settings: Settings, clock: Clock, outbound: Outbound) -> Transfer:
    place, options = settings.qingstor, settings.upload
    return Transfer(
        Bucket(
            Place(place.endpoint, place.bucket, place.zone),
            Key(place.access_key_id, place.secret_access_key),
        ),
        outbound.qingstor.session,
        clock,
        workers=options.workers,
        part_size=options.part_size,
        link_days=place.link_days,
        rng=random.random,
    )

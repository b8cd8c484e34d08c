"""Bring a file to QingStor, leave nothing behind when that fails, and make the link to it. Floor: jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from wxsync.clock import Clock
from wxsync.errors import WxsyncError
from wxsync.jobs.upload.asking import Asker
from wxsync.jobs.upload.intake import Source
from wxsync.jobs.upload.storing import Order, Storing, Transferred
from wxsync.jobs.upload.traces import Trace, Traces
from wxsync.log.logger import logger
from wxsync.remote.exchange import Session
from wxsync.remote.qingstor.bucket import Bucket
from wxsync.remote.qingstor.faults import QingStorFault
from wxsync.remote.stop import Stopped

LOG = logger("jobs.upload")
STOPPED_SWEEP_S = 0.7  # of the 2 s in which a stop must be obeyed; what is left then stands in the log and the store
SWEEP_S = 60.0
LINK_S = 20.0  # to find out which link opens; after it the one that opens in any case is given


@dataclass(frozen=True)
class Link:
    """Where members find the file. until: when the link ends; None: never. A url that ends is secret."""

    url: str = field(repr=False)
    until: datetime | None


class Transfer:
    """Uploads to one bucket; several threads may use it at a time, each for another key."""

    def __init__(
        self, bucket: Bucket, sessions: Callable[[threading.Event], Session], clock: Clock, *, workers: int,
        part_size: int, link_days: int, rng: Callable[[], float],
    ) -> None:
        """sessions: a session that goes the direct way and heeds the event. rng: numbers from 0 to below 1."""
        self._bucket = bucket
        self._sessions = sessions
        self._clock = clock
        self._workers = workers
        self._part_size = part_size
        self._link_days = link_days
        self._rng = rng

    def run(
        self, source: Source, key: str, *, content_type: str, disposition_name: str, left_s: float,
        stop: threading.Event, on_upload_id: Callable[[str], None], on_progress: Callable[[int], None],
    ) -> Transferred:
        """Store what the source gives under the key; at the end every thread of it has ended.

        left_s: after so long every call to QingStor fails; what is left there then is still taken away.
        on_upload_id: gets the id before the first part is sent, and "" when an upload that failed is known to be gone;
        with a file of one part it is not called. on_progress: gets the bytes that came in so far, in this thread.
        Raises the source's own errors, QingStorFault, Stopped within 2 s after stop was set. After any of them no
        upload is open and no object is there, or the log names the upload and `clean_up` has to be called later. An
        upload that fails while the source is read is noticed when that read returns.
        """
        order = Order(source, key, content_type, disposition_name, on_upload_id, on_progress)
        askers = partial(self._asker, until=self._clock.monotonic() + left_s)
        with askers(stop) as asker:
            storing = Storing(self._bucket, asker, askers, order, workers=self._workers,
                              part_size=self._part_size, stop=stop)
            is_stored = False
            try:
                stored = storing.run()
                is_stored = True
            finally:
                if not is_stored:
                    self._leave(storing.traces, stop, on_upload_id)
        return stored

    def link(self, key: str, *, stop: threading.Event) -> Link:
        """Return the plain link when anybody can read the object, else a presigned one.

        What cannot be found out, within a stop's bound too, is no failure of an upload that is done: the presigned
        link opens in any case.
        """
        with self._asker(stop, self._clock.monotonic() + LINK_S) as asker:
            try:
                if asker.ask(self._bucket.is_public(key)):
                    return Link(self._bucket.public_url(key), None)
            except (QingStorFault, Stopped) as fault:
                LOG.warning("public access not known, presigned link given", key=key, reason=fault.what)
        until = (self._clock.now() + timedelta(days=self._link_days)).replace(microsecond=0)
        return Link(self._bucket.presigned_url(key, until), until)

    def clean_up(self, key: str, upload_id: str = "", *, stop: threading.Event) -> None:
        """After a crash: drop that upload, without an id all of exactly this key, and the object.

        Harmless twice. Raises QingStorFault when QingStor does not let it within SWEEP_S, Stopped.
        """
        maybe = {Trace.OBJECT} if upload_id else {Trace.OBJECT, Trace.UPLOAD}
        with self._asker(stop, self._clock.monotonic() + SWEEP_S) as asker:
            Traces(key, upload_id, maybe).sweep(self._bucket, asker)

    @contextmanager
    def _asker(self, stop: threading.Event, until: float | None = None) -> Iterator[Asker]:
        with closing(self._sessions(stop)) as session:
            yield Asker(self._bucket, session, self._clock, stop, self._rng, until=until)

    def _leave(self, traces: Traces, stop: threading.Event, on_upload_id: Callable[[str], None]) -> None:
        """Take away what a failed upload left; a stop meanwhile makes it hurry."""
        had_id = bool(traces.upload_id)
        try:
            if stop.is_set():
                self._sweep(traces, threading.Event(), STOPPED_SWEEP_S)
            else:
                try:
                    self._sweep(traces, stop, SWEEP_S)
                except Stopped:
                    self._sweep(traces, threading.Event(), STOPPED_SWEEP_S)
        except WxsyncError as fault:
            event = "multipart upload left open" if traces.has_upload else "object left behind"
            LOG.error(event, key=traces.key, upload=traces.upload_id, reason=str(fault))
        else:
            if had_id:
                on_upload_id("")

    def _sweep(self, traces: Traces, stop: threading.Event, limit_s: float) -> None:
        with self._asker(stop, self._clock.monotonic() + limit_s) as asker:
            traces.sweep(self._bucket, asker)

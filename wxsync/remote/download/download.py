"""Downloads: a link becomes a stream of bytes with a name, bounded, watched, resumed. Floor: remote."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Callable

from wxsync.clock import Clock
from wxsync.errors import Bug
from wxsync.log.logger import logger
from wxsync.remote.broken import Break, BrokenExchange
from wxsync.remote.download.coding import CODINGS, Decoder, Undecodable
from wxsync.remote.download.fault import DownloadFault, Kind
from wxsync.remote.download.fetch import PAUSES_S, Fetch, Fetched, fault_of
from wxsync.remote.download.names import file_name
from wxsync.remote.download.rate import RateWatch
from wxsync.remote.download.version import version_of
from wxsync.remote.exchange import Session

LOG = logger("remote.download")
MAX_RESUMES = 5
CODING_BYTES = 1 << 20  # what a coding may add to a file that just fits


class Downloads:
    """Opens downloads. Any thread may call.

    sessions: makes a session that ends by the event it is given. max_bytes: of the file, decoded; min_rate: bytes a
    second, judged over a minute; deadline_s: for each download, from its opening.
    """

    def __init__(
        self,
        sessions: Callable[[threading.Event], Session],
        clock: Clock,
        *,
        max_bytes: int,
        min_rate: float,
        deadline_s: float,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._max_bytes = max_bytes
        self._min_rate = min_rate
        self._deadline_s = deadline_s

    def open(self, url: str, stop: threading.Event) -> Download:
        """Return the download when its answer has begun; it must be closed.

        Raises DownloadFault, also for a link that is no URL and for a file that is announced as too large, and
        Stopped within a second after stop was set, as does everything else of the download.
        """
        with ExitStack() as on_failure:
            session = self._sessions(stop)
            on_failure.callback(session.close)
            fetch = Fetch(url, session, self._clock, stop, self._clock.monotonic() + self._deadline_s)
            download = Download(fetch, session, self._clock, max_bytes=self._max_bytes, min_rate=self._min_rate)
            on_failure.pop_all()
        return download


class Download:
    """One file that is being read, by one thread.

    name: as chosen for people; length: bytes in all, None when not announced; received: bytes given so far;
    shown_url: where it comes from, without query.
    """

    def __init__(self, fetch: Fetch, session: Session, clock: Clock, *, max_bytes: int, min_rate: float) -> None:
        self.received = 0
        self._came = 0  # bytes as sent: a coding may make them more than they mean, without end
        self._session = session
        self._clock = clock
        self._max_bytes = max_bytes
        self._min_rate = min_rate
        self._watch = RateWatch(min_rate)
        fetched = fetch.get()
        answer = fetched.answer
        self._body = _Body(fetch, fetched)
        self._url = fetched.url
        self.shown_url = fetched.url.shown
        self.name = file_name(answer.header("Content-Disposition"), fetched.url.target)
        coding = self._body.version.coding
        if coding and coding not in CODINGS:
            raise self._fault(Kind.BAD_ANSWER, "unknown content coding")
        if (answer.length or 0) > max_bytes:
            raise self._fault(Kind.TOO_LARGE, "announced as too large", limit=max_bytes)
        self.length = None if coding else answer.length
        self._readinto = Decoder(coding, self._watched).readinto if coding else self._watched
        LOG.info("download begun", call=self.shown_url, length=self.length or "not announced", coding=coding or "none")

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with what comes next and return how many bytes, 0 at the file's sound end.

        Raises DownloadFault: CHANGED when the origin has another version by now, then a fresh start may help.
        """
        if not buffer:
            raise Bug("a download is read into no buffer", where=self.shown_url)
        # One byte more than may come tells a file that is too large from one that just fits.
        room = buffer[: self._max_bytes - self.received + 1]
        try:
            count = self._readinto(room)
        except Undecodable as error:
            raise self._fault(Kind.BAD_ANSWER, str(error)) from error
        self.received += count
        if self.received > self._max_bytes:
            raise self._fault(Kind.TOO_LARGE, "too large", limit=self._max_bytes)
        return count

    def close(self) -> None:
        """Let go of the connection, whatever is left to read."""
        self._session.close()

    def _watched(self, buffer: memoryview) -> int:
        started = self._clock.monotonic()
        try:
            count = self._body.readinto(buffer)
        except BrokenExchange as cause:
            kind = {Break.SILENT: Kind.SLOW, Break.ENDED: Kind.CUT_SHORT}.get(cause.cause)
            if kind is None:
                raise fault_of(cause, self._url) from cause
            raise self._fault(kind, cause.what, limit=self._slow_limit(kind)) from cause
        self._came += count
        if self._came > self._max_bytes + CODING_BYTES:
            raise self._fault(Kind.TOO_LARGE, "too large", limit=self._max_bytes)
        if self._watch.is_too_slow(self._clock.monotonic() - started, count):
            raise self._fault(Kind.SLOW, "too slow", limit=self._slow_limit(Kind.SLOW))
        return count

    def _slow_limit(self, kind: Kind) -> int:
        return int(self._min_rate) if kind is Kind.SLOW else 0

    def _fault(self, kind: Kind, what: str, *, limit: int = 0) -> DownloadFault:
        where = f"GET {self.shown_url}"
        return DownloadFault(kind, what, where=where, host=self._url.host, limit=limit)


class _Body:
    """The bytes as sent, over as many answers as it takes."""

    def __init__(self, fetch: Fetch, fetched: Fetched) -> None:
        self.version = version_of(fetched.answer)
        self._fetch = fetch
        self._fetched = fetched
        self._total = self.version.total
        self._got = 0
        self._resumes = 0

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with what comes next; 0 at the sound end. A broken transfer is taken up where it broke."""
        while True:
            try:
                return self._read(buffer)
            except BrokenExchange as cause:
                self._resume(cause)

    def _read(self, buffer: memoryview) -> int:
        count = self._fetched.answer.readinto(buffer)
        self._got += count
        where = f"GET {self._fetched.url.shown}"
        if not count and self._got < (self._total or 0):  # an answer to a range may be shorter than what was asked
            raise BrokenExchange(Break.ENDED, "answer cut short", where=where)
        if self._total is not None and self._got > self._total:
            raise BrokenExchange(Break.UNSOUND, "more than announced", where=where)
        return count

    def _resume(self, cause: BrokenExchange) -> None:
        """Ask for the rest; raise the cause when there is no telling that it would be of the same version."""
        is_sure = not self._got or self.version.validator
        if cause.cause not in (Break.ENDED, Break.SILENT) or not is_sure or self._resumes == MAX_RESUMES:
            raise cause
        self._fetched.answer.close()
        if self._resumes:
            self._fetch.pause(PAUSES_S[min(self._resumes, len(PAUSES_S)) - 1], fault_of(cause, self._fetched.url))
        self._resumes += 1
        LOG.info("download resumed", call=self._fetched.url.shown, at=self._got, why=cause.what)
        fields = (("Range", f"bytes={self._got}-"), ("If-Range", self.version.validator)) if self._got else ()
        self._fetched = self._fetch.get(*fields)
        total = self.version.goes_on(self._fetched.answer, self._got)
        if total is None:
            url = self._fetched.url
            raise DownloadFault(Kind.CHANGED, "another version than before", where=f"GET {url.shown}", host=url.host)
        self._total = total or None

"""Ask for a file: every redirect checked, a busy origin asked again. Floor: remote."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.log.logger import logger
from wxsync.remote.address import AddressRefused
from wxsync.remote.broken import Break, BrokenExchange
from wxsync.remote.download.fault import DownloadFault, Kind
from wxsync.remote.download.redirect import FOLLOWED, MAX_HOPS, NoWay, next_url
from wxsync.remote.exchange import Incoming, Request, Session
from wxsync.remote.retryafter import retry_after_s
from wxsync.remote.stop import Stopped
from wxsync.remote.url import Url, parse_url

LOG = logger("remote.download")
PAUSES_S = (1.0, 2.0, 4.0)  # between the tries, where the origin does not say how long
LONGEST_PAUSE_S = 300.0  # an origin that asks for more would hold a place among the few uploads side by side
QUICK_S = 10.0  # a try that failed after a longer wait is not repeated: the member waits for an answer
_OF_RANGES = (206, 412, 416)
_BUSY = (429, 502, 503, 504)
_KINDS = {404: Kind.NOT_FOUND, 410: Kind.NOT_FOUND, 401: Kind.DENIED, 403: Kind.DENIED, 407: Kind.DENIED,
          451: Kind.DENIED}  # fmt: skip
_BREAKS = {
    Break.TIMED_OUT: Kind.TIMED_OUT, Break.UNSOUND: Kind.BAD_ANSWER, Break.HANDSHAKE: Kind.TLS,
    Break.CERTIFICATE: Kind.TLS,
}  # fmt: skip


@dataclass(frozen=True)
class Fetched:
    """An answer after all redirects, and the URL that gave it."""

    url: Url
    answer: Incoming


class Fetch:
    """Asks for one link, once or again from an offset; one thread.

    Raises DownloadFault for all that ends the download, Stopped within a second after stop was set.
    """

    def __init__(self, link: str, session: Session, clock: Clock, stop: threading.Event, deadline: float) -> None:
        self._link = link
        self._session = session
        self._clock = clock
        self._stop = stop
        self._deadline = deadline

    def get(self, *fields: tuple[str, str]) -> Fetched:
        """Return the answer to a GET that brings bytes; a busy or unreachable origin is asked three times more.

        Its status is 200 or, when fields ask for a range, one that speaks of the range: 206, 412, 416.
        """
        for pause_s in PAUSES_S:
            started = self._clock.monotonic()
            try:
                return self._follow(fields)
            except _Again as again:
                asked_s = again.after_s
                is_slow = asked_s is None and self._clock.monotonic() - started > QUICK_S
                if is_slow or (asked_s or 0.0) > LONGEST_PAUSE_S:
                    raise again.fault from again
                LOG.info("origin asked again", call=again.fault.where, why=again.fault.what)
                self.pause(pause_s if asked_s is None else asked_s, again.fault)
        try:
            return self._follow(fields)
        except _Again as again:
            raise again.fault from again

    def pause(self, seconds: float, fault: DownloadFault) -> None:
        """Wait; raise the fault at once when the deadline comes first, Stopped when the stop does."""
        if self._clock.monotonic() + seconds >= self._deadline:
            raise fault
        if self._clock.wait(self._stop, seconds):
            raise Stopped("stopped", where=fault.where)

    def _follow(self, fields: tuple[tuple[str, str], ...]) -> Fetched:
        try:
            url = parse_url(self._link)
        except AddressRefused as refused:
            raise _refused(refused, "", where="link") from refused
        for _ in range(MAX_HOPS + 1):
            answer = self._open(url, fields)
            if answer.status not in FOLLOWED:
                self._check(url, answer, (200, *_OF_RANGES) if fields else (200,))
                return Fetched(url, answer)
            answer.close()
            url = self._next(url, answer)
        raise DownloadFault(Kind.BAD_REDIRECT, "too many redirects", where=_where(url), host=url.host)

    def _next(self, url: Url, answer: Incoming) -> Url:
        try:
            return next_url(url, answer.header("Location"))
        except NoWay as none:
            raise DownloadFault(
                Kind.BAD_REDIRECT, str(none), where=_where(url), host=url.host, status=answer.status) from none
        except AddressRefused as refused:
            raise _refused(refused, "", where=_where(url)) from refused

    def _open(self, url: Url, fields: tuple[tuple[str, str], ...]) -> Incoming:
        try:
            return self._session.open(Request("GET", url.text, fields), deadline=self._deadline)
        except AddressRefused as refused:
            raise _refused(refused, url.host, where=_where(url)) from refused
        except RemoteFault as cause:
            fault = fault_of(cause, url)
            if self._clock.monotonic() >= self._deadline:
                raise DownloadFault(Kind.TIMED_OUT, cause.what, where=fault.where, host=url.host) from cause
            if cause.temporary and (not cause.maybe_done or _is_ended(cause)):
                raise _Again(fault) from cause
            raise fault from cause

    def _check(self, url: Url, answer: Incoming, wanted: tuple[int, ...]) -> None:
        if answer.status in wanted:
            return
        answer.close()
        status = answer.status
        kind = Kind.BUSY if status in _BUSY else _KINDS.get(status, Kind.STATUS)
        fault = DownloadFault(kind, f"answered {status}", where=_where(url), host=url.host, status=status)
        if kind is Kind.BUSY:
            wanted_s = retry_after_s(answer.header("Retry-After"), date=answer.header("Date"), now=self._clock.now())
            raise _Again(fault, wanted_s)
        raise fault


class _Again(Exception):
    """This try failed by something that may pass."""

    def __init__(self, fault: DownloadFault, after_s: float | None = None) -> None:
        super().__init__(fault.what)
        self.fault = fault
        self.after_s = after_s


def fault_of(cause: RemoteFault, url: Url) -> DownloadFault:
    """Return the download's fault for one of connecting or of the answer's head."""
    kind = _BREAKS.get(cause.cause, Kind.UNREACHABLE) if isinstance(cause, BrokenExchange) else Kind.UNREACHABLE
    return DownloadFault(kind, cause.what, where=_where(url), host=url.host, mend=cause.mend)


def _is_ended(cause: RemoteFault) -> bool:
    return isinstance(cause, BrokenExchange) and cause.cause is Break.ENDED


def _refused(refused: AddressRefused, host: str, *, where: str) -> DownloadFault:
    return DownloadFault(Kind.ADDRESS_REFUSED, refused.what, where=where, host=refused.where or host,
                         verdict=refused.verdict, mend=refused.mend)


def _where(url: Url) -> str:
    return f"GET {url.shown}"

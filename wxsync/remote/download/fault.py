"""Why a download failed, told apart by what its member can do about it. Floor: remote, pure."""

from __future__ import annotations

import enum

from wxsync.errors import RemoteFault
from wxsync.remote.address import Verdict


class Kind(enum.Enum):
    """What is wrong; the value goes to logs."""

    NOT_FOUND = "not-found"  # 404, 410
    DENIED = "denied"  # 401, 403, 407, 451
    STATUS = "status"  # another status that no repetition changes
    BUSY = "busy"  # 429, 502, 503, 504 up to the last try
    UNREACHABLE = "unreachable"  # no connection, no such name, or no answer
    TLS = "tls"  # the certificate does not hold, or the handshake fails
    ADDRESS_REFUSED = "address-refused"  # not public, or no URL: verdict
    BAD_REDIRECT = "bad-redirect"  # nowhere, from https to http, or too many
    TOO_LARGE = "too-large"  # more than limit bytes
    SLOW = "slow"  # fewer than limit bytes a second
    TIMED_OUT = "timed-out"
    CUT_SHORT = "cut-short"  # broke off, and could not be resumed
    CHANGED = "changed"  # another file than the one that was begun
    BAD_ANSWER = "bad-answer"  # broken framing, an unknown coding, a body that does not decode


class DownloadFault(RemoteFault):
    """A download that failed for good. host: as the link or redirect names it; limit: bytes, or bytes a second."""

    def __init__(
        self,
        kind: Kind,
        what: str,
        *,
        where: str,
        host: str = "",
        status: int | None = None,
        limit: int = 0,
        verdict: Verdict | None = None,
        mend: str = "",
    ) -> None:
        super().__init__(what, where=where, mend=mend, status=status)
        self.kind = kind
        self.host = host
        self.limit = limit
        self.verdict = verdict

"""The instants that answers tell, and how long one asks to wait (RFC 9110 10.2.3). Floor: remote, pure."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_MAX_DATE_CHARS = 64


def retry_after_s(text: str | None, *, date: str | None, now: datetime | None = None) -> float | None:
    """Return Retry-After in seconds, None when it says nothing.

    A date is counted from the answer's own Date, so that two clocks that differ do no harm; without one from now, and
    it says nothing when that is not given either.
    """
    if text is None:
        return None
    if _SECONDS.fullmatch(text.strip()):
        return float(text)
    until, since = instant_of(text), instant_of(date) or now
    return None if until is None or since is None else max(0.0, (until - since).total_seconds())


def instant_of(text: str | None) -> datetime | None:
    """Return what a Date field means, None when it is none."""
    try:
        instant = parsedate_to_datetime((text or "")[:_MAX_DATE_CHARS])
    except (TypeError, ValueError, IndexError, OverflowError):  # 3.9: TypeError on no date; all: long numbers overflow
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)

"""How long an answer asks to wait (RFC 9110 10.2.3). Floor: remote, pure."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_MAX_DATE_CHARS = 64


def retry_after_s(text: str | None, *, date: str | None, now: datetime) -> float | None:
    """Return Retry-After in seconds, None when it says nothing.

    A date is counted from the answer's own Date, so that two clocks that differ do no harm; without one from now.
    """
    if text is None:
        return None
    if _SECONDS.fullmatch(text.strip()):
        return float(text)
    until = _instant(text)
    return None if until is None else max(0.0, (until - (_instant(date) or now)).total_seconds())


def _instant(text: str | None) -> datetime | None:
    try:
        instant = parsedate_to_datetime((text or "")[:_MAX_DATE_CHARS])
    except (TypeError, ValueError, IndexError):  # 3.9 raises TypeError on a text that is no date
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)

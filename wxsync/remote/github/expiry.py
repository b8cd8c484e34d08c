"""Read when a token ends, from the header that GitHub adds to every answer. Floor: remote, pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

HEADER = "GitHub-Authentication-Token-Expiration"
# Seen in two forms: "2026-02-01 08:00:00 UTC" and "2026-02-01 08:00:00 +0800".
FORM = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}) (UTC|[+-][0-9]{4})", re.ASCII)


def read(text: str | None) -> datetime | None:
    """Return the instant, or None for a token that never ends and for a form that is not known."""
    match = FORM.fullmatch((text or "")[:64])
    if match is None:
        return None
    day, clock, zone = match.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{clock}")
    except ValueError:
        return None
    offset = timedelta()
    if zone != "UTC":
        offset = int(f"{zone[0]}1") * timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
    return at.replace(tzinfo=timezone.utc) - offset

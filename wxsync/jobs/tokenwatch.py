"""Warn the administrators before the GitHub token ends: 14, 7 and 1 days before, once each. Floor: jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Protocol

from wxsync.clock import Clock
from wxsync.jobs.replies import followups
from wxsync.log.logger import logger
from wxsync.store.store import Store

LOG = logger("jobs.tokenwatch")
FACT = "github token"
DAYS = (1, 7, 14)


class TellsExpiry(Protocol):
    """What has heard when the token ends: remote.github."""

    @property
    def token_expires(self) -> datetime | None:
        """Return when the token ends, None while that is unknown."""


@dataclass(frozen=True)
class _Known:
    """What the store remembers: of which token, its end, and the fewest days before it that were warned of."""

    token: str = ""
    expires: str = ""
    warned: int = 0


class TokenWatch:
    """Looks when the timer ticks; what an earlier process heard of the same token counts too."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        github: TellsExpiry,
        *,
        token: str,
        admins: Sequence[str],
        on_texts: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._github = github
        # Enough to tell one token from the next, far too little to find it.
        self._mark = hashlib.sha256(token.encode()).hexdigest()[:8]
        self._admins = tuple(admins)
        self._on_texts = on_texts

    def look(self) -> None:
        """Warn when a warning is due. Raises StoreFault."""
        known = self._known()
        heard = self._github.token_expires
        if heard is not None and heard.isoformat() != known.expires:
            known = _Known(self._mark, heard.isoformat())
            self._store.remember(FACT, _json(known))
        if not known.expires:
            return
        expires, now = datetime.fromisoformat(known.expires), self._clock.now()
        due = next((days for days in DAYS if expires - now <= timedelta(days=days)), 0)
        if not due or (known.warned and known.warned <= due):
            return
        text = followups.token_expires(self._clock.local(expires), expires - now)
        warned = _json(_Known(self._mark, known.expires, due))
        self._store.notify([(admin, text) for admin in self._admins], now, key=FACT, value=warned)
        LOG.warning("github token ends soon", expires=known.expires, days=due, told=len(self._admins))
        self._on_texts()

    def _known(self) -> _Known:
        text = self._store.fact(FACT)
        known = _Known(**json.loads(text)) if text else _Known()
        return known if known.token == self._mark else _Known()


def _json(known: _Known) -> str:
    return json.dumps(asdict(known))

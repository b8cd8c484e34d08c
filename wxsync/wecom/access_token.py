"""Keep one access token for all calls, and fetch the next one when it is needed. Floor: wecom."""

from __future__ import annotations

import threading
from urllib.parse import quote, urlencode

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.log.logger import logger
from wxsync.wecom.api import Api

LOG = logger("wecom.access_token")

EARLY_S = 300
MAX_CHARS = 2048  # WeCom says: up to 512 bytes
USUAL_LIFE_S = 7200


class AccessToken:
    """The token of one app. Any thread may call; while one fetches, the others wait for what it gets."""

    def __init__(self, api: Api, clock: Clock, *, corp_id: str, secret: str) -> None:
        self._api = api
        self._clock = clock
        self._query = urlencode({"corpid": corp_id, "corpsecret": secret})
        self._lock = threading.Lock()
        self._value = ""
        self._ends_at = 0.0

    def get(self) -> str:
        """Return a token for use in a query; raises ApiRefused or RemoteFault, never with `maybe_done`."""
        with self._lock:
            if not self._value or self._clock.monotonic() >= self._ends_at:
                self._fetch()
            return self._value

    def drop(self, failed: str) -> None:
        """Forget this token; when another thread has already fetched a newer one, that one stays."""
        with self._lock:
            if self._value == failed:
                self._value = ""

    def _fetch(self) -> None:
        self._value = ""
        began = self._clock.monotonic()
        try:
            answer = self._api.get("gettoken", self._query)
        except RemoteFault as fault:
            fault.maybe_done = False  # fetching a token twice does no harm
            raise
        value, life_s = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(value, str) or not 0 < len(value) <= MAX_CHARS:
            mend = "企业微信没有返回可用的凭证，稍后自动重试"
            raise RemoteFault("answer without an access token", where="WeCom gettoken", mend=mend, temporary=True)
        if not isinstance(life_s, int) or life_s <= 0:
            life_s = USUAL_LIFE_S
        self._value = quote(value, safe="")
        # A life too short for the usual margin is used up to its half, else every call would fetch anew.
        self._ends_at = began + max(life_s - EARLY_S, life_s / 2)
        LOG.info("access token fetched", life_s=life_s)

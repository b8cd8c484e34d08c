"""Send texts to members through WeCom's message API, and say what became of each. Floor: wecom."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Union

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.log.logger import logger
from wxsync.log.redaction import Redactor
from wxsync.remote.exchange import Transport
from wxsync.wecom.access_token import AccessToken
from wxsync.wecom.api import Api, ApiRefused
from wxsync.wecom.errcodes import Action
from wxsync.wecom.splitting import clean

LOG = logger("wecom.client")

# One userid: no list of them, no @all, nothing that JSON would have to escape.
MEMBER = re.compile(r"[^\x00-\x20\x7f@|\"\\\ud800-\udfff][^\x00-\x20\x7f|\"\\\ud800-\udfff]{0,127}")
BACKOFF_S = (5.0, 20.0, 60.0)
SLOW_S = 600.0  # between the tries after those: an answer may come late, but it comes
COOL_DOWN_S = 600.0
LIMIT_S = (60.0, 3600.0)
DUPLICATE_S = 1800  # as long as WeCom can compare


@dataclass(frozen=True)
class Delivered:
    """WeCom took the text. unreached: the members whom it named as invalid or without a licence; do not resend."""

    unreached: tuple[str, ...] = ()


@dataclass(frozen=True)
class Later:
    """This text should be sent again in so many seconds, with `attempt` one higher."""

    after_s: float
    reason: str


@dataclass(frozen=True)
class CoolingDown:
    """Nothing can be sent to anybody for so many seconds; it does not count as an attempt of this text."""

    after_s: float
    reason: str


@dataclass(frozen=True)
class GivenUp:
    """This text will never be delivered, or nobody can know whether it was."""

    reason: str


Delivery = Union[Delivered, Later, CoolingDown, GivenUp]


class WeComClient:
    """The message API of one app; never waits but for the network (at most 30 s a call). Any thread may call."""

    def __init__(
        self, transport: Transport, clock: Clock, *, api_base: str, corp_id: str, secret: str, agent_id: int
    ) -> None:
        self._redactor = Redactor([secret])
        self._api = Api(transport, api_base, self._redactor)
        self._token = AccessToken(self._api, clock, corp_id=corp_id, secret=secret)
        self._agent_id = agent_id
        self._pause = _Pause(clock)

    @property
    def trouble(self) -> str:
        """Why the last call failed, in Chinese, for the status page; "" once one has worked."""
        return self._pause.reason

    def send_text(self, member: str, text: str, *, attempt: int = 0, duplicate_check: bool = True) -> Delivery:
        """Send one text to one member and return what became of it; raises nothing of the remote side.

        attempt: how often this text was tried before. duplicate_check: the text carries its job number, so it is sent
        again after an unknown outcome and WeCom drops the second one; without it such a text is given up.
        """
        if not MEMBER.fullmatch(member):
            return GivenUp("接收人 UserID 不正确")
        left_s = self._pause.left_s()
        if left_s > 0:
            return CoolingDown(left_s, self._pause.reason)
        try:
            answer = self._send(self._body(member, clean(text), duplicate_check))
        except ApiRefused as refused:
            return self._judge(refused, attempt)
        except RemoteFault as fault:
            return self._after_fault(fault, attempt, may_repeat=duplicate_check or not fault.maybe_done)
        self._pause.end()
        unreached = _names(answer)
        if unreached:
            LOG.warning("text not shown to everyone", unreached=",".join(unreached))
        return Delivered(unreached)

    def _body(self, member: str, text: str, duplicate_check: bool) -> Mapping[str, object]:
        body = {"touser": member, "msgtype": "text", "agentid": self._agent_id, "text": {"content": text}, "safe": 0}
        if duplicate_check:
            return {**body, "enable_duplicate_check": 1, "duplicate_check_interval": DUPLICATE_S}
        return {**body, "enable_duplicate_check": 0}

    def _send(self, body: Mapping[str, object]) -> Mapping[str, object]:
        """Send with the present token, and once more with the next one when WeCom has voided it."""
        token = self._token.get()
        try:
            return self._api.post("message/send", f"access_token={token}", body)
        except ApiRefused as refused:
            if refused.action is Action.COOL_DOWN:  # the token may be another app's: the next try begins from scratch
                self._token.drop(token)
            if refused.action is not Action.RENEW:
                raise
        self._token.drop(token)
        return self._api.post("message/send", f"access_token={self._token.get()}", body)

    def _judge(self, refused: ApiRefused, attempt: int) -> Delivery:
        """Do what the table of error codes says."""
        reason = refused.mend
        write = LOG.error if refused.action is Action.COOL_DOWN else LOG.warning
        write("call refused", call=refused.where, errcode=refused.errcode, action=refused.action.name, hint=reason)
        if refused.action is Action.COOL_DOWN:
            return self._pause.begin(COOL_DOWN_S, reason)
        if refused.action is Action.WAIT:
            return self._pause.begin_limit(reason)
        if refused.action is Action.GIVE_UP:
            return GivenUp(reason)
        if refused.action is not Action.RETRY and attempt >= len(BACKOFF_S):
            return GivenUp(reason)
        self._pause.note(reason)
        return Later(_backoff_s(attempt), reason)

    def _after_fault(self, fault: RemoteFault, attempt: int, *, may_repeat: bool) -> Delivery:
        reason = self._redactor.text(f"访问企业微信接口失败：{fault.mend or fault.what}")
        LOG.warning("call failed", call=fault.where, what=fault.what, maybe_done=fault.maybe_done)
        if not may_repeat:
            return GivenUp(f"{reason}（不知道是否已送达，没有重发）")
        if not fault.temporary:
            return self._pause.begin(COOL_DOWN_S, reason)
        self._pause.note(reason)
        return Later(max(_backoff_s(attempt), fault.retry_after_s or 0.0), reason)


class _Pause:
    """The time in which nothing is sent to anybody, and the last trouble. Any thread may call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._limits = 0  # rate limits met since the last success
        self.reason = ""

    def left_s(self) -> float:
        """Return how many seconds are left, 0 or less for none."""
        return self._until - self._clock.monotonic()

    def begin(self, seconds: float, reason: str) -> CoolingDown:
        """Let nothing be sent for so long."""
        with self._lock:
            self._until = self._clock.monotonic() + seconds
            self.reason = reason
        return CoolingDown(seconds, reason)

    def begin_limit(self, reason: str) -> CoolingDown:
        """Wait for a rate limit to be over: a tripped one blocks for a minute, else for an hour or the day."""
        with self._lock:
            seconds = LIMIT_S[min(self._limits, len(LIMIT_S) - 1)]
            self._limits += 1
        return self.begin(seconds, reason)

    def note(self, reason: str) -> None:
        """Keep a trouble that concerns one text."""
        with self._lock:
            self.reason = reason

    def end(self) -> None:
        """Forget all trouble: a call has worked."""
        with self._lock:
            self._until, self._limits, self.reason = 0.0, 0, ""


def _backoff_s(attempt: int) -> float:
    return BACKOFF_S[attempt] if attempt < len(BACKOFF_S) else SLOW_S


def _names(answer: Mapping[str, object]) -> tuple[str, ...]:
    """Return the members whom a successful answer names as not reached; the fields are null or missing at times."""
    listed = (str(answer.get(field) or "") for field in ("invaliduser", "unlicenseduser"))
    return tuple(name for names in listed for name in names[:1000].split("|") if name)

"""WeCom's message API as its servers answer it: gettoken and message/send. Floor: sandbox."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable

from wxsync.sandbox.server import Answer, Request, json_answer
from wxsync.sandbox.wecom.chats import Chats
from wxsync.sandbox.wecom.crypto import Identity, random_text
from wxsync.sandbox.wecom.tokens import Tokens

MAX_TEXT = 2048  # bytes shown of a text
DUPLICATE_S, LONGEST_DUPLICATE_S = 1800, 4 * 3600
# A backslash-u escape, not one whose backslash is itself escaped.
_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u[0-9a-fA-F]{4}")

MESSAGES = {
    0: "ok", 40001: "invalid credential", 40003: "invalid userid", 40008: "invalid message type",
    40013: "invalid corpid", 40014: "invalid access_token", 40033: "invalid request, \\uXXXX escapes are refused",
    40056: "invalid agentid", 41001: "access_token missing", 42001: "access_token expired",
    44004: "content is empty", 45002: "content size out of limit", 47001: "data format error",
    81013: "user & party & tag all invalid", 82001: "all touser & toparty & totag are empty",
    301002: "not allow to operate another agent with this accesstoken",
}


class Refusal(Exception):
    """An errcode other than 0."""

    def __init__(self, errcode: int, errmsg: str = "") -> None:
        super().__init__(errcode)
        self.errcode = errcode
        self.errmsg = errmsg


class Api:
    """Answers the API calls and puts what is sent into the chats; any thread may call.

    members: those who exist, empty for everyone. trusted: False makes message/send answer 60020 with untrusted_ip.
    per_minute, per_hour: what a member gets from the app in that time; more is dropped silently, with errcode 0.
    """

    def __init__(self, identity: Identity, chats: Chats, now: Callable[[], float]) -> None:
        self.members: frozenset[str] = frozenset()
        self.trusted = True
        self.untrusted_ip = "203.0.113.7"
        self.per_minute, self.per_hour = 30, 1000
        self.dropped: list[tuple[str, str]] = []
        self.tokens = Tokens(now)
        self._identity = identity
        self._chats = chats
        self._now = now
        self._lock = threading.Lock()
        self._sent_before: dict[bytes, tuple[float, dict[str, object]]] = {}
        self._sent_at: dict[str, deque[float]] = {}

    def void_token(self, errcode: int = 40014) -> None:
        """End the present access token before its time."""
        with self._lock:
            self.tokens.void(errcode)

    def respond(self, request: Request) -> Answer:
        """Answer one call; WeCom says 200 to everything and means the errcode."""
        try:
            with self._lock:
                if request.path == "/cgi-bin/gettoken":
                    return json_answer(_ok(self._gettoken(request)))
                if request.path == "/cgi-bin/message/send" and request.method == "POST":
                    return json_answer(_ok(self._send(request)))
        except Refusal as refusal:
            message = refusal.errmsg or f"{MESSAGES[refusal.errcode]}, hint: [{random_text(23)}]"
            return json_answer({"errcode": refusal.errcode, "errmsg": message})
        return json_answer({"errcode": 40066, "errmsg": "invalid url"}, 404)

    def _gettoken(self, request: Request) -> dict[str, object]:
        if request.arg("corpid") != self._identity.corp_id:
            raise Refusal(40013)
        if request.arg("corpsecret") != self._identity.secret:
            raise Refusal(40001)
        token, expires_in = self.tokens.get()
        return {"access_token": token, "expires_in": expires_in}

    def _send(self, request: Request) -> dict[str, object]:
        token = request.arg("access_token")
        if not token:
            raise Refusal(41001)
        if errcode := self.tokens.fault(token):
            raise Refusal(errcode)
        if not self.trusted:
            raise Refusal(60020, f"not allow to access from your ip, hint: [{random_text(23)}], "
                                 f"from ip: {self.untrusted_ip}, more info at https://open.work.weixin.qq.com/devtool")
        body = _body(request)
        self._check_agent(body.get("agentid"))
        text = _text(body)
        known, unknown = self._recipients(body.get("touser"))
        answer: dict[str, object] = {"invaliduser": "|".join(unknown), "invalidparty": "", "invalidtag": "",
                                     "unlicenseduser": "", "msgid": random_text(64)}
        if body.get("enable_duplicate_check") == 1 and (earlier := self._repeated(request.body, body, answer)):
            return earlier
        for member in known:
            self._show(member, text, str(body["msgtype"]))
        return answer

    def _check_agent(self, agent_id: object) -> None:
        if not isinstance(agent_id, int) or isinstance(agent_id, bool):
            raise Refusal(40056)
        if agent_id != self._identity.agent_id:
            raise Refusal(301002)

    def _recipients(self, to_user: object) -> tuple[list[str], list[str]]:
        names = [name for name in str(to_user or "").split("|") if name]
        if not names:
            raise Refusal(82001)
        if not self.members:
            return names, []
        existing = {member.casefold() for member in self.members}
        known = sorted(self.members) if names == ["@all"] else [n for n in names if n.casefold() in existing]
        if not known:
            raise Refusal(81013)
        return known, [] if names == ["@all"] else [n.lower() for n in names if n.casefold() not in existing]

    def _repeated(self, raw: bytes, body: dict[str, object], answer: dict[str, object]) -> dict[str, object] | None:
        """Return the earlier answer when this very request was taken within its interval, else remember it."""
        interval = body.get("duplicate_check_interval", DUPLICATE_S)
        interval_s = min(interval, LONGEST_DUPLICATE_S) if isinstance(interval, int) else DUPLICATE_S
        oldest = self._now() - LONGEST_DUPLICATE_S
        self._sent_before = {key: value for key, value in self._sent_before.items() if value[0] > oldest}
        earlier = self._sent_before.get(raw)
        if earlier and self._now() - earlier[0] < interval_s:
            return earlier[1]
        self._sent_before[raw] = (self._now(), answer)
        return None

    def _show(self, member: str, text: str, kind: str) -> None:
        now = self._now()
        times = self._sent_at.setdefault(member.casefold(), deque(maxlen=self.per_hour))
        last_minute = sum(1 for at in times if at > now - 60)
        last_hour = sum(1 for at in times if at > now - 3600)
        if last_minute >= self.per_minute or last_hour >= self.per_hour:
            self.dropped.append((member, text))
            return
        times.append(now)
        self._chats.add(member, "app", text, kind=kind)


def _ok(fields: dict[str, object]) -> dict[str, object]:
    return {"errcode": 0, "errmsg": "ok", **fields}


def _body(request: Request) -> dict[str, object]:
    if _ESCAPE.search(request.body):
        raise Refusal(40033)
    try:
        body = request.json()
    except ValueError as cause:
        raise Refusal(47001) from cause
    if not isinstance(body, dict):
        raise Refusal(47001)
    return body


def _text(body: dict[str, object]) -> str:
    kind = body.get("msgtype")
    if not isinstance(kind, str) or kind not in ("text", "markdown"):
        raise Refusal(40008)
    part = body.get(kind)
    content = part.get("content") if isinstance(part, dict) else None
    if not isinstance(content, str) or not content:
        raise Refusal(44004)
    shown = content.encode("utf-8")
    if kind == "markdown" and len(shown) > MAX_TEXT:
        raise Refusal(45002)
    return shown[:MAX_TEXT].decode("utf-8", "ignore")

"""The whole WeCom stand-in: a member's phone on one side, the API on the other. Floor: sandbox."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable

from wxsync.sandbox.server import Server
from wxsync.sandbox.wecom import pushes
from wxsync.sandbox.wecom.api import Api
from wxsync.sandbox.wecom.chats import Chats, Entry
from wxsync.sandbox.wecom.courier import Attempt, Courier, Delivery
from wxsync.sandbox.wecom.crypto import Identity
from wxsync.sandbox.wecom.pushes import Push


class WeCom:
    """Ready when made; end it with `close`. now: epoch seconds, for CreateTime, token life and duplicates."""

    def __init__(
        self, identity: Identity | None = None, *, members: Iterable[str] = (), now: Callable[[], float] = time.time,
        answer_within_s: float = 5.0, repeats: int = 3, pause_s: float = 1.0, fresh_ciphertext: bool = True,
    ) -> None:
        self.identity = identity or Identity.random()
        self.chats = Chats(now)
        self.api = Api(self.identity, self.chats, now)
        self.api.members = frozenset(members)
        self.server = Server(self.api.respond)
        self._now = now
        self._courier = Courier(self.identity, now=now, answer_within_s=answer_within_s, repeats=repeats,
                                pause_s=pause_s, fresh_ciphertext=fresh_ciphertext)

    @property
    def url(self) -> str:
        """The value for wecom.api_base."""
        return self.server.url

    def call_at(self, callback_url: str) -> None:
        """Set where callbacks go, without verifying it."""
        self._courier.callback_url = callback_url

    def verify(self) -> Attempt:
        """Do the URL verification; ValueError when the answer is not exactly the echoed text."""
        plain = str(secrets.randbelow(9 * 10**18) + 10**18)
        attempt = self._courier.verify(plain)
        if attempt.status != 200 or attempt.body != plain.encode("ascii"):
            raise ValueError(f"URL verification failed: {attempt}")
        return attempt

    def text(self, member: str, content: str) -> Push:
        """Make a text message without sending it."""
        return self._message(member, "text", {"Content": content})

    def send_text(self, member: str, content: str) -> Delivery:
        """Show a text in the member's chat, deliver it, and mark the bubble as sent or failed."""
        return self._send(self.text(member, content), content)

    def start_text(self, member: str, content: str) -> Entry:
        """As send_text, but return the bubble at once and deliver in a thread of its own."""
        push, entry = self._show(self.text(member, content), content)
        threading.Thread(target=self._carry, args=(push, entry), daemon=True).start()
        return entry

    def send_link(self, member: str, url: str, title: str = "分享的链接") -> Delivery:
        """Share a link to the app."""
        fields = {"Title": title, "Description": title, "Url": url, "PicUrl": ""}
        return self._send(self._message(member, "link", fields), url)

    def send_image(self, member: str) -> Delivery:
        """Send a picture, which the app has no use for."""
        fields = {"PicUrl": "https://wework.qpic.cn/wwpic/0", "MediaId": secrets.token_urlsafe(32)}
        return self._send(self._message(member, "image", fields), "[图片]")

    def send_event(self, member: str, name: str = "enter_agent", **fields: str) -> Delivery:
        """Send an event; nothing shows in the chat."""
        return self.deliver(self.event(member, name, **fields))

    def event(self, member: str, name: str = "enter_agent", **fields: str) -> Push:
        """Make an event without sending it."""
        return pushes.event(self.identity, member, int(self._now()), name, {"EventKey": "", **fields})

    def deliver(self, push: Push) -> Delivery:
        """Deliver a push, a second time too, as WeCom repeats one; the chat does not change."""
        return self._courier.deliver(push)

    def chat(self, member: str) -> list[Entry]:
        """Return the member's chat, oldest first."""
        return self.chats.of(member)

    def answers(self, member: str) -> list[str]:
        """Return the texts that the app sent to a member."""
        return [entry.text for entry in self.chat(member) if entry.is_answer]

    def wait_for(
        self, member: str, wanted: Callable[[Entry], bool], within_s: float = 10.0, after: int = 0
    ) -> Entry:
        """Return the first wanted answer with a number above `after`; NotSeen (an AssertionError) when too late."""
        return self.chats.wait_for(member, wanted, within_s, after)

    def refuse_next(self, path: str, errcode: int, times: int = 1, *, errmsg: str = "ordered", after: bool = False
                    ) -> None:
        """Let the API answer the next calls with an errcode; after: the call has its effect nevertheless."""
        body = json.dumps({"errcode": errcode, "errmsg": errmsg}).encode("ascii")
        self.server.fail_next(path, 200, times, body=body, after=after)

    def close(self) -> None:
        """End it."""
        self._courier.close()
        self.server.close()

    def _message(self, member: str, kind: str, fields: dict[str, str]) -> Push:
        return pushes.message(self.identity, member, int(self._now()), kind, fields)

    def _send(self, push: Push, shown: str) -> Delivery:
        return self._carry(*self._show(push, shown))

    def _show(self, push: Push, shown: str) -> tuple[Push, Entry]:
        return push, self.chats.add(push.member, "member", shown, state="sending", kind=push.kind)

    def _carry(self, push: Push, entry: Entry) -> Delivery:
        delivery = self.deliver(push)
        self.chats.settle(push.member, entry.number, "sent" if delivery.is_accepted else "failed")
        return delivery

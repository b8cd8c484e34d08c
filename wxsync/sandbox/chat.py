"""The chat page in the browser, and the small JSON interface behind it that the demo uses too. Floor: sandbox."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from wxsync.sandbox.server import Answer, Request, Server, json_answer
from wxsync.sandbox.wecom.stand_in import WeCom

PAGE = Path(__file__).with_name("chat.html")
WORDS = {  # what the page says about who copies, by engine
    "actions": {
        "engine": "GitHub", "copying": "真实的接口形状；工作流运行是模拟的，<strong>没有真正拷贝镜像</strong>",
        "cast": "这是演示：企业微信、GitHub 和对象存储都由本机替身扮演，镜像没有真正拷贝。",
    },
    "local": {
        "engine": "镜像仓库", "copying": "守护进程真的把镜像从一个仓库复制到另一个；镜像是现做的，很小",
        "cast": "这是演示：企业微信、镜像仓库和对象存储都由本机替身扮演，镜像真的在两个仓库之间复制。",
    },
}
LONGEST_POLL_S = 20.0
SHOWN = 300  # newest bubbles that the page gets
MAX_TEXT = 64 << 10
# The page is one file: nothing may be fetched but its own interface.
POLICY = ("default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
          "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")


class Chat:
    """Serves one member's chat. Ready when made; end it with `close`."""

    def __init__(
        self, wecom: WeCom, member: str, *, engine: str = "local", host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.member = member
        self._wecom = wecom
        text = PAGE.read_text(encoding="utf-8")
        for place, words in WORDS[engine].items():
            text = text.replace(f"{{{{{place}}}}}", words)
        self._page = text.encode("utf-8")
        self.server = Server(self._respond, host=host, port=port)

    @property
    def url(self) -> str:
        """The page's address."""
        return self.server.url + "/"

    def close(self) -> None:
        """End it."""
        self.server.close()

    def _respond(self, request: Request) -> Answer:
        calls = {
            ("GET", "/"): self._show_page,
            ("GET", "/api/chat"): self._show_chat,
            ("POST", "/api/messages"): self._send,
            ("PUT", "/api/callback"): self._set_callback,
        }
        call = calls.get((request.method, request.path))
        return call(request) if call else json_answer({"error": "没有这个页面"}, 404)

    def _show_page(self, _request: Request) -> Answer:
        headers = (("Content-Security-Policy", POLICY), ("Cache-Control", "no-store"),
                   ("X-Content-Type-Options", "nosniff"))
        return Answer(200, self._page, "text/html; charset=utf-8", headers)

    def _show_chat(self, request: Request) -> Answer:
        """Answer when the chat differs from version `since`, or after `wait` seconds."""
        since, wait = request.arg("since"), request.arg("wait", "0")
        wait_s = min(float(wait), LONGEST_POLL_S) if re.fullmatch("[0-9]{1,3}", wait) else 0.0
        version = self._wecom.chats.wait_change(int(since) if re.fullmatch("[0-9]{1,15}", since) else -1, wait_s)
        entries = [asdict(entry) for entry in self._wecom.chat(self.member)[-SHOWN:]]
        return json_answer({"version": version, "member": self.member, "entries": entries})

    def _send(self, request: Request) -> Answer:
        text = _field(request, "text")
        if not text or len(text) > MAX_TEXT:
            return json_answer({"error": "消息是空的或太长"}, 400)
        return json_answer({"number": self._wecom.start_text(self.member, text).number}, 202)

    def _set_callback(self, request: Request) -> Answer:
        """Do what saving the callback settings in the admin console does: verify the URL, then use it."""
        self._wecom.call_at(_field(request, "url"))
        try:
            self._wecom.verify()
        except ValueError as cause:
            return json_answer({"error": str(cause)}, 502)
        return json_answer({})


def _field(request: Request, name: str) -> str:
    # A page of another site can only send text/plain without asking first, so JSON is demanded.
    if not request.headers.get("content-type", "").startswith("application/json"):
        return ""
    try:
        body = request.json()
    except ValueError:
        return ""
    value = body.get(name) if isinstance(body, dict) else None
    return value.strip() if isinstance(value, str) else ""

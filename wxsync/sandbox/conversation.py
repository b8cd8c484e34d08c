"""Client of the chat page's JSON interface: set the callback, send, read what came in. Floor: sandbox."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from wxsync.sandbox.wecom.chats import Entry


class Unreachable(Exception):
    """The page's server gave no answer, or refused."""


@dataclass(frozen=True)
class Snapshot:
    """The chat at one version."""

    version: int
    entries: tuple[Entry, ...]


class Conversation:
    """One member's chat, seen from another process."""

    def __init__(self, page_url: str) -> None:
        self._address = urlsplit(page_url).netloc

    def set_callback(self, url: str, within_s: float) -> None:
        """Let the WeCom stand-in verify the callback URL and use it; Unreachable when that fails."""
        self._call("PUT", "/api/callback", {"url": url}, within_s)

    def send(self, text: str) -> int:
        """Send a message as the member; return its number in the chat."""
        return int(str(self._call("POST", "/api/messages", {"text": text}, 10.0)["number"]))

    def wait(self, version: int, wait_s: int) -> Snapshot:
        """Return the chat as soon as it differs from this version, or after whole seconds."""
        chat = self._call("GET", f"/api/chat?since={version}&wait={wait_s}", None, wait_s + 10.0)
        entries = chat["entries"]
        assert isinstance(entries, list)
        return Snapshot(int(str(chat["version"])), tuple(Entry(**entry) for entry in entries))

    def _call(self, method: str, path: str, body: object, within_s: float) -> dict[str, object]:
        connection = http.client.HTTPConnection(self._address, timeout=within_s)
        raw = None if body is None else json.dumps(body).encode("ascii")
        try:
            connection.request(method, path, raw, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as cause:
            raise Unreachable(repr(cause)) from cause
        finally:
            connection.close()
        value = json.loads(content)
        if answer.status >= 400 or not isinstance(value, dict):
            raise Unreachable(f"{method} {path}: {answer.status} {content.decode('utf-8', 'replace')}")
        return value

"""The other host that job logs are fetched from: short-lived links, and no token may ever arrive. Floor: sandbox."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from wxsync.sandbox.server import Answer, Request, Server

LINK_S = 60.0
MAX_LINKS = 1000


class LogHost:
    """Its own listener. leaks: the paths that were asked for with an Authorization header."""

    def __init__(self, now: Callable[[], float], host: str) -> None:
        self.leaks: list[str] = []
        self._now = now
        self._lock = threading.Lock()
        self._links: dict[str, tuple[float, str]] = {}
        self.server = Server(self._respond, host=host)

    def link(self, text: str) -> str:
        """Return a URL under which the text can be fetched for a minute, without any header."""
        ticket = secrets.token_urlsafe(24)
        with self._lock:
            self._links[ticket] = (self._now() + LINK_S, text)
            for old in list(self._links)[:-MAX_LINKS]:
                del self._links[old]
        return f"{self.server.url}/job-logs.txt?sig={ticket}"

    def _respond(self, request: Request) -> Answer:
        with self._lock:
            if "authorization" in request.headers:
                self.leaks.append(request.target)
                return Answer(400, b"InvalidAuthenticationInfo", "text/plain")
            ends, text = self._links.get(request.arg("sig"), (0.0, ""))
        if self._now() >= ends:
            return Answer(403, b"AuthenticationFailed", "text/plain")
        return Answer(200, text.encode("utf-8"), "text/plain; charset=utf-8")

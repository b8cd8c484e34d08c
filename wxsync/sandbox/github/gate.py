"""What GitHub checks and adds around every call: token, User-Agent, rate limit, ETag. Floor: sandbox."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from wxsync.sandbox.github.answers import Refusal
from wxsync.sandbox.server import JSON, Answer, Request

WINDOW_S = 3600.0


class Gate:
    """The caller holds the lock; tests set the attributes.

    limit, left: the hourly rate limit and what is left of it. expires: the token's end as the header shows it
    ("2026-02-01 08:00:00 UTC"), empty for a token without one.
    """

    def __init__(self, token: str, now: Callable[[], float]) -> None:
        self.token = token
        self.expires = ""
        self.limit = self.left = 5000
        self._now = now
        self._resets = now() + WINDOW_S

    def check(self, request: Request) -> None:
        """Refuse a call without User-Agent, with a wrong token, or over the limit."""
        if not request.headers.get("user-agent"):
            raise Refusal(403, "Request forbidden by administrative rules. Please make sure your request has a "
                               "User-Agent header")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not scheme:
            raise Refusal(404, "Not Found")  # a private repository does not show itself
        if scheme.lower() not in ("bearer", "token") or token != self.token:
            raise Refusal(401, "Bad credentials")
        if request.headers.get("x-github-api-version", "2022-11-28") != "2022-11-28":
            raise Refusal(400, "Bad Request: the API version is not supported")
        if self._now() >= self._resets:
            self.left, self._resets = self.limit, self._now() + WINDOW_S
        if self.left <= 0:
            raise Refusal(403, "API rate limit exceeded")

    def finish(self, request: Request, answer: Answer) -> Answer:
        """Add the headers of every answer; 304 when the caller has it already, which costs nothing of the limit."""
        headers = answer.headers
        if request.method == "GET" and answer.status == 200 and answer.content_type == JSON:
            tag = f'W/"{hashlib.sha256(answer.body).hexdigest()}"'
            headers += (("ETag", tag),)
            if tag in request.headers.get("if-none-match", ""):
                answer = Answer(304)
        if answer.status not in (304, 401):
            self.left = max(0, self.left - 1)
        headers += (
            ("X-RateLimit-Limit", str(self.limit)), ("X-RateLimit-Remaining", str(self.left)),
            ("X-RateLimit-Used", str(self.limit - self.left)), ("X-RateLimit-Reset", str(int(self._resets))),
            ("X-RateLimit-Resource", "core"), ("X-GitHub-Media-Type", "github.v3; format=json"),
        )
        if self.expires:
            headers += (("GitHub-Authentication-Token-Expiration", self.expires),)
        return replace(answer, headers=headers)

"""The forms of GitHub's answers: refusals, pages with a Link header, instants. Floor: sandbox."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from urllib.parse import urlencode

from wxsync.sandbox.server import Answer, Request, json_answer

Call = Callable[[Request, "re.Match[str]"], Answer]


class Refusal(Exception):
    """An answer of 4xx with GitHub's error body."""

    def __init__(self, status: int, message: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.headers = headers

    def answer(self) -> Answer:
        """Return it as an answer."""
        documentation = "https://docs.github.com/rest"
        body = {"message": self.message, "documentation_url": documentation, "status": str(self.status)}
        return json_answer(body, self.status, self.headers)


def instant(seconds: float) -> str:
    """Return epoch seconds as GitHub writes them: UTC, whole seconds."""
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def page(items: Sequence[object], request: Request, base: str) -> tuple[list[object], tuple[tuple[str, str], ...]]:
    """Return one page of the items as per_page (30, at most 100) and page ask, and the Link header's pair."""
    size = min(max(_number(request, "per_page", 30), 1), 100)
    number = max(_number(request, "page", 1), 1)
    shown = list(items[(number - 1) * size : number * size])
    last = max(1, -(-len(items) // size))
    if number >= last:
        return shown, ()
    others = [(key, value) for key, value in request.query if key != "page"]

    def link(to: int, rel: str) -> str:
        return f'<{base}{request.path}?{urlencode([*others, ("page", str(to))])}>; rel="{rel}"'

    return shown, (("Link", f"{link(number + 1, 'next')}, {link(last, 'last')}"),)


def json_object(request: Request) -> dict[str, object]:
    """Return the body as a JSON object or refuse."""
    try:
        body = request.json()
    except ValueError as cause:
        raise Refusal(400, "Problems parsing JSON") from cause
    if not isinstance(body, dict):
        raise Refusal(400, "Body should be a JSON object")
    return body


def _number(request: Request, name: str, default: int) -> int:
    value = request.arg(name)
    return int(value) if re.fullmatch("[0-9]{1,9}", value) else default

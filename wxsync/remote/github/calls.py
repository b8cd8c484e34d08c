"""One authorised call to GitHub's API and its checked answer. Floor: remote, pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from wxsync.errors import RemoteFault
from wxsync.remote.exchange import Request, Response, Transport
from wxsync.remote.github import expiry
from wxsync.remote.github.faults import GitHubFault, fault_of

API_VERSION = "2022-11-28"
REDIRECTS = 3
PAGES = 10


class Calls:
    """Knows the repository, the token and the headers; neither sleeps nor repeats a call. Any thread may call."""

    def __init__(self, transport: Transport, *, api_base: str, token: str, repo: str, branch: str) -> None:
        self._transport = transport
        self._root = f"{api_base.rstrip('/')}/repos/{repo}"
        self._token = token
        self.place = f"{repo}@{branch}"
        self.token_expires: datetime | None = None  # as the newest answer told

    def get(self, path: str, *, etag: str = "") -> Response:
        """GET below the repository; returns 200, or 304 when an etag was given. Raises GitHubFault."""
        fields = (("If-None-Match", etag),) if etag else ()
        return self._checked("GET", path, None, (200, 304) if etag else (200,), fields)

    def get_json(self, path: str) -> dict[str, Any]:
        """GET an object. Raises GitHubFault."""
        return self.object_of(self.get(path), path)

    def send_json(self, method: str, path: str, body: object, expected: tuple[int, ...]) -> Response:
        """PUT or POST; returns one of the expected statuses. Raises GitHubFault."""
        return self._checked(method, path, json.dumps(body).encode(), expected, ())

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the objects of a listing's pages, following Link rel="next" on the same host."""
        for _ in range(PAGES):
            response = self.get(path)
            yield self.object_of(response, path)
            following = _next_page(response.header("Link") or "")
            if not following.startswith(self._root + "/"):
                return
            path = following[len(self._root) :]

    def log(self, path: str) -> Response:
        """GET a job's log. The redirect goes to another host, and is asked there without the token."""
        response = self._once("GET", self._root + path, None, ())
        if response.status in {302, 307}:
            target = urljoin(self._root, response.header("Location") or "")
            response = self._transport.send(Request("GET", target), max_bytes=16 << 20)
        if response.status != 200:
            raise fault_of(response, method="GET", path=path, place=self.place)
        return response

    def object_of(self, response: Response, path: str) -> dict[str, Any]:
        """Return the answer's JSON object. Raises GitHubFault (temporary) when it is none."""
        try:
            data = json.loads(response.body)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise self.bad_answer(path)
        return data

    def bad_answer(self, path: str) -> GitHubFault:
        """Return the fault of an answer that lacks what the documentation promises."""
        return GitHubFault(
            "bad-answer",
            "GitHub 的应答无法识别",
            where=f"{self.place} {path}",
            mend="检查 [github] api_base，或稍后重新发送",
            temporary=True,
            maybe_done=True,
        )

    def _checked(
        self, method: str, path: str, body: bytes | None, expected: tuple[int, ...], fields: tuple[tuple[str, str], ...]
    ) -> Response:
        url = self._root + path
        response = self._once(method, url, body, fields)
        for _ in range(REDIRECTS):
            # A renamed repository answers 301 or 307 on the same host. A changed method would start nothing.
            target = urljoin(url, response.header("Location") or "")
            follows = response.status in {307, 308} or (method == "GET" and response.status in {301, 302})
            if not follows or _origin(target) != _origin(url):
                break
            response = self._once(method, target, body, fields)
        if response.status not in expected:
            raise fault_of(response, method=method, path=path.partition("?")[0], place=self.place)
        return response

    def _once(self, method: str, url: str, body: bytes | None, fields: tuple[tuple[str, str], ...]) -> Response:
        headers = (
            ("Authorization", f"Bearer {self._token}"),
            ("Accept", "application/vnd.github+json"),
            ("X-GitHub-Api-Version", API_VERSION),
            *fields,
        )
        if body is not None:
            headers += (("Content-Type", "application/json"),)
        try:
            response = self._transport.send(Request(method, url, headers, body))
        except RemoteFault as fault:
            raise GitHubFault(
                "unavailable",
                f"访问 GitHub 失败：{fault.mend or fault.what}",
                where=f"{method} {self.place}",
                mend="请管理员检查服务器到 GitHub 的网络或代理",
                temporary=fault.temporary,
                maybe_done=fault.maybe_done,
            ) from fault
        self.token_expires = expiry.read(response.header(expiry.HEADER)) or self.token_expires
        return response


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _next_page(link: str) -> str:
    """Return the target of rel="next" in a Link field (RFC 8288), empty when there is none."""
    for part in link[:4096].split(","):
        target, _, parameters = part.partition(";")
        if 'rel="next"' in parameters:
            return target.strip().strip("<>")
    return ""

"""A plain HTTP client for talking to the stand-ins directly: one connection for each call."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)


def call(port, method, path, body=None, headers=None, *, timeout_s=10.0):
    """Send one request (a body that is no bytes goes as JSON) and return the whole answer."""
    raw = body if body is None or isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode("utf-8")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, raw, headers or {})
        answer = connection.getresponse()
        content = answer.read()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)
    finally:
        connection.close()

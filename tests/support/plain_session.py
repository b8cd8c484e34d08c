"""A `Session` on http.client: what the registry client needs of one, without the dialer, the guard and the bounds."""

from __future__ import annotations

import http.client
import time
from urllib.parse import urlsplit

from wxsync.errors import RemoteFault
from wxsync.remote.exchange import Request, Response


class PlainIncoming:
    """An answer whose body is read from the connection."""

    def __init__(self, connection, answer):
        self._connection, self._answer = connection, answer
        self.status = answer.status
        self.headers = tuple(answer.getheaders())
        self.length = answer.length

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def readinto(self, buffer):
        try:
            count = self._answer.readinto(buffer)
            if not count and self._answer.length:
                raise http.client.IncompleteRead(b"")
            return count
        except (OSError, http.client.HTTPException) as error:
            raise RemoteFault("cut short", temporary=True) from error

    def close(self):
        self._connection.close()


class PlainSession:
    """A connection for each request. asked: (method, URL, headers in lower case) of all, in order."""

    def __init__(self):
        self.asked = []

    def open(self, request, *, deadline, silence_s=30.0):
        fields = dict(request.headers)
        self.asked.append((request.method, request.url, {name.lower(): value for name, value in fields.items()}))
        url = urlsplit(request.url)
        body = request.body
        if body is not None and hasattr(body, "length"):
            fields["Content-Length"] = str(body.length)
        assert url.scheme == "http" and deadline > time.monotonic()
        connection = http.client.HTTPConnection(url.netloc, timeout=min(silence_s, deadline - time.monotonic()))
        try:
            target = url.path + (f"?{url.query}" if url.query else "")
            connection.request(request.method, target, body, fields)
            return PlainIncoming(connection, connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise RemoteFault("no answer", temporary=True, maybe_done=request.method != "GET") from error

    def send(self, request: Request, *, timeout_s=30.0, max_bytes=8 << 20) -> Response:
        incoming = self.open(request, deadline=time.monotonic() + timeout_s)
        content = bytearray(max_bytes)
        count = incoming.readinto(content)
        incoming.close()
        return Response(incoming.status, incoming.headers, bytes(content[:count]))

    def close(self):
        pass

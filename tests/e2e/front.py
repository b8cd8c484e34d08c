"""A front before a real registry that misbehaves as ordered: it answers itself where a rule fits, else passes on."""
from __future__ import annotations

import http.client
import json
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class Rule:
    """Answer `status` and `body` to requests whose path and body fit, `times` times."""

    method: str
    path: str
    status: int
    body: bytes
    content: bytes = b""  # only where the request's body holds this
    times: int = 1_000_000

    def takes(self, method: str, path: str, content: bytes) -> bool:
        """Tell whether the rule fits, and use it up once."""
        if self.times <= 0 or method != self.method or not re.search(self.path, path) or self.content not in content:
            return False
        self.times -= 1
        return True


def refusal(code: str, message: str) -> bytes:
    """Return a registry's error document."""
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


class Front(ThreadingHTTPServer):
    """Listens at `address`; `rules` may be filled at any time."""

    daemon_threads = True

    def __init__(self, backend: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend, self.rules = backend, list[Rule]()
        self.address = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End the front, not the registry behind it."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def _serve(self) -> None:
        content = self._content()
        for rule in self.server.rules:
            if rule.takes(self.command, self.path, content):
                return self._answer(rule.status, [("Content-Type", "application/json")], rule.body)
        backend = http.client.HTTPConnection(self.server.backend, timeout=30)
        backend.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # skopeo sends several of one name
            if name.lower() not in HOP_BY_HOP:
                backend.putheader(name, value)
        backend.putheader("Content-Length", str(len(content)))
        backend.endheaders(content)
        answer = backend.getresponse()
        body = answer.read()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
        length = answer.headers["Content-Length"] if self.command == "HEAD" else None
        backend.close()
        return self._answer(answer.status, kept, body, length)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _serve

    def _content(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, length: str | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""

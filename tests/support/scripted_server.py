"""A loopback server that answers each connection by the next step of a script; it records what it was sent."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Union


@dataclass
class Seen:
    """One request as it came over the wire."""

    method: str = ""
    target: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> object:
        return json.loads(self.body)


Play = Callable[[socket.socket, Seen], None]
Step = Union[bytes, Play]


class ScriptedServer:
    """Plays one step a connection: bytes are sent as they are after the request was read, a callable does as it likes.

    As a context manager; leaving it fails when steps are left over.
    """

    def __init__(self, *steps: Step, tls: ssl.SSLContext | None = None, reads_request: bool = True) -> None:
        self.seen: list[Seen] = []
        self._steps = list(steps)
        self._tls = tls
        self._reads_request = reads_request
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._closing.set()
        with socket.socket() as waker:
            waker.connect(("127.0.0.1", self.port))
        self._thread.join(10)
        self._listener.close()
        assert kind is not None or not self._steps, f"not asked for: {self._steps}"

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                if self._closing.is_set():
                    return
                self._play(connection)

    def _play(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            seen = read_request(connection) if self._reads_request else Seen()
            self.seen.append(seen)
            step = self._steps.pop(0) if self._steps else answer(599, b"no step left")
            if isinstance(step, bytes):
                connection.sendall(step)
            else:
                step(connection, seen)
        except OSError:
            pass  # the client went away, which the test judges at its own end
        finally:
            connection.close()

    def __repr__(self) -> str:
        return f"ScriptedServer({self.url})"


def read_request(connection: socket.socket) -> Seen:
    """Read one request with its Content-Length."""
    with connection.makefile("rb") as stream:
        line = stream.readline().decode("latin-1")
        if not line:
            raise ConnectionResetError("closed without a request")
        method, target, _ = line.split(" ", 2)
        headers = []
        while field := stream.readline().strip(b"\r\n"):
            name, _, value = field.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        seen = Seen(method, target, headers)
        seen.body = stream.read(int(seen.header("Content-Length") or 0))
        return seen


def answer(status: int, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """Return a whole answer with its length."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status} X\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


def answer_json(status: int, value: object, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """Return a whole answer that carries JSON."""
    return answer(status, json.dumps(value).encode(), (("Content-Type", "application/json"), *headers))

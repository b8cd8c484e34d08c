"""The HTTP base of every stand-in: threads, port 0, each request kept for the tests, faults on order.

Floor: sandbox.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import socketserver
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from wxsync.sandbox.bodies import Bodies, Body, Pace
from wxsync.sandbox.cutting import reset, reset_when_sent
from wxsync.sandbox.faults import Fault, Faults

MAX_KEPT_BODY = 1 << 20  # larger ones are kept as their MD5
MAX_KEPT = 20_000  # requests kept for the tests, and for a demo that runs for days
IDLE_S = 120.0
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Request:
    """One request as it came; target is the raw request target, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    received: Body
    at: float = field(default_factory=time.monotonic)

    @property
    def body(self) -> bytes:
        """The body's bytes, as far as they were kept."""
        return self.received.content

    @property
    def path(self) -> str:
        """The percent-decoded path."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The decoded parameters in their order, empty ones too."""
        return tuple(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def arg(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)

    def json(self) -> object:
        """Return the body as JSON; ValueError when it is none."""
        return json.loads(self.body.decode("utf-8"))


@dataclass(frozen=True)
class Answer:
    """What a stand-in says. cut_at: after so many bytes of the body the connection is reset."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    cut_at: int | None = None


Respond = Callable[[Request], Answer]


def json_answer(value: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Return a value as a JSON answer."""
    return Answer(status, json.dumps(value, ensure_ascii=False).encode("utf-8"), JSON, headers)


class Server:
    """One listener with its own threads; `down` and `up` keep the port, so that an outage can be played."""

    def __init__(self, respond: Respond, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.faults, self.bodies = Faults(), Bodies()
        self.requests: deque[Request] = deque(maxlen=MAX_KEPT)
        self._respond = respond
        self._arrived = threading.Condition()
        self._host, self.port = host, port
        self.delay_s = 0.0  # before every answer; a test may change it at any time
        self._listener: _Listener | None = None
        self.up()

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"http://{self._host}:{self.port}"

    @property
    def is_down(self) -> bool:
        """Tell whether connections are refused."""
        return self._listener is None

    def up(self) -> None:
        """Listen (again, on the same port)."""
        if self._listener is None:
            self._listener = _Listener((self._host, self.port), self)
            self.port = self._listener.server_address[1]
            threading.Thread(target=self._listener.serve_forever, daemon=True).start()

    def down(self) -> None:
        """Refuse connections and cut the open ones, until `up`."""
        listener, self._listener = self._listener, None
        if listener:
            listener.end()

    def close(self) -> None:
        """End for good; requests that hang are let go."""
        self.down()
        self.faults.clear()

    def fail_next(
        self, path: str, what: int | str, times: int = 1, *, method: str = "*", after: bool = False,
        delay_s: float = 0.0, body: bytes = b"", headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Put a Fault in force; see there."""
        self.faults.add(Fault(path, what, method=method, times=times, after=after, delay_s=delay_s,
                              body=body, headers=headers))

    def seen(self, method: str = "*", path: str = "") -> list[Request]:
        """Return the requests so far with this method whose raw target matches the expression, in order."""
        with self._arrived:
            return [r for r in self.requests if method in ("*", r.method) and re.search(path, r.target)]

    def wait_seen(self, method: str, path: str, *, count: int = 1, within_s: float = 10.0) -> list[Request]:
        """Return `seen` once it holds so many requests; AssertionError when that does not happen in time."""
        with self._arrived:
            if self._arrived.wait_for(lambda: len(self.seen(method, path)) >= count, within_s):
                return self.seen(method, path)
        raise AssertionError(f"{method} {path}: {len(self.seen(method, path))} of {count} requests in {within_s} s")

    def note(self, request: Request) -> None:
        """Keep a request for the tests."""
        is_large = len(request.body) > MAX_KEPT_BODY
        with self._arrived:
            self.requests.append(replace(request, received=request.received.dropped()) if is_large else request)
            self._arrived.notify_all()

    def answer(self, request: Request) -> Answer:
        """Return what the stand-in says to a request."""
        return self._respond(request)


class _Listener(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], server: Server) -> None:
        self.owner = server
        self.is_closing = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the host's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept, and remember the connection so that it can be cut."""
        connection, address = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]  # never a datagram here
        """Close one connection."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def end(self) -> None:
        """Stop listening and end every connection, kept-alive ones too."""
        self.is_closing = True
        ending = threading.Thread(target=self.shutdown)
        ending.start()
        with contextlib.suppress(OSError):
            # Wakes the loop that `shutdown` waits for; it would look up by itself only every half second.
            self.socket.shutdown(socket.SHUT_RDWR)
        ending.join()
        self.server_close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):  # its own thread or the client was faster
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Show a stand-in's own error; a client that went away is none."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True
    server: _Listener

    def setup(self) -> None:
        """Begin to serve a connection."""
        super().setup()
        self._pace = Pace()

    def _serve(self) -> None:
        owner = self.server.owner
        if owner.faults.take(self.command, self.path, midway=True):
            self.rfile.read(int(self.headers.get("content-length", "0")) // 2)
            self.close_connection = True
            reset(self.connection)
            return
        body = self._read_body()
        if body is None:
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        fault = owner.faults.take(request.method, request.target)
        owner.note(request)
        if fault and fault.delay_s:
            time.sleep(fault.delay_s)
        if fault and not (fault.after or fault.what == "truncate"):
            self._misbehave(fault, None)
            return
        answer = owner.answer(request)
        time.sleep(owner.delay_s)
        if fault:
            self._misbehave(fault, answer)
        else:
            self._write(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve

    def _read_body(self) -> Body | None:
        if "transfer-encoding" in self.headers:
            self._refuse(411, "Content-Length is required")
            return None
        length = self.headers.get("content-length", "0")
        bodies = self.server.owner.bodies
        if not re.fullmatch("[0-9]{1,12}", length) or int(length) > bodies.max_bytes:
            self._refuse(413, "the body is too large or its length is no number")
            return None
        return bodies.read(self.rfile, int(length), self._pace)

    def _refuse(self, status: int, why: str) -> None:
        self.close_connection = True
        self._write(json_answer({"message": why}, status))

    def _write(self, answer: Answer, *, cut: bool = False) -> None:
        has_body = answer.status not in (204, 304)
        self.send_response_only(answer.status)
        given = {name.lower() for name, _ in answer.headers}
        if "date" not in given:  # a stand-in whose clock is wrong says so
            self.send_header("Date", self.date_time_string())
        for name, value in answer.headers:
            self.send_header(name, value)
        if has_body:
            self.send_header("Content-Type", answer.content_type)
            if "content-length" not in given:
                self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if has_body and self.command != "HEAD":
            self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body[: answer.cut_at])
            if answer.cut_at is not None:
                self.close_connection = True
                reset_when_sent(self.connection)

    def _misbehave(self, fault: Fault, answer: Answer | None) -> None:
        if isinstance(fault.what, int):
            self._write(Answer(fault.what, fault.body, fault.content_type, fault.headers))
            return
        self.close_connection = True
        if fault.what == "hang":
            self.server.owner.faults.hang(lambda: self.server.is_closing)
        elif fault.what == "truncate" and answer:
            self._write(answer, cut=True)
        elif fault.what == "reset":
            reset(self.connection)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Say nothing: the requests are kept, not printed."""

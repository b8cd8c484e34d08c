"""A raw HTTP client: sends the very bytes, reads until a count of answers or the end."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from typing import NamedTuple


class Answer(NamedTuple):
    status: int
    head: str
    body: bytes

    def values(self, name: str) -> list[str]:
        return re.findall(rf"(?im)^{re.escape(name)}:[ \t]*([^\r]*)\r$", self.head)


class Client:
    def __init__(self, address: tuple[str, int], timeout_s: float = 5.0) -> None:
        self.sock = socket.create_connection(address, timeout=timeout_s)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, text: str | bytes) -> Client:
        self.sock.sendall(text.encode("latin-1") if isinstance(text, str) else text)
        return self

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError(self.buffer)
        self.buffer += data

    def answer(self, *, of_head: bool = False) -> Answer:
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        text = head.decode("latin-1") + "\r\n"
        status = int(text[9:12])
        if of_head or status in (204, 304) or status < 200:
            return Answer(status, text, b"")
        found = re.search(r"(?im)^content-length: *(\d+)\r$", text)
        body = self._until_end() if found is None else self._exactly(int(found[1]))
        return Answer(status, text, body)

    def _exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self._more()
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return body

    def _until_end(self) -> bytes:
        while True:
            try:
                self._more()
            except EOFError:
                body, self.buffer = self.buffer, b""
                return body

    def is_closed(self) -> bool:
        """Wait for the end of the stream; False when bytes come instead."""
        try:
            return self.sock.recv(1) == b""
        except ConnectionError:
            return True


def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for the condition, and fail when it does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)

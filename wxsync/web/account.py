"""What is remembered of one request for the access log and the metrics. Floor: web."""

from __future__ import annotations

from typing import Protocol

from wxsync.http1.request import RequestHead


class Account:
    """Filled in while the request is served, by the thread that serves it; read only after `ended` is set."""

    __slots__ = (
        "began", "bytes_in", "bytes_out", "ended", "head", "peer", "reason", "reused", "status", "tries", "upstream",
        "upstream_s",
    )  # fmt: skip

    def __init__(self, peer: str, began: float, head: RequestHead | None, status: int = 0, reason: str = "") -> None:
        self.peer = peer
        self.began = began  # monotonic seconds: the first byte of the request was there
        self.head = head  # None: it was not understood
        self.status = status  # 0: the client left before an answer
        self.reason = reason  # why an answer was made here and not by the upstream
        self.ended = 0.0
        self.bytes_in = 0
        self.bytes_out = 0
        self.upstream = ""
        self.upstream_s = 0.0  # from the first try until the answer's head
        self.tries = 0
        self.reused = False


class Recorder(Protocol):
    """Takes finished accounts; called by every worker thread, so it only puts them aside."""

    def record(self, account: Account) -> None:
        """Keep the account for the log and the metrics."""


class NoRecorder:
    """Forgets every account."""

    def record(self, account: Account) -> None:
        """Forget it."""

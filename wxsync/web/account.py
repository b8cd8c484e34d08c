"""What is remembered of one request for the access log and the metrics. Floor: web."""

from __future__ import annotations

from typing import Protocol

from wxsync.http1.request import RequestHead


class Account:
    """Filled in while the request is served, by the thread that serves it; read only after `ended` is set."""

    # Defaults stand in the class: most requests leave most of them as they are, and each assignment costs time.
    ended = 0.0
    bytes_in = 0
    bytes_out = 0
    upstream = ""
    upstream_s = 0.0  # from the first byte of the request until the answer's head
    tries = 0
    reused = False
    is_polling = False  # asked again and again by the command line: counted, but no line in the log

    def __init__(self, peer: str, began: float, head: RequestHead | None, status: int = 0, reason: str = "") -> None:
        self.peer = peer
        self.began = began  # monotonic seconds: the first byte of the request was there
        self.head = head  # None: it was not understood
        self.status = status  # 0: the client left before an answer
        self.reason = reason  # why an answer was made here and not by the upstream


class Recorder(Protocol):
    """Takes finished accounts; called by every worker thread, so it only puts them aside."""

    def record(self, account: Account) -> None:
        """Keep the account for the log and the metrics."""


class NoRecorder:
    """Forgets every account."""

    def record(self, account: Account) -> None:
        """Forget it."""

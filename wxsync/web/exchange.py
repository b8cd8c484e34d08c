"""One request and its answer, as a route sees them. Floor: web."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable

from wxsync.clock import Clock
from wxsync.http1.answer import CONTINUE, answer_head, connection_field, http_date
from wxsync.http1.bodies import ChunkedDecoder, Decoder, LengthDecoder
from wxsync.http1.refusal import Refusal
from wxsync.http1.request import RequestHead
from wxsync.web.account import Account
from wxsync.web.connection import Connection

PLAIN_TEXT = "text/plain; charset=utf-8"


class Exchange(Account):
    """Given to a route, used by the one thread that serves it. The route answers once and then returns.

    keeps: whether the connection will stay after the answer; fixed when the answer's head is written.
    breaks_off: the answer ended early, and only a reset can show that to the client.
    """

    keeps = False
    answered = False
    breaks_off = False
    _decoder: Decoder | None = None
    _invited = True

    def __init__(self, connection: Connection, head: RequestHead, clock: Clock, *, may_keep: bool) -> None:
        Account.__init__(self, connection.peer, connection.begun, head)
        fields = head.fields
        self.connection = connection
        self.request = head
        self.may_keep = may_keep and fields.keep_alive
        self._clock = clock
        if fields.has_body:
            self._decoder = ChunkedDecoder() if fields.chunked else LengthDecoder(fields.length or 0)
        if fields.expects_continue:
            self._invited = False

    @property
    def method(self) -> str:
        """The method, as sent."""
        return self.request.method

    @property
    def path(self) -> bytes:
        """The raw path, before the "?"."""
        return self.request.path

    @property
    def query(self) -> bytes:
        """The raw query, after the "?"."""
        return self.request.query

    @property
    def body_is_read(self) -> bool:
        """Tell whether the request was read to its end."""
        return self._decoder is None

    def take_block(self) -> bytes | None:
        """Return what of the body is in hand already, perhaps b""; None when its end has been given out."""
        decoder = self._decoder
        if decoder is None:
            return None
        data, self.connection.buffer = self.connection.buffer, b""
        return self.feed(data) if data else b""

    def feed(self, data: bytes) -> bytes:
        """Return what of these bytes from the client is body; what follows it waits as the next request."""
        decoder = self._decoder
        assert decoder is not None
        self._invited = True
        block = decoder.feed(data)
        self.bytes_in += len(block)
        if decoder.done:
            self.connection.buffer, self._decoder = decoder.rest, None
        return block

    def read_block(self) -> bytes:
        """Return some bytes of the body, waiting for them; b"" at its end. Refusal (400, 408) or ClientGone."""
        while self._decoder is not None:
            block = self.take_block()
            if block:
                return block
            if self._decoder is not None:
                self.invite()
                block = self.feed(self.connection.receive())
                if block:
                    return block
        return b""

    def invite(self) -> None:
        """Send 100 Continue when the client waits for it and has sent nothing of the body (RFC 9110 10.1.1)."""
        if not self._invited:
            self._invited = True
            self.connection.send(CONTINUE)

    def refuse_large_body(self, limit: int) -> None:
        """Refuse (413) a body whose declared length is over the limit, before a byte of it is read."""
        length = self.request.fields.length
        if length is not None and length > limit:
            raise Refusal(413, "declared body is too large")

    def body(self, limit: int) -> bytes:
        """Return the whole body; Refusal (413, 408, 400) when it is over the limit, too slow or malformed."""
        return b"".join(self.blocks(limit))

    def blocks(self, limit: int, within_s: float | None = None) -> Iterator[bytes]:
        """Yield the body as it comes; Refusal (413, 408, 400) when it is over the limit, too slow or malformed.

        within_s: for all of it, beside body_timeout between any two bytes.
        """
        self.refuse_large_body(limit)
        end = self._clock.monotonic() + within_s if within_s is not None else None
        while block := self.read_block():
            if self.bytes_in > limit:
                raise Refusal(413, "body is too large")
            if end is not None and self._clock.monotonic() > end:
                raise Refusal(408, "body takes too long")
            yield block

    def answer(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = PLAIN_TEXT,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Write one whole answer; of HEAD only its head. Raises ClientGone when the client does not take it."""
        fields = [("Date", http_date(self._clock.now())), *headers]
        if body:
            fields.append(("Content-Type", content_type))
        if status != 204:
            fields.append(("Content-Length", str(len(body))))
        fields.extend(connection_field(keeps=self.settle_keeping(), minor=self.request.minor))
        self.status = self.status or status
        self.write(answer_head(status, fields) + (b"" if self.method == "HEAD" else body))

    def settle_keeping(self) -> bool:
        """Decide, and return, whether the connection stays; called when the answer's head is written."""
        if self.may_keep and self._decoder is not None:
            self._discard_buffered_body()
        self.keeps = self.may_keep and self._decoder is None
        return self.keeps

    def _discard_buffered_body(self) -> None:
        """A body that is in hand whole need not cost the connection though the route did not want it."""
        try:
            self.take_block()
        except Refusal:
            self.may_keep = False

    def write(self, data: bytes) -> None:
        """Write bytes of the answer."""
        self.answered = True
        self.bytes_out += len(data)
        self.connection.send(data)


Route = Callable[[Exchange], None]

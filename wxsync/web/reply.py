"""Pass an upstream's answer on to the client as it comes. Floor: web."""

from __future__ import annotations

from wxsync.clock import Clock
from wxsync.http1.answer import http_date
from wxsync.http1.bodies import ChunkedDecoder, CloseDecoder, Decoder, LengthDecoder, chunk
from wxsync.http1.grammar import HEAD_END
from wxsync.http1.refusal import Refusal
from wxsync.http1.response import ResponseHead, parse_response
from wxsync.web.exchange import Exchange

MAX_HEAD = 65536  # of an answer, interim ones included
MAX_INTERIM = 20
CHUNKED_LINE = b"Transfer-Encoding: chunked\r\n"


def pass_whole(exchange: Exchange, data: bytes) -> ResponseHead | None:
    """Pass on an answer that has come at once and whole, as most do; None, with nothing done, when it is another."""
    end = data.find(HEAD_END) + 4
    if end < 4 or not exchange.may_keep:
        return None
    try:
        head = parse_response(data[:end])
    except Refusal as refusal:
        raise Refusal(502, f"answer: {refusal.what}", closes=False) from refusal
    request = exchange.request
    if not head.ready or head.length != len(data) - end or request.method == "HEAD" or not request.minor:
        return None
    exchange.status = head.status
    exchange.keeps = True
    exchange.write(head.ready + data[end:])
    return head


class Reply:
    """Fed with the upstream's bytes by the thread that serves the exchange.

    begun: a byte of an answer came. done: the answer was passed on to its end. reusable: nothing more is to come on
    the upstream's connection, and it stays open. Raises Refusal (502) on what is no answer, ClientGone from writing.
    """

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self.begun = False
        self.done = False
        self.reusable = False
        self.head: ResponseHead | None = None
        self._exchange = exchange
        self._clock = clock
        self._buffer = b""
        self._interim = 0
        self._decoder: Decoder | None = None
        self._is_chunked = False  # towards the client

    @property
    def ends_by_close(self) -> bool:
        """Tell whether the client can see the end of the answer only in the end of the connection."""
        return self.head is not None and not self._is_chunked and self.head.length is None

    def feed(self, data: bytes) -> None:
        """Take bytes of the upstream and write what they mean to the client."""
        self.begun = True
        if self._decoder is not None:
            self._pass_on(b"", data)
            return
        data = self._buffer + data
        while self.head is None:
            end = data.find(HEAD_END)
            if (len(data) if end < 0 else end) > MAX_HEAD:
                raise Refusal(502, "head of the answer is too large", closes=False)
            if end < 0:
                self._buffer = data
                return
            head_bytes, data = data[:end + 4], data[end + 4:]
            self._take_head(head_bytes)
        self._begin(self.head, data)

    def end(self) -> None:
        """The upstream ended its stream; Refusal when that is no sound end of the answer."""
        if not isinstance(self._decoder, CloseDecoder):
            raise Refusal(502, "answer ends early" if self.begun else "no answer", closes=False)
        if self._is_chunked:
            self._exchange.write(chunk(b""))
        self.done = True

    def _take_head(self, data: bytes) -> None:
        try:
            head = parse_response(data)
        except Refusal as refusal:
            raise Refusal(502, f"answer: {refusal.what}", closes=False) from refusal
        if head.status >= 200:
            self.head = head
            return
        self._interim += 1
        if head.status == 101 or self._interim > MAX_INTERIM:
            raise Refusal(502, "answer: unasked 101 or too many interim ones", closes=False)
        # 100 is between the upstream and us; a 1.0 client must not see any (RFC 9110 15.2).
        if head.status != 100 and self._exchange.request.minor:
            self._exchange.connection.send(head.lines + b"\r\n")

    def _begin(self, head: ResponseHead, data: bytes) -> None:
        """Write the head, and with it what has come of the body."""
        exchange = self._exchange
        exchange.status = head.status
        lines = head.lines
        if not head.has_date:
            lines += b"Date: %b\r\n" % http_date(self._clock.now()).encode("ascii")  # RFC 9110 6.6.1
        if head.bodiless(exchange.method):
            self._decoder = LengthDecoder(0)
        elif head.chunked:
            self._decoder = ChunkedDecoder()
        elif head.length is not None:
            self._decoder = LengthDecoder(head.length)
        else:
            self._decoder = CloseDecoder()
        if head.length is not None and head.status != 204:
            lines += b"Content-Length: %d\r\n" % head.length
        elif not self._decoder.done:
            self._is_chunked = exchange.request.minor == 1
            exchange.may_keep = exchange.may_keep and self._is_chunked
            if self._is_chunked:
                lines += CHUNKED_LINE
        keeps = exchange.settle_keeping()
        if not keeps:
            lines += b"Connection: close\r\n"
        elif exchange.request.minor == 0:
            lines += b"Connection: keep-alive\r\n"
        self._pass_on(lines + b"\r\n", data)

    def _pass_on(self, prefix: bytes, data: bytes) -> None:
        """Write the prefix and the part of the body in these bytes."""
        decoder = self._decoder
        assert decoder is not None
        assert self.head is not None
        if decoder.done:
            block, decoder.rest = b"", data
        else:
            try:
                block = decoder.feed(data) if data else b""
            except Refusal as refusal:
                raise Refusal(502, f"answer: {refusal.what}", closes=False) from refusal
        if self._is_chunked:
            block = (chunk(block) if block else b"") + (chunk(b"") if decoder.done else b"")
        if decoder.done:
            self.done = True
            self.reusable = self.head.keep_alive and not decoder.rest
        if prefix or block:
            self._exchange.write(prefix + block)

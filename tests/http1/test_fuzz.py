"""Random and damaged heads and bodies: nothing but the typed error comes out, and h11 agrees with what passes."""

from __future__ import annotations

import random

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.mutation import ANSWERS, REQUESTS, mutated
from wxsync.http1.bodies import ChunkedDecoder, LengthDecoder, chunk
from wxsync.http1.forwarding import Hop, forwarded_fields, leaves_prefix
from wxsync.http1.grammar import HEAD_END
from wxsync.http1.refusal import Refusal
from wxsync.http1.request import RequestHead, check_limits, parse_request
from wxsync.http1.response import ResponseHead, parse_response

ROUNDS = 50_000
HOP = Hop(b"127.0.0.1", False, b"wxsyncd")


def request(data: bytes) -> tuple[RequestHead, bytes] | None:
    end = data.find(HEAD_END) + 4
    try:
        check_limits(data[:end] if end > 3 else data, max_line=8192, max_fields=32768)
        return (parse_request(data[:end], max_line=8192, max_fields=32768), data[end:]) if end > 3 else None
    except Refusal as refusal:
        assert 400 <= refusal.status <= 505
        return None


def decoded(head: RequestHead, data: bytes, chance: random.Random) -> tuple[bytes, bool] | None:
    """The body, fed in random pieces, and whether it was whole; None when it is malformed."""
    if not head.fields.has_body:
        return b"", True
    decoder = ChunkedDecoder() if head.fields.chunked else LengthDecoder(head.fields.length or 0)
    body = b""
    try:
        while data and not decoder.done:
            size = chance.choice((1, 2, 3, 7, 50, 1000))
            body += decoder.feed(data[:size])
            data = data[size:]
    except Refusal as refusal:
        assert refusal.status == 400
        return None
    return body, decoder.done


def second_opinion(data: bytes) -> tuple[h11.Request, bytes, bool] | None:
    """What h11 makes of it: head, body, whether it was whole; None when h11 refuses."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=70_000)
    connection.receive_data(data)
    head, body = None, b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return head, body, True
            else:
                return (head, body, False) if head else None
    except h11.RemoteProtocolError:
        return None


def judge(data: bytes, chance: random.Random) -> bool:
    """Compare with h11 what both accept; tell whether it was accepted here."""
    parsed = request(data)
    if parsed is None:
        return False
    head, rest = parsed
    forwarded_fields(head, HOP)
    leaves_prefix(head.path)
    mine = decoded(head, rest, chance)
    # h11 takes some things that are refused here on purpose, and refuses bytes above 127 in a target.
    theirs = second_opinion(data.removeprefix(b"\r\n"))
    if theirs is None or mine is None:
        return mine is not None
    assert (theirs[0].method, theirs[0].target) == (head.method.encode(), data.removeprefix(b"\r\n").split(b" ")[1])
    assert (theirs[1], theirs[2]) == mine
    names = {name for name, _ in theirs[0].headers}
    assert (b"content-length" in names, b"transfer-encoding" in names) == (
        head.fields.length is not None, head.fields.chunked)
    return True


@pytest.mark.parametrize("seed", range(5))
def test_damaged_requests(seed: int) -> None:
    chance = random.Random(seed)
    accepted = sum(
        judge(mutated(chance, chance.choice(REQUESTS), REQUESTS), chance) for _ in range(ROUNDS // 5))
    assert accepted > ROUNDS // 20, "the damage leaves nothing to judge"


def test_damaged_answers() -> None:
    chance = random.Random(1)
    accepted = 0
    for _ in range(10_000):
        data = mutated(chance, chance.choice(ANSWERS), ANSWERS)
        end = data.find(HEAD_END) + 4
        try:
            head = parse_response(data[:end])
        except Refusal as refusal:
            assert refusal.status == 502
            continue
        accepted += 1
        assert_sound(head)
    assert accepted > 1000


def assert_sound(head: ResponseHead) -> None:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
    connection.receive_data(head.lines + b"\r\n")
    event = connection.next_event()
    assert event.status_code == head.status
    names = {name for name, _ in event.headers}
    assert not names & {b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"upgrade"}


def test_every_case_of_the_corpus_is_judged_as_h11_judges_it() -> None:
    chance = random.Random(2)
    for data in REQUESTS:
        judge(data, chance)


@settings(max_examples=2000, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    request(data)
    request(data + HEAD_END)
    request(b"GET / HTTP/1.1\r\nHost: h\r\n" + data + HEAD_END)
    for wrapped in (data, b"HTTP/1.1 200 OK\r\n" + data + HEAD_END):
        try:
            parse_response(wrapped)
        except Refusal as refusal:
            assert refusal.status == 502


TOKENS = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, blacklist_characters="\x7f"), max_size=20)


@settings(max_examples=1000, deadline=None)
@given(TOKENS, st.lists(st.tuples(TOKENS, VALUES), max_size=8))
def test_valid_fields_come_through_in_order(method: str, fields: list[tuple[str, str]]) -> None:
    fields = [(f"x-{name}", value) for name, value in fields]
    lines = [f"{name}:{value}" for name, value in fields]
    data = "\r\n".join([f"{method} /a HTTP/1.1", "Host: h", *lines, "", ""]).encode("latin-1")
    parsed = request(data)
    assert parsed is not None
    sent = forwarded_fields(parsed[0], HOP).split(b"\r\n")
    unforwarded = [
        line.encode("latin-1") for line, (name, _) in zip(lines, fields)
        if name not in ("x-real-ip", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")]
    assert sent[:len(unforwarded)] == unforwarded


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.binary(max_size=10), st.integers(1, 9))
def test_chunks_come_through_however_they_are_cut(blocks: list[bytes], after: bytes, size: int) -> None:
    data = b"".join(map(chunk, blocks)) + chunk(b"") + after
    decoder = ChunkedDecoder()
    body = b""
    while not decoder.done:
        body += decoder.feed(data[:size])
        data = data[size:]
    assert body == b"".join(blocks)
    assert decoder.rest + data == after


@settings(max_examples=2000, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_chunks(data: bytes, size: int) -> None:
    decoder = ChunkedDecoder()
    try:
        while data and not decoder.done:
            decoder.feed(data[:size])
            data = data[size:]
    except Refusal as refusal:
        assert refusal.status == 400

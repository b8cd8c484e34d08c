"""The request parser takes what RFC 9112 allows and refuses, with the right status, everything else."""

from __future__ import annotations

import pytest

from wxsync.http1.refusal import Refusal
from wxsync.http1.request import RequestHead, check_limits, parse_request


def parse(text: str) -> RequestHead:
    return parse_request(text.encode("latin-1"), max_line=200, max_fields=400)


def get(*lines: str, start: str = "GET /a HTTP/1.1") -> RequestHead:
    return parse("\r\n".join([start, *lines, "", ""]))


HOST = "Host: h.example"


@pytest.mark.parametrize("start, target, path, query", [
    ("GET /a/b?x=1&y=%2F HTTP/1.1", b"/a/b?x=1&y=%2F", b"/a/b", b"x=1&y=%2F"),
    ("GET /a? HTTP/1.1", b"/a?", b"/a", b""),
    ("GET //a//b// HTTP/1.1", b"//a//b//", b"//a//b//", b""),
    ("GET /\xe4\xbd\xa0?\xff HTTP/1.1", b"/\xe4\xbd\xa0?\xff", b"/\xe4\xbd\xa0", b"\xff"),
    ("OPTIONS * HTTP/1.1", b"*", b"*", b""),
    ("GET http://other:80/a?b HTTP/1.1", b"/a?b", b"/a", b"b"),
    ("GET HTTP://other HTTP/1.1", b"/", b"/", b""),
    ("GET http://other?q HTTP/1.1", b"/?q", b"/", b"q"),
    ("OPTIONS http://other HTTP/1.1", b"*", b"*", b""),
    ("CONNECT other:443 HTTP/1.1", b"other:443", b"other:443", b""),
])
def test_target_is_kept_byte_for_byte(start: str, target: bytes, path: bytes, query: bytes) -> None:
    head = get(HOST, start=start)
    assert (head.target, head.path, head.query) == (target, path, query)


def test_authority_of_an_absolute_target_wins_over_host() -> None:
    assert get(HOST, start="GET http://other:81/a HTTP/1.1").authority == b"other:81"
    assert get(HOST).authority == b"h.example"
    assert get(start="GET / HTTP/1.0").authority == b""


@pytest.mark.parametrize("host", ["a", "a:80", "a:", "127.0.0.1:1", "[::1]", "[::1]:80", "xn--fiq.cn", "a_b"])
def test_valid_hosts(host: str) -> None:
    assert get(f"Host: {host}").authority == host.encode()


@pytest.mark.parametrize("start, lines, status", [
    ("GET /a HTTP/1.1", [], 400),
    ("GET /a HTTP/1.1", ["Host:"], 400),
    ("GET /a HTTP/1.1", ["Host: a", "Host: a"], 400),
    ("GET /a HTTP/1.1", ["Host: u@a"], 400),
    ("GET /a HTTP/1.1", ["Host: a b"], 400),
    ("GET /a HTTP/1.1", ["Host: a:b"], 400),
    ("GET /a HTTP/1.1", ["Host: a:123456"], 400),
    ("GET /a HTTP/1.0", ["Host: a", "Host: b"], 400),
    ("GET /a HTTP/2.0", [HOST], 505),
    ("PRI * HTTP/2.0", [], 505),
    ("GET /a HTTP/0.9", [HOST], 505),
    ("GET /a HTTP/1.01", [HOST], 400),
    ("GET /a HTTP/1.\u00b2", [HOST], 400),
    ("GET /a http/1.1", [HOST], 400),
    ("GET /a", [HOST], 400),
    ("GET  /a HTTP/1.1", [HOST], 400),
    ("GET /a b HTTP/1.1", [HOST], 400),
    ("GET /a\tb HTTP/1.1", [HOST], 400),
    ("GET /a\x7f HTTP/1.1", [HOST], 400),
    ("GET a HTTP/1.1", [HOST], 400),
    ("GET * HTTP/1.1", [HOST], 400),
    ("GET ftp://h/a HTTP/1.1", [HOST], 400),
    ("GET http:///a HTTP/1.1", [HOST], 400),
    ("GET http://u@h/a HTTP/1.1", [HOST], 400),
    ("CONNECT / HTTP/1.1", ["Host: a", "X"], 400),
    ("G(T /a HTTP/1.1", [HOST], 400),
    (" GET /a HTTP/1.1", [HOST], 400),
    ("GET /a HTTP/1.1", [HOST, "X-A : 1"], 400),
    ("GET /a HTTP/1.1", [HOST, "X(A): 1"], 400),
    ("GET /a HTTP/1.1", [HOST, ": 1"], 400),
    ("GET /a HTTP/1.1", [HOST, "NoColon"], 400),
    ("GET /a HTTP/1.1", [HOST, "X-A: a\x00b"], 400),
    ("GET /a HTTP/1.1", [HOST, "X-A: a\rX-B: b"], 400),
    ("GET /a HTTP/1.1", [HOST, "X-A: a\nX-B: b"], 400),
    ("GET /a HTTP/1.1", [HOST, "X-A: a", " fold"], 400),
    ("GET /a HTTP/1.1", [" Fold: first", HOST], 400),
    ("GET /a HTTP/1.1", [HOST, "Expect: 200-ok"], 417),
])
def test_what_is_outside_the_grammar_is_refused(start: str, lines: list[str], status: int) -> None:
    with pytest.raises(Refusal) as caught:
        get(*lines, start=start)
    assert caught.value.status == status
    assert caught.value.closes


@pytest.mark.parametrize("lines, status", [
    (["Content-Length: +5"], 400), (["Content-Length: -1"], 400), (["Content-Length: 0x5"], 400),
    (["Content-Length: 1_0"], 400), (["Content-Length: \u00b2"], 400), (["Content-Length:"], 400),
    (["Content-Length: 5, 5"], 400), (["Content-Length: 5", "Content-Length: 5"], 400),
    (["Content-Length: 5", "content-length: 6"], 400), (["Content-Length: " + "9" * 19], 400),
    (["Content-Length: 5", "Transfer-Encoding: chunked"], 400),
    (["Transfer-Encoding: chunked, gzip"], 400), (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 400),
    (["Transfer-Encoding: gzip, chunked"], 501), (["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"], 501),
    (["Transfer-Encoding: identity"], 400), (["Transfer-Encoding:"], 400), (["Transfer-Encoding: xchunked"], 400),
    (["Transfer-Encoding: chunked;q=1"], 400),
])
def test_ambiguous_framing_is_never_guessed(lines: list[str], status: int) -> None:
    with pytest.raises(Refusal) as caught:
        get(HOST, *lines, start="POST /a HTTP/1.1")
    assert caught.value.status == status


def test_transfer_encoding_from_a_1_0_client_is_refused() -> None:
    with pytest.raises(Refusal):
        get("Transfer-Encoding: chunked", start="POST /a HTTP/1.0")


def test_sound_framing() -> None:
    assert (get(HOST).fields.length, get(HOST).fields.chunked, get(HOST).fields.has_body) == (None, False, False)
    assert get(HOST, "CONTENT-length: 007").fields.length == 7
    assert not get(HOST, "Content-Length: 0").fields.has_body
    head = get(HOST, "Transfer-Encoding: \tChunked ")
    assert (head.fields.length, head.fields.chunked, head.fields.has_body) == (None, True, True)


@pytest.mark.parametrize("start, lines, keeps", [
    ("GET /a HTTP/1.1", [], True),
    ("GET /a HTTP/1.1", ["Connection: close"], False),
    ("GET /a HTTP/1.1", ["Connection: x, CLOSE"], False),
    ("GET /a HTTP/1.1", ["Connection: keep-alive", "Connection: close"], False),
    ("GET /a HTTP/1.2", [], True),
    ("GET /a HTTP/1.0", [], False),
    ("GET /a HTTP/1.0", ["Connection: Keep-Alive"], True),
    ("GET /a HTTP/1.0", ["Connection: keep-alive, close"], False),
])
def test_keep_alive(start: str, lines: list[str], keeps: bool) -> None:
    assert get(HOST, *lines, start=start).fields.keep_alive is keeps


def test_expectation() -> None:
    assert get(HOST, "Expect: 100-Continue").fields.expects_continue
    assert not get(HOST).fields.expects_continue
    assert not get("Expect: 100-continue", start="POST / HTTP/1.0").fields.expects_continue


def test_fields_keep_order_and_repetition() -> None:
    head = get(HOST, "X-A: 1", "Cookie: c", "x-a:2 ", "X-A:\t1")
    assert head.fields.plain == [b"X-A: 1", b"Cookie: c", b"x-a:2 ", b"X-A:\t1"]
    assert head.values(b"x-a") == [b"1", b"2", b"1"]
    assert head.values(b"host") == [b"h.example"]
    assert head.values(b"x-b") == []


def test_limits() -> None:
    with pytest.raises(Refusal) as line:
        get(HOST, start="GET /" + "a" * 200 + " HTTP/1.1")
    with pytest.raises(Refusal) as section:
        get(HOST, "X: " + "a" * 400)
    assert (line.value.status, section.value.status) == (414, 431)
    assert get(HOST, "X: " + "a" * 300).fields.plain
    assert get(start="GET http://h/" + "a" * 178 + " HTTP/1.0").path
    many = b"GET / HTTP/1.0\r\n" + b"a:\r\n" * 1001 + b"\r\n"
    with pytest.raises(Refusal) as lines:
        parse_request(many, max_line=8192, max_fields=32768)
    assert lines.value.status == 431
    assert len(parse_request(many.replace(b"a:\r\n", b"", 1), max_line=8192, max_fields=32768).fields.plain) == 1000


@pytest.mark.parametrize("data, status", [
    (b"a" * 201, 414), (b"\r\n" + b"a" * 201, 414), (b"GET / HTTP/1.1\r\n" + b"a" * 403, 431),
    (b"GET / HTTP/1.1\nHost: a", 400), (b"\n", 400), (b"\r\n\n", 400),
])
def test_a_head_that_can_no_longer_become_one_is_refused_at_once(data: bytes, status: int) -> None:
    with pytest.raises(Refusal) as caught:
        check_limits(data, max_line=200, max_fields=400)
    assert caught.value.status == status


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r", b"a" * 200, b"GET / HTTP/1.1\r\n" + b"a" * 400])
def test_an_unfinished_head_within_the_limits_may_go_on(data: bytes) -> None:
    check_limits(data, max_line=200, max_fields=400)

"""Each request leaves one line that nothing can forge, without its query, and is counted."""

from __future__ import annotations

import json
import threading
from ipaddress import ip_network

import pytest

from tests.support.clock import FakeClock
from tests.support.raw import until
from wxsync.clock import SystemClock
from wxsync.http1.request import parse_request
from wxsync.metrics import Metrics
from wxsync.web.accesslog import AccessLog, Layout
from wxsync.web.account import Account
from wxsync.web.counting import Counting

TRUSTED = [ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")]


class Memory:
    def __init__(self) -> None:
        self.data = b""
        self.works = True
        self.reopened = 0

    def write(self, data: bytes) -> bool:
        self.data += data
        return self.works

    def reopen(self) -> None:
        self.reopened += 1


def account(head: bytes | None = b"GET /a HTTP/1.1\r\nHost: h\r\n", peer: str = "127.0.0.1", **values) -> Account:
    parsed = None if head is None else parse_request(head + b"\r\n", max_line=8192, max_fields=32768)
    made = Account(peer, 1.0, parsed, values.pop("status", 200), values.pop("reason", ""))
    made.ended = 1.0125
    for name, value in values.items():
        setattr(made, name, value)
    return made


def line(made: Account, *, is_json: bool = False) -> str:
    # 1.0 monotonic is 03:04:05.25 UTC, and the clock's zone is +08:00
    return Layout(FakeClock(), TRUSTED, is_json=is_json).line(made, 1767323045.25 - 1.0)


def test_text_line() -> None:
    made = account(
        b"POST /wework-callback/x?msg_signature=abc&echostr=def HTTP/1.1\r\nHost: h\r\n", bytes_in=600, bytes_out=20,
        upstream="inner:80", upstream_s=0.0102, tries=2, reused=True)
    assert line(made) == (
        '2026-01-02T11:04:05.250+08:00 INFO web.access 127.0.0.1 "POST /wework-callback/x?[redacted] HTTP/1.1" 200 '
        "in=600 out=20 ms=12.5 upstream=inner:80 upstream_ms=10.2 tries=2 connection=reused\n")


def test_json_line() -> None:
    made = account(status=502, reason='no "answer"', upstream="inner:80")
    fields = json.loads(line(made, is_json=True))
    assert fields["time"] == "2026-01-02T11:04:05.250+08:00"
    assert (fields["status"], fields["reason"], fields["connection"]) == (502, 'no "answer"', "new")
    assert "upstream" not in json.loads(line(account(), is_json=True))


def test_a_request_that_was_not_understood_has_a_line() -> None:
    assert '127.0.0.1 "- - -" 400 in=0 out=0 ms=12.5 reason="no Host"\n' in line(
        account(None, status=400, reason="no Host"))


@pytest.mark.parametrize("target, shown", [
    (b"/a\x80\"\\b", "/a\\x80\\x22\\x5cb"), (b"/" + b"a" * 3000, "/" + "a" * 2047), (b"/a?", "/a?[redacted]"),
])
def test_paths_are_escaped_and_bounded(target: bytes, shown: str) -> None:
    assert f'"GET {shown} HTTP/1.1"' in line(account(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n"))


@pytest.mark.parametrize("peer, forwarded, client", [
    ("203.0.113.1", "198.51.100.7", "203.0.113.1"),
    ("127.0.0.1", "198.51.100.7, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
    ("127.0.0.1", "10.0.0.2", "10.0.0.2"),
    ("127.0.0.1", "203.0.113.9, nonsense", "127.0.0.1"),
    ("127.0.0.1", "", "127.0.0.1"),
    ("fe80::1%eth0", "203.0.113.9", "fe80::1%eth0"),
])
def test_the_client_is_the_last_address_that_is_not_trusted(peer: str, forwarded: str, client: str) -> None:
    head = f"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {forwarded}\r\n".encode()
    assert f"web.access {client} " in line(account(head, peer))


def recorder(lines: Memory | None, metrics: Metrics) -> AccessLog:
    clock = SystemClock()
    counting = Counting(metrics, lambda: None, ())
    return AccessLog(clock, count=counting.count, layout=Layout(clock, TRUSTED, is_json=False), lines=lines)


def test_lines_are_written_soon_and_the_rest_at_the_end() -> None:
    memory = Memory()
    log = recorder(memory, Metrics())
    log.start()
    log.record(account())
    until(lambda: memory.data.count(b"\n") == 1)
    log.record(account())
    log.end()
    assert memory.data.count(b"\n") == 2
    log.reopen()
    assert memory.reopened == 1


def test_polling_is_counted_and_has_no_line() -> None:
    lines, metrics = Memory(), Metrics()
    log = recorder(lines, metrics)
    log.record(account(is_polling=True))
    log.flush()
    assert lines.data == b""
    log.record(account())
    log.flush()
    assert lines.data.count(b"\n") == 1
    assert 2 in [sample.value for sample in metrics.samples()]


def test_no_account_is_lost_while_many_threads_record() -> None:
    memory, metrics = Memory(), Metrics()
    log = recorder(memory, metrics)
    log.start()
    threads = [threading.Thread(target=lambda: [log.record(account()) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.end()
    assert memory.data.count(b"\n") == 2000
    assert {sample.series: sample.value for sample in metrics.samples()}[
        'wxsync_http_requests_total{class="2xx",by="wxsync"}'] == 2000


def test_a_writer_that_cannot_keep_up_is_waited_for() -> None:
    memory = Memory()
    memory.works = False
    log = recorder(memory, Metrics())
    made = account()
    for _ in range(20_000):
        log.record(made)
    assert memory.data.count(b"\n") == 20_000


def test_a_fault_in_counting_does_not_end_the_thread() -> None:
    calls: list[int] = []

    def count(accounts) -> None:
        calls.append(len(accounts))
        raise ValueError

    log = AccessLog(SystemClock(), count=count, layout=None, lines=None)
    log.start()
    until(lambda: len(calls) >= 2)
    with pytest.raises(ValueError):
        log.end()

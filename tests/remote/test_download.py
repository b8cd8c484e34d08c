"""A link becomes bytes and a name: redirects, refusals, broken transfers, bounds, and the stop."""

from __future__ import annotations

import contextlib
import gzip
import ipaddress
import random
import socket
import ssl
import threading
import time
import zlib
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.origin import Origin, answer, cut, endless, redirect, rest, silent, status
from tests.support.records import recorded
from tests.support.table_resolver import TableResolver
from wxsync.clock import SystemClock
from wxsync.errors import Bug, RemoteFault
from wxsync.remote.address import Guard, Verdict
from wxsync.remote.dialer import Dialer, Policy
from wxsync.remote.download.download import Downloads
from wxsync.remote.download.fault import DownloadFault, Kind
from wxsync.remote.http import HttpTransport, tls_context
from wxsync.remote.stop import Stopped

CERTS = Path(__file__).parents[1] / "data" / "tls"
DATA = random.Random(1).randbytes(300_000)
ETAG = 'ETag: "v1"'
NAMES = {"files.test": ["127.0.0.1"], "api.test": ["127.0.0.1"]}
ALLOWED = Guard(allow_hosts=("files.test", "api.test"))


class QuickClock(SystemClock):
    """Real time, but waits between tries are noted and not kept."""

    def __init__(self):
        self.waits = []

    def wait(self, event, timeout_s):
        self.waits.append(round(timeout_s, 1))
        return event.is_set()


def downloads(clock=None, *, guard=ALLOWED, names=None, max_bytes=10 << 20, min_rate=1, deadline_s=30, ca=True):
    clock = clock or QuickClock()
    dialer = Dialer(clock, TableResolver(names or NAMES), policy=Policy(guard=guard))
    tls = tls_context(str(CERTS / "ca.pem") if ca else "")
    transport = HttpTransport(dialer, clock, user_agent="wxsyncd/0", tls=tls)
    return Downloads(transport.session, clock, max_bytes=max_bytes, min_rate=min_rate, deadline_s=deadline_s)


def link(origin, path="/f", host="files.test"):
    return f"{origin.url.replace('127.0.0.1', host)}{path}"


def drained(download, block=50_000):
    data, buffer = bytearray(), memoryview(bytearray(block))
    with contextlib.closing(download):
        while count := download.readinto(buffer):
            data += buffer[:count]
        assert download.readinto(buffer) == 0
        assert download.received == len(data)
    return bytes(data)


def fetched(origin, path="/f", clock=None, **kwargs):
    return drained(downloads(clock, **kwargs).open(link(origin, path), threading.Event()))


def fault_of(origin, path="/f?token=hidden", clock=None, **kwargs):
    with recorded("remote") as records, pytest.raises(DownloadFault) as caught:
        fetched(origin, path, clock, **kwargs)
    assert "hidden" not in records.text() + str(caught.value)
    return caught.value


def server_tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(CERTS / "server.pem"))
    return context


def test_a_file_comes_with_its_name_and_its_length():
    disposition = "Content-Disposition: attachment; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf"
    with Origin({"/f": [answer(200, DATA, disposition)]}) as origin:
        download = downloads().open(link(origin, "/f?token=hidden"), threading.Event())
        assert (download.name, download.length, download.received) == ("报告.pdf", len(DATA), 0)
        assert download.shown_url == link(origin)
        assert drained(download) == DATA
        assert origin.asked("Accept-Encoding") == ["identity"]
        assert not origin.asked("Range")


def test_chunked_close_delimited_and_empty_files_come_whole():
    with Origin({
        "/chunks": [answer(200, b"3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=None)],
        "/close": [lambda peer, _: (peer.send(answer(200, b"until close", length=None)), peer.sock.close())],
        "/empty": [answer(200)],
    }) as origin:
        assert [fetched(origin, path) for path in ("/chunks", "/close", "/empty")] == [b"abc", b"until close", b""]


def test_reading_into_no_buffer_is_a_bug():
    with Origin({"/f": [answer(200, b"x")]}) as origin, pytest.raises(Bug):
        downloads().open(link(origin), threading.Event()).readinto(memoryview(b""))


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed_by_get_to_the_name_of_the_last_url(code):
    with Origin({"/f": [redirect("/a/../b b/%E6%8A%A5 报.txt?x=1#frag", code)],
                 "/b%20b/%E6%8A%A5%20%E6%8A%A5.txt": [answer(200, b"ok")]}) as origin:
        download = downloads().open(link(origin), threading.Event())
        assert (download.name, drained(download)) == ("报 报.txt", b"ok")
        assert origin.seen[1].line == "GET /b%20b/%E6%8A%A5%20%E6%8A%A5.txt?x=1 HTTP/1.1"


def test_a_folded_location_and_another_host_are_followed():
    with Origin({"/g": [answer(200, b"ok")]}) as goal, Origin({
        "/f": [answer(302, b"", f"Location:\r\n {link(goal, '/g', 'api.test')}")],
    }) as origin:
        assert fetched(origin) == b"ok"
        assert goal.asked("Host") == [f"api.test:{goal.port}"]


def test_eight_redirects_are_followed_and_nine_are_not():
    hops = {f"/{number}": [redirect(f"/{number + 1}")] for number in range(9)}
    with Origin({**hops, "/9": [answer(200, b"ok")]}) as origin:
        assert fetched(origin, "/1") == b"ok"
        assert fault_of(origin, "/0").kind is Kind.BAD_REDIRECT


@pytest.mark.parametrize(("location", "kind", "verdict"), [
    ("", Kind.BAD_REDIRECT, None),
    ("http://169.254.169.254/latest/", Kind.ADDRESS_REFUSED, Verdict.LINK_LOCAL),
    ("http://localhost/", Kind.ADDRESS_REFUSED, Verdict.LOCAL_NAME),
    ("http://127.0.0.1:1/", Kind.ADDRESS_REFUSED, Verdict.LOOPBACK),
    ("http://inner.test/", Kind.ADDRESS_REFUSED, Verdict.PRIVATE),
    ("http://mixed.test/", Kind.ADDRESS_REFUSED, Verdict.LOOPBACK),
    ("http://[::ffff:10.0.0.1]/", Kind.ADDRESS_REFUSED, Verdict.PRIVATE),
    ("http://0x7f.1/", Kind.ADDRESS_REFUSED, Verdict.BAD_HOST),
    ("http://[::1", Kind.ADDRESS_REFUSED, Verdict.BAD_HOST),
    ("file:///etc/passwd", Kind.ADDRESS_REFUSED, Verdict.BAD_SCHEME),
    ("https://", Kind.ADDRESS_REFUSED, Verdict.BAD_HOST),
    ("https:x", Kind.ADDRESS_REFUSED, Verdict.BAD_URL),
    ("http://u:p@files.test/", Kind.ADDRESS_REFUSED, Verdict.CREDENTIALS),
    ("\\\\169.254.169.254\\x", Kind.ADDRESS_REFUSED, Verdict.BAD_CHARACTER),
    ("http://files\t.test/", Kind.ADDRESS_REFUSED, Verdict.BAD_CHARACTER),
    ("/" + "x" * 9000, Kind.ADDRESS_REFUSED, Verdict.BAD_URL),
], ids=lambda value: str(value)[:30])
def test_a_redirect_is_checked_like_the_link(location, kind, verdict):
    names = {**NAMES, "inner.test": ["10.1.2.3"], "mixed.test": ["93.184.216.34", "127.0.0.1"]}
    with Origin({"/f": [redirect(location)]}) as origin:
        fault = fault_of(origin, names=names)
    assert (fault.kind, fault.verdict) == (kind, verdict)


def test_a_name_that_is_public_at_first_and_private_then_is_judged_at_each_dial():
    class Rebinding(TableResolver):
        def addresses(self, host, port, deadline, stop=None):
            found = super().addresses(host, port, deadline)
            self._rows["files.test"] = ["10.0.0.1"]
            return found

    clock = QuickClock()
    guard = Guard(allow_networks=(ipaddress.ip_network("127.0.0.0/8"),))
    dialer = Dialer(clock, Rebinding(dict(NAMES)), policy=Policy(guard=guard))
    transport = HttpTransport(dialer, clock, user_agent="x", tls=tls_context())
    whole = Downloads(transport.session, clock, max_bytes=99, min_rate=1, deadline_s=9)
    first = answer(302, b"", "Location: /g", "Connection: close")
    with Origin({"/f": [first], "/g": [answer(200)]}) as origin, pytest.raises(DownloadFault) as caught:
        whole.open(link(origin), threading.Event())
    assert (caught.value.kind, caught.value.verdict) == (Kind.ADDRESS_REFUSED, Verdict.PRIVATE)


def test_from_https_the_way_leads_to_https_only():
    with Origin({"/g": [answer(200, b"ok")]}, tls=server_tls()) as secure, Origin({"/g": [answer(200)]}) as plain:
        with Origin({"/f": [redirect(link(secure, "/g", "api.test"))]}) as origin:
            assert fetched(origin) == b"ok"
        with Origin({"/f": [redirect(link(plain, "/g", "api.test"))]}, tls=server_tls()) as origin:
            whole = downloads()
            with pytest.raises(DownloadFault, match="from https to http") as caught:
                whole.open(link(origin, host="api.test"), threading.Event())
            assert (caught.value.kind, plain.seen) == (Kind.BAD_REDIRECT, [])


def test_an_unknown_certificate_is_told_as_such_and_not_tried_again():
    clock = QuickClock()
    with Origin({"/f": [answer(200)]}, tls=server_tls()) as origin:
        fault = fault_of(origin, clock=clock, ca=False)
        assert (fault.kind, fault.host, clock.waits, origin.connections) == (Kind.TLS, "files.test", [], 1)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1/", "http://a b/", "x", ""])
def test_a_link_that_may_not_be_opened_is_refused(url):
    with pytest.raises(DownloadFault) as caught:
        downloads().open(url, threading.Event())
    assert caught.value.kind is Kind.ADDRESS_REFUSED
    assert caught.value.verdict


@pytest.mark.parametrize(("code", "kind"), [
    (404, Kind.NOT_FOUND), (410, Kind.NOT_FOUND), (401, Kind.DENIED), (403, Kind.DENIED), (451, Kind.DENIED),
    (400, Kind.STATUS), (416, Kind.STATUS), (500, Kind.STATUS), (204, Kind.STATUS), (205, Kind.STATUS),
    (206, Kind.STATUS), (304, Kind.STATUS), (300, Kind.STATUS), (305, Kind.STATUS), (202, Kind.STATUS)])
def test_a_status_that_brings_no_file_ends_the_download_at_once(code, kind):
    clock = QuickClock()
    with Origin({"/f": [status(code, "Location: /g") if code == 305 else status(code)]}) as origin:
        fault = fault_of(origin, clock=clock)
        assert (fault.kind, fault.status, fault.host, len(origin.seen), clock.waits) == (
            kind, code, "files.test", 1, [])


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_a_busy_origin_is_asked_three_times_more(code):
    clock = QuickClock()
    with Origin({"/f": [status(code), status(code), status(code), answer(200, b"ok")]}) as origin:
        assert fetched(origin, clock=clock) == b"ok"
        assert clock.waits == [1, 2, 4]
    clock = QuickClock()
    with Origin({"/f": [status(code)]}) as origin:
        fault = fault_of(origin, clock=clock)
        assert (fault.kind, fault.status, len(origin.seen), clock.waits) == (Kind.BUSY, code, 4, [1, 2, 4])


def test_a_busy_origin_says_how_long_in_seconds_or_as_a_date():
    clock = QuickClock()
    dates = ("Retry-After: Wed, 21 Oct 2015 07:28:09 GMT", "Date: Wed, 21 Oct 2015 07:28:00 GMT")
    with Origin({"/f": [status(503, "Retry-After: 7"), status(503, *dates), status(503, "Retry-After: soon"),
                        answer(200, b"ok")]}) as origin:
        assert fetched(origin, clock=clock) == b"ok"
    assert clock.waits == [7, 9, 4]


def test_a_wait_beyond_the_deadline_is_not_begun():
    clock = QuickClock()
    with Origin({"/f": [status(503, "Retry-After: 3600")]}) as origin:
        assert (fault_of(origin, clock=clock).kind, clock.waits) == (Kind.BUSY, [])


def test_an_origin_that_asks_for_an_hour_is_not_waited_for():
    clock = QuickClock()
    with Origin({"/f": [status(503, "Retry-After: 3600")]}) as origin, pytest.raises(DownloadFault) as caught:
        downloads(clock, deadline_s=7200).open(link(origin), threading.Event())
    assert (caught.value.kind, clock.waits) == (Kind.BUSY, [])


def test_a_refused_connection_is_tried_again():
    clock = QuickClock()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(DownloadFault) as caught:
            downloads(clock).open(f"http://files.test:{closed.getsockname()[1]}/", threading.Event())
    assert (caught.value.kind, caught.value.host, clock.waits) == (Kind.UNREACHABLE, "files.test", [1, 2, 4])


def test_a_connection_that_ends_without_an_answer_is_tried_again():
    with Origin({"/f": [lambda peer, _: peer.sock.close(), answer(200, b"ok")]}) as origin:
        assert fetched(origin) == b"ok"


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("validator", [ETAG, "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_broken_transfer_is_taken_up_where_it_broke(reset, validator):
    with Origin({"/f": [cut(DATA, 100_000, validator, reset=reset), rest(DATA, validator, until=200_000, reset=reset),
                        rest(DATA, validator)]}) as origin:
        assert fetched(origin) == DATA
        assert origin.asked("Range") == ["bytes=100000-", "bytes=200000-"]
        assert origin.asked("If-Range") == [validator.partition(": ")[2]] * 2


def test_a_transfer_that_broke_before_its_first_byte_begins_again():
    with Origin({"/f": [cut(DATA, 0), answer(200, DATA)]}) as origin:
        assert fetched(origin) == DATA
        assert not origin.asked("Range")


def test_a_range_that_is_shorter_than_asked_for_is_no_end():
    def short(peer, _):
        peer.send(answer(206, DATA[1000:2000], ETAG, f"Content-Range: bytes 1000-1999/{len(DATA)}"))

    with Origin({"/f": [cut(DATA, 1000, ETAG), short, rest(DATA, ETAG)]}) as origin:
        assert fetched(origin) == DATA
        assert origin.asked("Range") == ["bytes=1000-", "bytes=2000-"]


@pytest.mark.parametrize("fields", [(), ('ETag: W/"v1"',), (ETAG, "Accept-Ranges: none")])
def test_without_a_sure_version_a_broken_transfer_is_cut_short(fields):
    with Origin({"/f": [cut(DATA, 1000, *fields)]}) as origin:
        assert (fault_of(origin).kind, len(origin.seen)) == (Kind.CUT_SHORT, 1)


def test_five_resumes_are_made_and_not_more():
    clock = QuickClock()
    steps = [rest(DATA, ETAG, until=1000 * (number + 2)) for number in range(6)]
    with Origin({"/f": [cut(DATA, 1000, ETAG), *steps]}) as origin:
        assert (fault_of(origin, clock=clock).kind, len(origin.seen)) == (Kind.CUT_SHORT, 6)
    assert clock.waits == [1, 2, 4, 4]


@pytest.mark.parametrize("second", [
    answer(200, DATA, 'ETag: "v2"'),
    answer(200, DATA, ETAG),
    answer(206, DATA[1000:], 'ETag: "v2"', f"Content-Range: bytes 1000-{len(DATA) - 1}/{len(DATA)}"),
    answer(206, DATA[1000:], ETAG, f"Content-Range: bytes 999-{len(DATA) - 1}/{len(DATA)}"),
    answer(206, DATA[1000:], ETAG, f"Content-Range: bytes 1000-{len(DATA)}/{len(DATA) + 1}"),
    answer(206, DATA[1000:], ETAG), answer(206, DATA[1000:], ETAG, "Content-Range: bytes 1000-x/*"),
    answer(206, DATA[1000:], ETAG, "Content-Encoding: gzip", f"Content-Range: bytes 1000-2/{len(DATA)}"),
    status(416), status(412)])
def test_another_version_is_never_mixed_in(second):
    with Origin({"/f": [cut(DATA, 1000, ETAG), second]}) as origin:
        assert fault_of(origin).kind is Kind.CHANGED


def test_another_version_before_the_first_byte_is_told_too():
    with Origin({"/f": [cut(DATA, 0, ETAG), answer(200, DATA, 'ETag: "v2"')]}) as origin:
        assert fault_of(origin).kind is Kind.CHANGED


def test_more_than_the_range_promised_is_refused():
    more = answer(206, DATA[1000:] + b"more", ETAG, f"Content-Range: bytes 1000-{len(DATA) - 1}/{len(DATA)}")
    with Origin({"/f": [cut(DATA, 1000, ETAG), more]}) as origin:
        assert fault_of(origin).kind is Kind.BAD_ANSWER


def test_a_file_that_vanishes_in_the_middle_is_told_as_such():
    with Origin({"/f": [cut(DATA, 1000, ETAG), status(404)]}) as origin:
        assert fault_of(origin).kind is Kind.NOT_FOUND


def test_a_chunked_transfer_is_resumed_and_its_whole_length_learned():
    def chunks(peer, _):
        peer.send(answer(200, b"%x\r\n%b\r\n" % (1000, DATA[:1000]), "Transfer-Encoding: chunked", ETAG, length=None))
        peer.sock.close()

    with Origin({"/f": [chunks, rest(DATA, ETAG, until=5000), rest(DATA, ETAG)]}) as origin:
        assert fetched(origin) == DATA


@pytest.mark.parametrize("raw", [b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
                                 b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"no colon\r\n\r\n"])
def test_broken_framing_is_a_bad_answer(raw):
    with Origin({"/f": [b"HTTP/1.1 200 OK\r\n" + ETAG.encode() + b"\r\n" + raw]}) as origin:
        assert fault_of(origin).kind is Kind.BAD_ANSWER


def test_max_bytes_holds_for_what_is_announced_and_for_what_comes():
    chunked = answer(200, b"3e8\r\n" + DATA[:1000] + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=None)
    with Origin({"/f": [chunked], "/long": [answer(200, b"", length=1001)], "/fits": [answer(200, DATA[:1000])]}
                ) as origin:
        for path, limit in (("/long", 1000), ("/f", 999)):
            fault = fault_of(origin, path, max_bytes=limit)
            assert (fault.kind, fault.limit) == (Kind.TOO_LARGE, limit)
        assert fetched(origin, max_bytes=1000) == DATA[:1000]
        assert fetched(origin, "/fits", max_bytes=1000) == DATA[:1000]


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(("coding", "body"), [
    ("gzip", gzip.compress(DATA)), ("X-Gzip", gzip.compress(DATA)), ("deflate", zlib.compress(DATA)),
    ("deflate", raw_deflate(DATA)), ("gzip", gzip.compress(DATA[:1000]) + gzip.compress(DATA[1000:])),
    ("gzip", gzip.compress(DATA) + bytes(600)), ("identity", DATA)])
def test_codings_are_taken_off(coding, body):
    with Origin({"/f": [answer(200, body, f"Content-Encoding: {coding}")]}) as origin:
        download = downloads().open(link(origin), threading.Event())
        assert download.length == (len(DATA) if coding == "identity" else None)
        assert drained(download, 1000) == DATA


def test_what_a_small_input_means_comes_out_whole_and_padding_behind_it_is_dropped():
    body = gzip.compress(bytes(100_000)) + bytes(200_000)
    with Origin({"/f": [answer(200, body, "Content-Encoding: gzip")]}) as origin:
        assert drained(downloads().open(link(origin), threading.Event()), 7) == bytes(100_000)
    stored = zlib.compress(b"", 0)
    with Origin({"/f": [answer(200, stored, "Content-Encoding: deflate")]}) as origin:
        assert fetched(origin) == b""


def test_coded_bytes_that_mean_nothing_end_at_the_bound_too():
    head = answer(200, b"", "Content-Encoding: gzip", length=None)
    with Origin({"/f": [endless(head, gzip.compress(b"") * 3000)]}) as origin:
        assert fault_of(origin, max_bytes=1000).kind is Kind.TOO_LARGE


def test_codings_are_taken_off_byte_by_byte_and_a_file_of_nothing_stays_so():
    def drip(body):
        pieces = b"".join(b"1\r\n%b\r\n" % body[at:at + 1] for at in range(len(body))) + b"0\r\n\r\n"
        return lambda coding: answer(200, pieces, "Transfer-Encoding: chunked", f"Content-Encoding: {coding}",
                                     length=None)

    text = bytes(range(256)) * 4
    for coding, body in (("gzip", gzip.compress(text)), ("deflate", raw_deflate(text)),
                         ("deflate", zlib.compress(text)), ("gzip", b"")):
        with Origin({"/f": [drip(body)(coding)]}) as origin:
            assert fetched(origin) == (text if body else b"")


def test_a_coded_transfer_is_resumed_in_its_coded_bytes():
    body, coded = gzip.compress(DATA), "Content-Encoding: gzip"
    with Origin({"/f": [cut(body, 1000, ETAG, coded), rest(body, ETAG, coded)]}) as origin:
        assert fetched(origin) == DATA


@pytest.mark.parametrize(("coding", "body", "kind"), [
    ("br", DATA, Kind.BAD_ANSWER), ("gzip, gzip", DATA, Kind.BAD_ANSWER), ("gzip", DATA, Kind.BAD_ANSWER),
    ("deflate", DATA, Kind.BAD_ANSWER), ("gzip", gzip.compress(DATA)[:-1], Kind.BAD_ANSWER),
    ("gzip", gzip.compress(DATA)[:-4] + b"abcd", Kind.BAD_ANSWER),
    ("gzip", gzip.compress(bytes(64 << 20)), Kind.TOO_LARGE),
    ("gzip", gzip.compress(b"") * 100_000, Kind.TOO_LARGE),
], ids=["br", "twice", "no gzip", "no deflate", "cut", "checksum", "bomb", "nothing, often"])
def test_what_does_not_decode_or_grows_too_large_is_refused(coding, body, kind):
    with Origin({"/f": [answer(200, body, f"Content-Encoding: {coding}")]}) as origin:
        assert fault_of(origin, max_bytes=400_000 if kind is Kind.TOO_LARGE else 10 << 20).kind is kind


def test_a_drip_is_too_slow_after_a_minute_and_a_slow_reader_is_not():
    clock = FakeClock()

    def minutely(peer, _):
        peer.send(answer(200, b"", length=100_000))
        for _ in range(40):
            time.sleep(0.01)
            clock.advance(20)
            peer.send(b"x" * 10)

    with Origin({"/f": [minutely]}) as origin:
        fault = fault_of(origin, clock=clock, min_rate=1000, deadline_s=9999)
    assert (fault.kind, fault.limit) == (Kind.SLOW, 1000)

    clock = FakeClock()
    with Origin({"/f": [answer(200, DATA)]}) as origin:
        download = downloads(clock, min_rate=100_000, deadline_s=9999).open(link(origin), threading.Event())
        buffer, total = memoryview(bytearray(10_000)), 0
        while count := download.readinto(buffer):
            clock.advance(25)
            total += count
        download.close()
    assert total == len(DATA)


def test_the_deadline_holds_for_a_drip_and_for_what_never_ends():
    for length in (None, 1 << 20):
        with Origin({"/f": [endless(answer(200, b"", length=length), b"x", 0.02)]}) as origin:
            started = time.monotonic()
            assert fault_of(origin, deadline_s=0.5).kind is Kind.TIMED_OUT
            assert time.monotonic() - started < 3


def test_what_never_ends_ends_at_max_bytes():
    with Origin({"/f": [endless(answer(200, b"", length=None), bytes(65536))]}) as origin:
        assert fault_of(origin).kind is Kind.TOO_LARGE


def test_a_slow_head_ends_at_the_deadline():
    with Origin({"/f": [silent(b"HTTP/1.1 2")]}) as origin:
        assert fault_of(origin, deadline_s=0.3).kind is Kind.TIMED_OUT


@pytest.mark.parametrize("phase", ["head", "body", "pause", "dial"])
def test_stop_ends_each_phase_within_two_seconds(phase):
    plays = {"head": silent(), "body": silent(answer(200, b"abc", length=10)),
             "pause": status(503, "Retry-After: 20"), "dial": answer(200)}
    stop = threading.Event()
    with contextlib.ExitStack() as stack:
        origin = stack.enter_context(Origin({"/f": [plays[phase]]}))
        hole = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        url = link(origin)
        if phase == "dial":
            for _ in range(4):  # a full queue answers no further attempt
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(hole.getsockname())
            url = f"http://files.test:{hole.getsockname()[1]}/"
        timer = threading.Timer(0.2, stop.set)
        started = time.monotonic()
        timer.start()
        with pytest.raises(Stopped):
            drained(downloads(SystemClock()).open(url, stop))
        assert 0.2 <= time.monotonic() - started < 2.2
        timer.join()


def test_a_try_that_failed_after_a_long_wait_is_not_repeated():
    clock = FakeClock()

    class Tired:
        def dial(self, host, port, deadline, *, stop=None):
            clock.advance(11)
            raise RemoteFault("cannot connect", temporary=True)

    transport = HttpTransport(Tired(), clock, user_agent="x", tls=tls_context())
    whole = Downloads(transport.session, clock, max_bytes=9, min_rate=1, deadline_s=99)
    with pytest.raises(DownloadFault) as caught:
        whole.open("http://a.test/", threading.Event())
    assert (caught.value.kind, clock.monotonic()) == (Kind.UNREACHABLE, 11)


def test_raw_bytes_of_another_charset_in_a_location_are_kept():
    with Origin({"/f": [answer(302, b"", "Location: /\xb1\xa8")], "/%B1%A8": [answer(200, b"ok")]}) as origin:
        download = downloads().open(link(origin), threading.Event())
        assert (download.name, drained(download)) == ("报", b"ok")


def test_a_silence_in_the_body_without_a_sure_version_is_slow():
    class Impatient:
        def __init__(self, session):
            self._session = session
            self.close = session.close

        def open(self, request, *, deadline):
            return self._session.open(request, deadline=deadline, silence_s=0.2)

    clock = QuickClock()
    dialer = Dialer(clock, TableResolver(NAMES), policy=Policy(guard=ALLOWED))
    transport = HttpTransport(dialer, clock, user_agent="x", tls=tls_context())
    whole = Downloads(lambda stop: Impatient(transport.session(stop)), clock, max_bytes=99, min_rate=7, deadline_s=9)
    with Origin({"/f": [silent(answer(200, b"abc", length=10))]}) as origin, pytest.raises(DownloadFault) as caught:
        drained(whole.open(link(origin), threading.Event()))
    assert (caught.value.kind, caught.value.limit) == (Kind.SLOW, 7)

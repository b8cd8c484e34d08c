"""A file on its way to QingStor: what is stored, in how many requests, how it ends when something breaks."""

from __future__ import annotations

import hashlib
import threading
import time
from datetime import timedelta

import pytest

from tests.support.plain_client import call
from tests.support.records import recorded
from tests.support.upload_site import LEAST, Bytes, HastyClock, Site, content_of, direct_sessions
from wxsync.clock import SystemClock
from wxsync.errors import RemoteFault
from wxsync.remote.qingstor.faults import Kind, QingStorFault
from wxsync.remote.stop import Stopped

PART = "part_number="


@pytest.fixture
def site():
    before = set(threading.enumerate())
    made = Site()
    yield made
    uploading = [each for each in threading.enumerate() if each not in before and each.name.startswith("upload")]
    assert uploading == []
    made.close()


def fault_of(site, source, **bucket):
    with pytest.raises(QingStorFault) as caught:
        site.run(source, **bucket)
    return caught.value


def assert_nothing_left(site):
    assert site.store.open_uploads() == []
    assert site.objects == {}


@pytest.mark.parametrize("size", [0, 1, LEAST - 1, LEAST])
@pytest.mark.parametrize("is_announced", [True, False])
def test_what_fits_one_part_is_one_plain_put(site, size, is_announced):
    content = content_of(size)
    done = site.run(Bytes(content, is_announced=is_announced))
    assert (done.size, done.sha256) == (size, hashlib.sha256(content).hexdigest())
    assert site.objects == {"k.bin": content}
    assert [request.method for request in site.server.seen()] == ["PUT", "HEAD"]
    headers = site.store.buckets["tmp"].objects["k.bin"].headers
    assert headers["content-type"] == "a/b"
    assert headers["content-disposition"].endswith("filename*=UTF-8''%E5%90%8D.bin")
    assert (site.ids, site.progress[-1:]) == ([], [size] if size else [])


@pytest.mark.parametrize("size", [LEAST + 1, 2 * LEAST - 1, 2 * LEAST, 2 * LEAST + 1, 5 * LEAST + 7])
@pytest.mark.parametrize("is_announced", [True, False])
@pytest.mark.parametrize("step", [1 << 18, 1 << 30])
def test_more_goes_in_parts_of_the_right_size(site, size, is_announced, step):
    content = content_of(size)
    done = site.run(Bytes(content, is_announced=is_announced, step=step))
    assert (done.size, done.sha256) == (size, hashlib.sha256(content).hexdigest())
    assert site.objects == {"k.bin": content}
    parts, rest = site.server.seen("PUT", PART), size % LEAST
    sizes = [LEAST] * (size // LEAST) + ([rest] if rest else [])
    assert sorted(request.received.size for request in parts) == sorted(sizes)
    assert site.store.open_uploads() == []
    assert len(site.ids) == 1
    assert site.progress == sorted(site.progress)
    assert site.progress[-1] == size


def test_the_upload_id_is_told_before_the_first_part_goes(site):
    seen = []

    def note(upload_id):
        seen.append((upload_id, site.store.open_uploads(), len(site.server.seen("PUT"))))

    site.ids = type("Ids", (list,), {"append": lambda self, each: note(each)})()
    site.run(Bytes(content_of(LEAST + 1)))
    ((told, is_open, parts),) = seen
    assert ([told], parts) == (is_open, 0)


def test_the_first_part_goes_while_the_second_still_comes_in(site):
    def wait(offset):
        if offset > LEAST + 10:
            site.server.wait_seen("PUT", "part_number=0", count=1)

    site.run(Bytes(content_of(LEAST + (1 << 20)), is_announced=False, step=1 << 18, before_read=wait))


@pytest.mark.parametrize(("method", "path"), [
    ("PUT", PART), ("POST", "uploads"), ("POST", "upload_id"), ("HEAD", "k.bin")])
@pytest.mark.parametrize("what", [503, 429, "reset", "close", "reset-midway"])
def test_what_fails_for_a_while_is_tried_again(site, method, path, what):
    site.server.fail_next(path, what, 2, method=method)
    content = content_of(3 * LEAST)
    site.run(Bytes(content))
    assert (site.objects, site.store.open_uploads()) == ({"k.bin": content}, [])
    # Two workers may meet one fault each; a connection that was kept is tried anew without a pause.
    assert 1 <= len(site.clock.pauses) <= 2


def test_pauses_are_one_two_and_four_seconds_and_then_it_fails(site):
    site.server.fail_next("k.bin", 503, 4)
    fault = fault_of(site, Bytes(b"x"))
    assert (fault.kind, fault.temporary, fault.status) == (Kind.UNAVAILABLE, True, 503)
    assert [round(each, 3) for each in site.clock.pauses] == [1.125, 2.25, 4.5]
    assert_nothing_left(site)


def test_each_try_is_signed_for_its_own_time(site):
    site.clock = type("Leaping", (HastyClock,), {"now": lambda self: SystemClock.now(self) + timedelta(
        seconds=100 * len(self.pauses))})()
    site.server.fail_next("k.bin", 503, 2, method="PUT")
    site.run(Bytes(b"x"))
    assert len({request.headers["date"] for request in site.server.seen("PUT")}) == 3


def test_an_answer_without_end_is_a_fault(site):
    site.server.fail_next("k.bin", 503, 4, method="PUT", body=b"x" * ((1 << 20) + 1))
    fault = fault_of(site, Bytes(b"x"))
    assert (fault.kind, "too large" in fault.what) == (Kind.UNREACHABLE, True)
    assert_nothing_left(site)


def test_retry_after_is_heeded_and_too_long_a_one_ends_it(site):
    site.server.fail_next("k.bin", 503, headers=(("Retry-After", "9"),))
    site.run(Bytes(b"x"))
    assert [round(each, 3) for each in site.clock.pauses] == [9.125]
    site.server.fail_next("k.bin", 503, headers=(("Retry-After", "3600"),), method="PUT")
    assert fault_of(site, Bytes(b"x")).retry_after_s == 3600


@pytest.mark.parametrize("size", [5, 3 * LEAST])
@pytest.mark.parametrize(("prepare", "bucket", "kind"), [
    (lambda site: None, {"secret": "wrong"}, Kind.KEY_WRONG),
    (lambda site: None, {"name": "none"}, Kind.BUCKET_MISSING),
    (lambda site: setattr(site.store, "skew_s", 1000), {}, Kind.CLOCK),
    (lambda site: setattr(site.store.buckets["tmp"], "quota", 3), {}, Kind.QUOTA)])
def test_refusals_end_at_once_and_say_what_is_wrong(site, size, prepare, bucket, kind):
    prepare(site)
    fault = fault_of(site, Bytes(content_of(size)), **bucket)
    assert fault.kind is kind
    assert site.clock.pauses == []
    if kind is Kind.CLOCK:
        assert -1003 < fault.skew_s < -997
    site.store.skew_s = 0
    assert_nothing_left(site)
    assert not site.ids or site.ids[-1] == ""


def test_an_etag_of_other_bytes_makes_the_part_go_again(site):
    site.store.wrong_etags = 2
    content = content_of(3 * LEAST)
    site.run(Bytes(content))
    assert site.objects == {"k.bin": content}
    assert len(site.server.seen("PUT", PART)) == 5


def test_etags_that_stay_wrong_fail(site):
    site.store.wrong_etags = 100
    assert fault_of(site, Bytes(content_of(3 * LEAST))).kind is Kind.CORRUPT
    assert_nothing_left(site)


@pytest.mark.parametrize("offset", [0, 100, LEAST, 2 * LEAST + 5, 5 * LEAST])
@pytest.mark.parametrize("is_announced", [True, False])
def test_a_source_that_breaks_leaves_nothing(site, offset, is_announced):
    def break_there(at):
        if at >= offset:
            raise RemoteFault("the origin broke")

    with pytest.raises(RemoteFault, match="the origin broke"):
        site.run(Bytes(content_of(5 * LEAST), is_announced=is_announced, step=1 << 19, before_read=break_there))
    assert_nothing_left(site)
    assert not site.ids or site.ids[-1] == ""


@pytest.mark.parametrize("size", [10, LEAST, LEAST + 10])
@pytest.mark.parametrize("difference", [-1, 1])
def test_a_source_of_another_length_than_announced_is_no_success(site, size, difference):
    with pytest.raises(RemoteFault, match="another length"):
        site.run(Bytes(content_of(size), length=size + difference))
    assert_nothing_left(site)


def test_a_lost_answer_to_the_completion_is_looked_up(site):
    site.server.fail_next("upload_id", "reset", method="POST", after=True)
    content = content_of(LEAST + 5)
    site.run(Bytes(content))
    assert (site.objects, site.store.open_uploads()) == ({"k.bin": content}, [])
    assert len(site.server.seen("POST", "upload_id")) == 2


def test_a_refused_completion_is_no_success(site):
    site.server.fail_next("upload_id", 400, method="POST", body=b'{"code": "entity_too_small"}')
    assert fault_of(site, Bytes(content_of(LEAST + 5))).code == "entity_too_small"
    assert_nothing_left(site)


def test_an_upload_that_vanished_before_its_completion_is_no_success(site):
    def drop(offset):
        if offset >= LEAST + 5:
            site.store.buckets["tmp"].uploads.clear()

    fault = fault_of(site, Bytes(content_of(LEAST + 5), before_read=drop))
    assert fault.kind in (Kind.UPLOAD_MISSING, Kind.OBJECT_MISSING)
    assert_nothing_left(site)


@pytest.mark.parametrize("ends_well", [True, False])
def test_an_upload_whose_id_was_lost_on_the_way_is_dropped_too(site, ends_well):
    site.server.fail_next("uploads", "reset", 1 if ends_well else 9, method="POST", after=True)
    content = content_of(LEAST + 5)
    if ends_well:
        site.run(Bytes(content))
        assert site.objects == {"k.bin": content}
    else:
        assert fault_of(site, Bytes(content)).kind is Kind.UNREACHABLE
        assert site.objects == {}
    assert len(site.server.seen("POST", "uploads")) == (2 if ends_well else 4)
    assert site.store.open_uploads() == []


def test_an_object_of_another_size_is_deleted(site):
    site.server.fail_next("k.bin", 200, method="HEAD", headers=(("Content-Length", "3"),))
    assert fault_of(site, Bytes(b"four")).kind is Kind.CORRUPT
    assert_nothing_left(site)


class Crashing:
    """A session that breaks in an unforeseen way when it is to send a part."""

    def __init__(self, session):
        self._session = session

    def open(self, request, **limits):
        if PART in request.url:
            raise ZeroDivisionError("worker")
        return self._session.open(request, **limits)

    def close(self):
        self._session.close()


def test_a_worker_that_crashes_ends_the_upload_and_leaves_nothing(site):
    real = site.sessions
    site.sessions = lambda stop: Crashing(real(stop))
    with pytest.raises(ZeroDivisionError, match="worker"):
        site.run(Bytes(content_of(6 * LEAST)))
    assert_nothing_left(site)


def test_a_store_that_cannot_write_the_upload_id_ends_it(site):
    def refuse(upload_id):
        if upload_id:
            raise OSError("disk full")

    site.ids = type("Ids", (list,), {"append": lambda self, each: refuse(each)})()
    with pytest.raises(OSError, match="disk full"):
        site.run(Bytes(content_of(LEAST + 1)))
    assert_nothing_left(site)


PHASES = {
    "initiate": ("POST", "uploads"), "parts": ("PUT", PART), "complete": ("POST", "upload_id"),
    "size": ("HEAD", "k.bin"),
}


@pytest.mark.parametrize("phase", [*PHASES, "put", "pause", "reading"])
def test_a_stop_ends_it_within_two_seconds_in_each_phase(site, phase):
    site.clock = SystemClock()
    size = 10 if phase == "put" else 6 * LEAST
    reached = threading.Event()
    source = Bytes(content_of(size))
    if phase == "pause":
        site.server.fail_next(PART, 503, 9, headers=(("Retry-After", "30"),))
        wait = lambda: site.server.wait_seen("PUT", PART)  # noqa: E731
    elif phase == "reading":
        def hang(offset):
            if offset > LEAST:
                reached.set()
                if site.stop.wait(10):
                    raise Stopped("stopped")

        source = Bytes(content_of(size), before_read=hang)
        wait = lambda: reached.wait(10)  # noqa: E731
    else:
        method, path = PHASES.get(phase, ("PUT", "k.bin"))
        site.server.fail_next(path, "hang", 9, method=method, after=True)
        wait = lambda: site.server.wait_seen(method, path)  # noqa: E731
    took = []

    def end():
        wait()
        took.append(time.monotonic())
        site.stop.set()

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(Stopped):
        site.run(source)
    assert time.monotonic() - took[0] < 2
    thread.join()
    assert_nothing_left(site)


def test_a_stop_beats_a_service_that_hangs_altogether(site):
    site.clock = SystemClock()
    site.server.fail_next(PART, "hang", 99)
    site.server.fail_next("upload_id", "hang", 99, method="DELETE")
    timer = threading.Timer(1, site.stop.set)
    timer.start()
    started = time.monotonic()
    with recorded("jobs.upload") as told, pytest.raises(Stopped):
        site.run(Bytes(content_of(6 * LEAST)))
    assert time.monotonic() - started < 3
    (left,) = site.store.open_uploads()
    assert [fields["upload"] for fields in told.fields("multipart upload left open")] == [left]
    assert site.ids == [left]  # the store still knows it
    site.server.faults.clear()
    site.stop.clear()
    site.transfer().clean_up("k.bin", left, stop=site.stop)
    assert_nothing_left(site)


def test_a_stop_while_it_takes_away_what_a_failure_left_makes_it_hurry(site):
    site.clock = SystemClock()
    site.server.fail_next(PART, 400, 9)
    site.server.fail_next("upload_id", "hang", method="DELETE")
    thread = threading.Thread(target=lambda: site.server.wait_seen("DELETE", "upload_id") and site.stop.set())
    thread.start()
    started = time.monotonic()
    assert fault_of(site, Bytes(content_of(3 * LEAST))).status == 400
    assert time.monotonic() - started < 3
    thread.join()
    assert_nothing_left(site)


def test_an_abort_is_tried_again(site):
    site.server.fail_next(PART, 400, 9)
    site.server.fail_next("upload_id", 503, 3, method="DELETE")
    fault_of(site, Bytes(content_of(3 * LEAST)))
    assert_nothing_left(site)


@pytest.mark.parametrize("knows_id", [True, False])
def test_after_a_crash_everything_of_that_key_goes(site, knows_id):
    sender, bucket = site.sessions(threading.Event()), site.bucket()
    ids = {}
    for key in ("k.bin", "k.bin", "k.bin2"):
        call_ = bucket.initiate(key, content_type="", name="")
        ids.setdefault(key, []).append(
            bucket.result(call_, sender.send(bucket.request(call_, site.clock.now())), site.clock.now()))
    sender.close()
    if knows_id:
        site.store.buckets["tmp"].uploads.pop(ids["k.bin"].pop())
    site.run(Bytes(b"x"))
    for _ in range(2):
        site.transfer().clean_up("k.bin", ids["k.bin"][0] if knows_id else "", stop=site.stop)
    assert (site.store.open_uploads(), site.objects) == (ids["k.bin2"], {})


def test_cleaning_up_says_when_it_cannot(site):
    site.store.skew_s = 1000
    with pytest.raises(QingStorFault):
        site.transfer().clean_up("k.bin", "u", stop=site.stop)


def test_a_public_object_gets_its_plain_link(site):
    site.run(Bytes(b"bytes"))
    link = site.transfer().link("k.bin", stop=site.stop)
    assert (link.url, link.until) == (f"{site.store.url}/tmp/k.bin", None)
    assert call(site.server.port, "GET", "/tmp/k.bin").body == b"bytes"


@pytest.mark.parametrize("what", ["private", "unknown"])
def test_any_other_gets_a_link_that_opens_for_some_days(site, what):
    site.run(Bytes(b"bytes"))
    site.store.buckets["tmp"].is_public = False
    if what == "unknown":
        site.server.fail_next("k.bin", 503, 9, method="HEAD")
    link = site.transfer().link("k.bin", stop=site.stop)
    assert timedelta(days=6.99) < link.until - site.clock.now() <= timedelta(days=7)
    assert link.until.microsecond == 0
    assert "signature" not in repr(link)
    assert call(site.server.port, "GET", link.url[len(site.store.url):]).body == b"bytes"


def test_workers_keep_their_connections(site):
    made = []
    real = site.sessions
    site.sessions = lambda stop: made.append(stop) or real(stop)
    site.run(Bytes(content_of(12 * LEAST)))
    assert len(made) == site.workers + 1


def test_buffers_are_bounded_whatever_the_size_is(site):
    site.server.fail_next(PART, "hang", 99)
    source = Bytes(content_of(20 * LEAST))

    def run():
        with pytest.raises(Stopped):
            site.run(source)

    thread = threading.Thread(target=run)
    thread.start()
    site.server.wait_seen("PUT", PART, count=site.workers)
    deadline = time.monotonic() + 5
    while source.offset < (site.workers + 1) * LEAST and time.monotonic() < deadline:
        time.sleep(0.01)
    assert source.offset == (site.workers + 1) * LEAST
    site.stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_slow_line_has_time_for_what_the_kernel_still_holds(site):
    """All of a part is in the kernel long before it has arrived; the wait for its answer begins there."""
    told = []

    def sessions(stop):
        session = direct_sessions()(stop)
        carried = session.open
        session.open = lambda request, **bounds: told.append((request.method, bounds)) or carried(request, **bounds)
        return session

    site.sessions = sessions
    site.run(Bytes(content_of(LEAST)))
    waits = {method: bounds["silence_s"] for method, bounds in told}
    assert waits == {"PUT": 30 + 64, "HEAD": 30}

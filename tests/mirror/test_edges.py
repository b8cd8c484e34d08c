"""What registries seldom do: answers lost at odd moments, oversized things, fields that lack."""

from __future__ import annotations

import json
import threading
from urllib.parse import quote

import pytest

from tests.mirror.conftest import item
from tests.support.shelf import Shelf, noise
from wxsync.clock import SystemClock
from wxsync.jobs.mirror.failure import SourceBroke
from wxsync.jobs.mirror.patience import Patience
from wxsync.jobs.mirror.stream import MARK_EVERY, Stream
from wxsync.jobs.mirror.tally import Tally
from wxsync.jobs.progress import Progress
from wxsync.remote.registry.manifest import Descriptor
from wxsync.remote.registry.repository import Blob
from wxsync.sandbox.registry.answers import error_body
from wxsync.sandbox.registry.images import digest_of, made
from wxsync.sandbox.registry.stand_in import Slip

LARGE = 3 << 20


@pytest.fixture
def shelf(pair):
    return Shelf(pair.from_, "docker.io/library/app")


def outcome(pair, *items):
    job = pair.run(*(items or [item("app:1")]))
    assert pair.to.content.faults() == []
    return job.items[-1]


def test_a_mount_whose_answer_is_lost_is_seen(pair):
    pair.run(item("nginx:1"))
    before = pair.from_.served_bytes
    pair.to.server.fail_next("mount=", 500, 2, method="POST", after=True)
    assert outcome(pair, item("nginx:1", "other:1")).result == "succeeded"
    assert pair.from_.served_bytes == before


def test_a_holder_that_is_closed_to_us_is_no_fault(pair):
    pair.run(item("nginx:1"))
    pair.to.server.fail_next("mount=", 403, 9, method="POST", body=error_body("DENIED"))
    assert outcome(pair, item("nginx:1", "other:1")).result == "succeeded"


@pytest.mark.parametrize("size", [2000, LARGE])
def test_a_destination_that_takes_nothing_is_tried_five_times_and_the_source_asked_once(pair, shelf, size):
    layer = noise(size)
    shelf.image("1", layers=(layer,))
    pair.to.server.fail_next(f"digest={quote(digest_of(layer))}", 500, 1000, method="PUT")
    failed = outcome(pair)
    assert (failed.result, failed.reason[:11]) == ("failed", "目标仓库的答复不正常，")
    assert pair.from_.content.served[digest_of(layer)] == size
    assert len(pair.to.server.seen("PUT", f"digest={quote(digest_of(layer))}")) == 5


def test_a_large_upload_that_is_lost_at_its_end_begins_anew(pair, shelf):
    layer = noise(LARGE)
    shelf.image("1", layers=(layer,))
    pair.to.server.fail_next("digest=", 404, 2, method="PUT", body=error_body("BLOB_UPLOAD_UNKNOWN"))
    assert outcome(pair).result == "succeeded"


def test_a_destination_that_fails_for_good_is_told_after_some_tries(pair, shelf):
    shelf.image("1", layers=(noise(2000),))
    pair.to.server.fail_next("/blobs/", 500, 1000)
    failed = outcome(pair)
    assert (failed.result, failed.reason[:11]) == ("failed", "目标仓库的答复不正常，")


def test_an_upload_that_cannot_be_dropped_is_left(pair, shelf):
    layer = noise(LARGE)
    shelf.image("1", layers=(layer,))
    pair.from_.slips.append(Slip(digest_of(layer), spoil_at=5))
    pair.to.server.fail_next("/blobs/uploads/", 500, 9, method="DELETE")
    assert outcome(pair).result == "succeeded"
    assert len(pair.to.content.uploads) == 1


def test_one_blob_that_fails_ends_the_others_of_its_image(pair, shelf):
    """And the reason is that blob's, whichever thread is the first to end."""
    layers = [noise(LARGE, n) for n in range(6)]
    shelf.image("1", layers=layers)
    pair.from_.slips.append(Slip(digest_of(layers[0]), spoil_at=5, times=100))
    pair.from_.server.delay_s = 0.05
    failed = outcome(pair)
    assert failed.reason.startswith("复制后摘要不一致")


def test_near_tags_that_cannot_be_had_leave_the_plain_reason(pair):
    pair.from_.server.fail_next("/tags/list", 403, 9, body=error_body("DENIED"))
    assert outcome(pair, item("nginx:1-no-such")).reason.startswith("镜像或标签不存在")


def test_a_destination_that_tells_no_digest_is_read(pair):
    pair.run(item("nginx:1"))
    pair.to.server.fail_next("/manifests/1", 200, method="HEAD")
    assert outcome(pair, item("nginx:1")).result == "skipped"


@pytest.mark.parametrize(("status", "code"), [(403, "DENIED"), (404, "NAME_UNKNOWN")])
def test_a_destination_that_may_not_be_read_before_is_written_all_the_same(pair, status, code):
    pair.to.server.fail_next("/manifests/1", status, method="HEAD", body=error_body(code))
    assert outcome(pair, item("nginx:1")).result == "succeeded"


def test_a_configuration_beyond_all_bounds_is_not_read(pair, shelf):
    entry = shelf.image("big")
    raw = json.loads(pair.from_.content.repositories[shelf.name].manifests[entry["digest"]][1])
    raw["config"]["size"] = 1 << 30
    shelf.manifest(raw, "1")
    failed = outcome(pair, item("app:1", platforms=("linux/amd64",)))
    assert failed.reason.startswith("镜像索引里的平台太多") or "太大" in failed.reason


@pytest.mark.parametrize("times", [1, 100])
def test_a_configuration_that_comes_wrong(pair, shelf, times):
    entry = shelf.image("1")
    config = json.loads(pair.from_.content.repositories[shelf.name].manifests[entry["digest"]][1])["config"]["digest"]
    pair.from_.slips.append(Slip(config, spoil_at=2, times=times))
    failed = outcome(pair, item("app:1", platforms=("linux/amd64",)))
    assert (failed.result, failed.reason[:7]) == ("failed", "复制后摘要不一致"[:7])


def test_a_configuration_that_breaks_off_for_good(pair, shelf):
    shelf.image("1")
    pair.from_.server.fail_next("/blobs/", 500, 1000)
    assert outcome(pair, item("app:1", platforms=("linux/amd64",))).reason.startswith("源仓库的答复不正常")


def test_content_without_a_platform_is_for_no_platform(pair, shelf):
    shelf.manifest({"schemaVersion": 2, "mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": [
        {"mediaType": "a/b", "digest": shelf.blob(b"part"), "size": 4}]}, "1")
    failed = outcome(pair, item("app:1", platforms=("linux/amd64",)))
    assert "there is no platform" in failed.reason
    assert outcome(pair).result == "succeeded"


def test_an_index_that_names_one_image_twice_is_written(pair, shelf):
    entry = shelf.image()
    digest = shelf.index("1", [entry, entry])
    assert outcome(pair).result == "succeeded"
    assert pair.digest("app:1") == digest


class Told:
    """An answer from memory; it does not say how long it is."""

    length = None

    def __init__(self, content):
        self._content = content

    def readinto(self, buffer):
        piece, self._content = self._content[: len(buffer)], self._content[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self):
        pass


class Teller:
    """A source that answers with what it is given, each blob from its beginning."""

    def __init__(self, *contents):
        self._contents = list(contents)

    def blob(self, digest, *, start, deadline):
        return Blob(Told(self._contents.pop(0)), 0)

    def where(self, method, what):
        return f"{method} {what}"


@pytest.mark.parametrize(("contents", "why"), [
    ((b"12345678",), ""), ((b"1234567",), "7 bytes instead of 8"), ((b"123456789",), "more than 8"),
    ((b"12345678" + b"9" * 9,), "more than 8"), ((b"",), "0 bytes instead of 8")])
def test_a_blob_of_untold_length_is_measured_as_it_comes(contents, why):
    clock = SystemClock()
    blob = Descriptor("t", digest_of(b"12345678"), 8)
    deadline = clock.monotonic() + 9
    stream = Stream(Teller(*contents), blob, patience=Patience(clock, threading.Event(), deadline),
                    tally=Tally(lambda done, total: None), buffer=memoryview(bytearray(4)), deadline=deadline)
    if why:
        with pytest.raises(SourceBroke, match=why):
            list(stream)
    else:
        assert b"".join(bytes(piece) for piece in stream) == b"12345678"
        assert stream.is_sound


@pytest.mark.parametrize("offsets", [
    (0, 0), (1,), (MARK_EVERY, MARK_EVERY + 5), (MARK_EVERY + 5, 7), (MARK_EVERY * 2,)])
def test_a_destination_is_served_anew_from_where_it_is(offsets):
    """However often and wherever it broke: the bytes from there on, and the hash of all."""
    content = noise(MARK_EVERY * 2 + 9)
    clock = SystemClock()
    deadline = clock.monotonic() + 9
    stream = Stream(Teller(*[content] * 3), Descriptor("t", digest_of(content), len(content)),
                    patience=Patience(clock, threading.Event(), deadline),
                    tally=Tally(lambda done, total: None), buffer=memoryview(bytearray(1 << 20)), deadline=deadline)
    for piece in stream:
        assert piece
    for offset in offsets:
        stream.seek(offset)
        assert stream.length == len(content) - offset
        assert b"".join(bytes(piece) for piece in stream) == content[offset:]
        assert stream.is_sound


class Raising(Progress):
    """Breaks the copying from inside."""

    def report(self, job, item, done, total):
        raise ZeroDivisionError


def test_a_broken_image_is_answered_and_the_program_goes_on(pair):
    pair.progress = Raising()
    failed = outcome(pair, item("nginx:1"))
    assert failed.reason == "程序内部错误，已写入日志，请联系管理员"
    pair.progress = Progress()
    assert outcome(pair, item("nginx:1")).result == "succeeded"
    assert pair.digest("nginx:1") == digest_of(made("docker.io/library/nginx", "1").index)

"""Registries that misbehave: one right answer each, nothing broken behind a tag, nothing served twice without need."""

from __future__ import annotations

import random

import pytest

from tests.mirror.conftest import item
from tests.support.shelf import Shelf, noise
from wxsync.sandbox.registry.answers import error_body
from wxsync.sandbox.registry.images import digest_of
from wxsync.sandbox.registry.stand_in import Slip

LARGE = 3 << 20


@pytest.fixture(params=[2000, LARGE], ids=["small", "large"])
def one(request, pair):
    """One image with one layer at the source: (layer, digest)."""
    layer = noise(request.param)
    digest = Shelf(pair.from_, "docker.io/library/app").image("1", layers=(layer,))["digest"]
    return layer, digest


def mirrored(pair, digest):
    """Run the one image; it must arrive whole."""
    job = pair.run(item("app:1"))
    assert job.items[0].result == "succeeded", job.items[0].reason
    assert (pair.digest("app:1"), pair.is_whole()) == (digest, True)
    return job.items[0]


def refused(pair, *words):
    """Run the one image; it must fail with this reason and leave no tag and no broken blob."""
    job = pair.run(item("app:1"))
    assert job.items[0].result == "failed"
    for each in words:
        assert each in job.items[0].reason
    assert (pair.digest("app:1"), pair.to.content.faults()) == ("", [])
    return job.items[0].reason


def served(pair, layer):
    return pair.from_.content.served[digest_of(layer)]


@pytest.mark.parametrize("seed", range(10))
def test_a_source_that_resets_is_read_on_from_there(pair, seed):
    layer = noise(LARGE, seed)
    digest = Shelf(pair.from_, "docker.io/library/app").image("1", layers=(layer,))["digest"]
    where = sorted(random.Random(seed).sample(range(LARGE), 10))
    pair.from_.slips += [Slip(digest_of(layer), cut_at=at) for at in where]
    mirrored(pair, digest)
    assert served(pair, layer) == LARGE  # not one byte twice
    assert len(pair.to.server.seen("POST", "/blobs/uploads/")) == 2  # layer and configuration: the same upload went on


def test_a_source_without_ranges_is_read_from_its_beginning(pair, one):
    layer, digest = one
    pair.from_.is_ranging = False
    pair.from_.slips.append(Slip(digest_of(layer), cut_at=len(layer) // 2))
    mirrored(pair, digest)
    assert served(pair, layer) == len(layer) + len(layer) // 2


def test_a_wrong_byte_is_asked_for_once_more(pair, one):
    layer, digest = one
    pair.from_.slips.append(Slip(digest_of(layer), spoil_at=len(layer) - 1))
    assert mirrored(pair, digest).moved >= 2 * len(layer)
    assert served(pair, layer) == 2 * len(layer)


def test_a_byte_that_stays_wrong_is_never_committed(pair, one):
    layer, _ = one
    pair.from_.slips.append(Slip(digest_of(layer), spoil_at=0, times=100))
    refused(pair, "摘要不一致")
    assert served(pair, layer) == 2 * len(layer)
    assert digest_of(layer) not in pair.to.content.blobs
    assert not pair.to.content.uploads


@pytest.mark.parametrize("longer", [-3, 3])
def test_a_wrong_length_is_noticed_at_once(pair, one, longer):
    layer, digest = one
    pair.from_.slips.append(Slip(digest_of(layer), longer=longer))
    mirrored(pair, digest)
    pair.from_.slips.append(Slip(digest_of(layer), longer=longer, times=100))
    pair.to.content.repositories.clear()
    pair.to.content.blobs.clear()
    refused(pair, "摘要不一致")
    assert digest_of(layer) not in pair.to.content.blobs


@pytest.mark.parametrize("path", ["/manifests/1", "/blobs/sha256"])
def test_a_rate_limit_is_waited_out(pair, one, path):
    pair.from_.server.fail_next(path, 429, body=error_body("TOOMANYREQUESTS"), headers=(("Retry-After", "1"),))
    mirrored(pair, one[1])
    assert 1.0 in pair.clock.waits


def test_a_rate_limit_that_asks_for_too_long_is_told(pair, one):
    pair.from_.server.fail_next("/manifests/1", 429, 9, body=error_body("TOOMANYREQUESTS", "pull rate limit"),
                                headers=(("Retry-After", "3600"),))
    refused(pair, "源仓库限制拉取次数", "1 小时")
    assert len(pair.from_.server.seen("GET", "/manifests/1")) <= 2  # the first one was without a token


@pytest.mark.parametrize(("side", "method", "path"), [
    ("from_", "GET", "/manifests/1"), ("from_", "GET", "/blobs/sha256"), ("to", "HEAD", "/blobs/sha256"),
    ("to", "POST", "/blobs/uploads"), ("to", "PUT", "/blobs/uploads"), ("to", "PUT", "/manifests/1"),
    ("to", "HEAD", "/manifests/1"), ("to", "GET", "/manifests/1")])
@pytest.mark.parametrize("what", [500, "reset"])
def test_two_broken_answers_are_tried_again(pair, one, side, method, path, what):
    layer, digest = one
    getattr(pair, side).server.fail_next(path, what, 2, method=method)
    mirrored(pair, digest)
    assert served(pair, layer) == len(layer)


def test_a_patch_that_breaks_goes_on_or_begins_anew(pair):
    layer = noise(LARGE)
    digest = Shelf(pair.from_, "docker.io/library/app").image("1", layers=(layer,))["digest"]
    pair.to.server.fail_next("/blobs/uploads", 500, 2, method="PATCH")
    pair.to.server.fail_next("/blobs/uploads", 500, method="PATCH", after=True)
    mirrored(pair, digest)


def test_an_upload_that_is_forgotten_begins_anew(pair):
    layer = noise(LARGE)
    digest = Shelf(pair.from_, "docker.io/library/app").image("1", layers=(layer,))["digest"]
    pair.to.server.fail_next("/blobs/uploads", 404, method="PATCH", body=error_body("BLOB_UPLOAD_UNKNOWN"))
    mirrored(pair, digest)


@pytest.mark.parametrize("what", [500, "reset"])
def test_a_blob_that_was_taken_though_the_answer_says_no_is_not_sent_again(pair, one, what):
    layer, digest = one
    pair.to.server.fail_next("/blobs/uploads/[0-9a-f]+.*digest=", what, 2, method="PUT", after=True)
    mirrored(pair, digest)
    assert served(pair, layer) == len(layer)
    assert pair.to.content.taken_bytes < len(layer) + 1000


def test_tokens_that_end_in_the_middle_are_renewed(pair, one):
    pair.from_.access.token_uses = pair.to.access.token_uses = 2
    mirrored(pair, one[1])
    assert pair.to.access.tokens_given > 2


@pytest.mark.parametrize(("path", "code"), [("/blobs/uploads", "DENIED"), ("/manifests/", "DENIED"),
                                            ("/manifests/", "MANIFEST_INVALID"), ("/blobs/uploads", "UNSUPPORTED")])
def test_a_destination_that_refuses_is_named(pair, one, path, code):
    for method in ("POST", "PUT", "PATCH"):
        pair.to.server.fail_next(path, 403 if code == "DENIED" else 400, 100, method=method,
                                 body=error_body(code, "not from you"))
    refused(pair, "目标仓库拒绝写入", "[registry] username", code)


def test_a_full_destination_is_named(pair, one):
    pair.to.is_full = True
    refused(pair, "配额已满")


def test_a_destination_that_becomes_full_leaves_nothing_broken(pair):
    pair.to.server.fail_next("/manifests/", 403, method="PUT", body=error_body("DENIED", "quota exceeded"))
    job = pair.run(item("nginx:1"))
    assert "配额已满" in job.items[0].reason
    assert (pair.digest("nginx:1"), pair.to.content.faults()) == ("", [])


def test_a_wrong_password_is_named(pair, one):
    pair.password = "wrong"
    refused(pair, "目标仓库拒绝写入")


def test_a_source_that_wants_a_login_is_named_and_gets_it(pair, one):
    pair.from_.access.is_pull_open = False
    refused(pair, "源仓库拒绝访问", "[registry] source_auth")
    access = pair.from_.access
    pair.logins = [(pair.from_.address, access.user, access.password)]
    mirrored(pair, one[1])


def test_another_manifest_behind_the_tag_is_noticed(pair, one):
    other = b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}'
    pair.to.server.fail_next("/manifests/1", 200, method="GET", body=other)
    job = pair.run(item("app:1"))
    assert job.items[0].reason.startswith("复制后摘要不一致")


def test_a_silent_source_is_a_network_fault(pair):
    pair.from_.server.down()
    refused(pair, "连接源仓库失败", pair.source, "请检查网络")


def test_one_broken_image_leaves_the_others_alone(pair, one):
    pair.from_.slips.append(Slip(digest_of(one[0]), spoil_at=0, times=100))
    job = pair.run(item("nginx:1"), item("app:1"), item("redis:1"))
    assert [each.result for each in job.items] == ["succeeded", "failed", "succeeded"]
    assert job.result == "partly"

"""What arrives: the same digests, each blob once, nothing that is there already."""

from __future__ import annotations

import json

import pytest

from tests.mirror.conftest import NAMESPACE, item
from tests.support.shelf import Shelf, noise
from wxsync.jobs import events, imagelist
from wxsync.sandbox.registry.images import INDEX, digest_of, made

THREE = ("linux/amd64", "linux/arm64/v8", "linux/arm/v7")


def shelf(pair, name="app"):
    return Shelf(pair.from_, f"docker.io/library/{name}")


def stored(pair, name):
    """Return the manifest of a NAME:TAG at the destination, as JSON."""
    repository, _, tag = name.partition(":")
    there = pair.to.content.repositories[f"{NAMESPACE}/{repository}"]
    return json.loads(there.manifests[there.tags[tag]][1])


def results(job):
    return [each.result for each in job.items]


def test_images_arrive_with_their_digests(pair):
    job = pair.run(item("nginx:latest"), item("redis:7.0"), item("quay.io/team/app:1", "app:1"))
    assert results(job) == ["succeeded"] * 3
    for name in ("docker.io/library/nginx:latest", "docker.io/library/redis:7.0", "quay.io/team/app:1"):
        path, _, tag = name.rpartition(":")
        assert pair.digest(f"{path.rpartition('/')[2]}:{tag}") == digest_of(made(path, tag).index)
    assert pair.is_whole()
    assert sum(each.moved for each in job.items) < sum(each.size for each in job.items)  # they share a layer
    assert all(each.seconds is not None for each in job.items)


def test_each_blob_is_fetched_and_sent_once_whatever_images_share_it(pair):
    job = pair.run(*[item(f"image{n}:1") for n in range(12)])
    assert set(results(job)) == {"succeeded"}
    blobs = sum(len(blob) for blob in pair.to.content.blobs.values())
    assert pair.from_.served_bytes == pair.to.content.taken_bytes == blobs
    assert set(pair.from_.content.served.values()) == {len(pair.to.content.blobs[each]) for each in
                                                      pair.from_.content.served}


def test_what_is_there_is_not_copied_again(pair):
    pair.run(item("nginx:1"))
    before = pair.from_.served_bytes
    job = pair.run(item("nginx:1"), item("nginx:1", "other:1"), engine=pair.engine())
    assert results(job) == ["skipped", "succeeded"]
    assert job.items[0].moved == 0
    assert pair.from_.served_bytes == before  # mounted from nginx, though another engine had copied it
    assert pair.to.content.taken_bytes == before


def test_a_registry_that_cannot_mount_gets_the_blob(pair):
    pair.to.is_mounting = False
    assert results(pair.run(item("nginx:1"), item("nginx:1", "other:1"))) == ["succeeded", "succeeded"]
    assert pair.is_whole()


def test_a_forgotten_holder_is_no_fault(pair):
    pair.run(item("nginx:1"))
    pair.to.content.repositories.clear()
    assert results(pair.run(item("nginx:1", "other:1"))) == ["succeeded"]
    assert pair.is_whole()


def test_one_platform_is_that_image(pair):
    on = shelf(pair)
    entries = [on.image(layers=(each.encode(),), platform=each) for each in THREE]
    on.index("1", [*entries, on.attestation(entries[0]["digest"])])
    job = pair.run(item("app:1", platforms=("linux/arm64",)))
    assert (results(job), pair.digest("app:1")) == (["succeeded"], entries[1]["digest"])
    assert results(pair.run(item("app:1", platforms=("linux/arm64/v8",)))) == ["skipped"]


def test_several_platforms_are_an_index_of_exactly_these(pair):
    on = shelf(pair)
    entries = [on.image(layers=(each.encode(),), platform=each) for each in THREE]
    on.index("1", [*entries, on.attestation(entries[0]["digest"])])
    pair.run(item("app:1", platforms=("linux/arm", "linux/amd64")))
    assert stored(pair, "app:1") == {
        "schemaVersion": 2, "mediaType": INDEX, "manifests": [entries[0], entries[2]]}
    assert results(pair.run(item("app:1", platforms=("linux/arm", "linux/amd64")))) == ["skipped"]
    pair.run(item("app:1", "app:all"))
    assert stored(pair, "app:all")["manifests"] == entries
    assert pair.is_whole()


def test_a_platform_that_is_not_there_is_never_another_one(pair):
    on = shelf(pair)
    on.index("1", [on.image(layers=(each.encode(),), platform=each) for each in THREE])
    on.image("single", platform="linux/arm64/v8")
    on.index("empty", [on.attestation(digest_of(b""))])
    job = pair.run(item("app:1", "a:1", platforms=("linux/s390x",)), item("app:single", "a:2", ("linux/amd64",)),
                   item("app:single", "a:3", ("linux/arm64",)), item("app:empty", "a:4"))
    assert results(job) == ["failed", "failed", "succeeded", "failed"]
    assert "no linux/s390x, there is linux/amd64, linux/arm/v7, linux/arm64" in job.items[0].reason
    assert "no linux/amd64, there is linux/arm64" in job.items[1].reason
    assert job.items[3].reason.startswith("该镜像没有所要的平台")
    assert not pair.digest("a:1") and not pair.digest("a:2")


def test_an_index_inside_an_index_stays_whole(pair):
    on = shelf(pair)
    inner = on.index("inner", [on.image(layers=(each.encode(),), platform=each) for each in THREE[1:]])
    size = len(on._there.manifests[inner][1])
    outer = on.index("1", [on.image(), {"mediaType": INDEX, "digest": inner, "size": size}])
    assert results(pair.run(item("app:1"))) == ["succeeded"]
    assert (pair.digest("app:1"), pair.is_whole()) == (outer, True)


def test_other_kinds_of_content(pair):
    """A chart is an image with a type of its own; Docker's own types; layers that come from elsewhere."""
    on = shelf(pair)
    chart = on.manifest({
        "schemaVersion": 2, "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json",
                                       "digest": on.blob(b"{}"), "size": 2},
        "layers": [{"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
                    "digest": on.blob(b"chart"), "size": 5}]}, "chart", "application/vnd.oci.image.manifest.v1+json")
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    old = on.image("docker", kind=docker)["digest"]
    foreign = on.manifest({
        "schemaVersion": 2, "mediaType": docker, "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json", "digest": on.blob(b"{} "), "size": 3},
        "layers": [{"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                    "digest": digest_of(b"elsewhere"), "size": 9, "urls": ["https://example.com/layer"]}]}, "windows")
    job = pair.run(item("app:chart"), item("app:docker"), item("app:windows"))
    assert results(job) == ["succeeded"] * 3
    assert [pair.digest(f"app:{tag}") for tag in ("chart", "docker", "windows")] == [chart, old, foreign]


def test_digest_references(pair):
    on = shelf(pair)
    first = on.image("1", layers=(b"old",))["digest"]
    on.image("1", layers=(b"new",))
    job = pair.run(item(f"app@{first}", "app:pinned"), item(f"app:1@{first}", "app:1"))
    assert results(job) == ["succeeded", "succeeded"] or results(job) == ["succeeded", "skipped"]
    assert pair.digest("app:pinned") == pair.digest("app:1") == first


def test_a_tag_that_has_moved_is_written_anew(pair):
    on = shelf(pair)
    on.image("1", layers=(b"old",))
    pair.run(item("app:1"))
    second = on.image("1", layers=(b"new",))["digest"]
    assert results(pair.run(item("app:1"))) == ["succeeded"]
    assert pair.digest("app:1") == second


@pytest.mark.parametrize("size", [0, 1, (1 << 20), (1 << 20) + 1, 3 << 20])
def test_layers_of_every_size(pair, size):
    image = shelf(pair).image("1", layers=(noise(size),))
    assert results(pair.run(item("app:1"))) == ["succeeded"]
    assert (pair.digest("app:1"), pair.is_whole()) == (image["digest"], True)


def test_the_block_of_the_request_stands_in_the_days_list_once(pair):
    engine = pair.engine()
    (pair.directory / "images.txt").write_text("# request earlier\nold:1 -> old:1\n")
    job = pair.run(item("nginx:1", platforms=("linux/amd64",)), engine=engine)
    assert pair.steps[0] == events.Copying()
    blocks = imagelist.parse((pair.directory / "images.txt").read_text())
    assert [block.request_id for block in blocks] == ["earlier", "r12"]
    assert str(blocks[1].lines[0]) == "--platform=linux/amd64 nginx:1 -> nginx:1"
    engine._append(job)  # as after a crash right behind it
    assert imagelist.parse((pair.directory / "images.txt").read_text()) == blocks


def test_what_is_not_there_is_told_as_such(pair):
    job = pair.run(item("no-such:1"), item("nginx:no-such"))
    assert results(job) == ["failed", "failed"]
    for each in job.items:
        assert each.reason.startswith("镜像或标签不存在")
    (near,) = pair.run(item("nginx:1.27-no-such")).items
    assert "相近的标签：1.27-nosuch" in near.reason
    assert pair.to.content.repositories == {}

"""The registry stand-in: what it makes, how it is logged in to, the push protocol, and blobs that go wrong."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json

import pytest

from wxsync.sandbox.registry.access import BASIC, BEARER, OPEN
from wxsync.sandbox.registry.images import digest_of, made
from wxsync.sandbox.registry.reader import Reader
from wxsync.sandbox.registry.stand_in import Registry, Slip


class Client:
    """Speaks to one registry; a bearer token is fetched when `log_in` is called."""

    def __init__(self, registry):
        self.registry, self.authorization = registry, ""

    def __call__(self, method, target, body=b"", **headers):
        connection = http.client.HTTPConnection(self.registry.address, timeout=10)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.authorization:
            fields["Authorization"] = self.authorization
        try:
            connection.request(method, target.removeprefix(self.registry.server.url), body, fields)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def log_in(self, scope):
        access = self.registry.access
        pair = base64.b64encode(f"{access.user}:{access.password}".encode()).decode()
        self.authorization = f"Basic {pair}"
        if access.kind == BEARER:
            token = json.loads(self("GET", f"/token?service=sandbox&scope={scope}")[2])["token"]
            self.authorization = f"Bearer {token}"

    def upload(self, name="ns/app"):
        return self("POST", f"/v2/{name}/blobs/uploads/")[1]["Location"]


@pytest.fixture
def source():
    registry = Registry(maker=made)
    yield Client(registry)
    registry.close()


@pytest.fixture
def destination():
    registry = Registry()
    yield Client(registry)
    registry.close()


def test_any_image_is_made_whole_and_the_same_each_time(source):
    status, headers, raw = source("GET", "/v2/docker.io/library/nginx/manifests/latest")
    assert (status, headers["Docker-Content-Digest"]) == (200, digest_of(raw))
    assert made("docker.io/library/nginx", "latest").index == raw
    entries = json.loads(raw)["manifests"]
    assert [each["platform"]["architecture"] for each in entries] == ["amd64", "arm64"]
    other = json.loads(source("GET", "/v2/docker.io/library/redis/manifests/7.0")[2])["manifests"]
    bases = set()
    for path, entry in (("nginx", entries[0]), ("redis", other[0])):
        manifest = json.loads(source("GET", f"/v2/docker.io/library/{path}/manifests/{entry['digest']}")[2])
        bases.add(manifest["layers"][0]["digest"])
        for part in [manifest["config"], *manifest["layers"]]:
            status, headers, blob = source("GET", f"/v2/docker.io/library/{path}/blobs/{part['digest']}")
            assert (status, len(blob), digest_of(blob)) == (200, part["size"], part["digest"])
    assert len(bases) == 1
    assert source.registry.content.faults() == []


@pytest.mark.parametrize(("path", "code"), [
    ("nginx/manifests/1-no-such", "MANIFEST_UNKNOWN"), ("no-such/manifests/1", "NAME_UNKNOWN"),
    ("no-such/tags/list", "NAME_UNKNOWN"), (f"nginx/manifests/{digest_of(b'')}", "MANIFEST_UNKNOWN"),
    (f"nginx/blobs/{digest_of(b'')}", "BLOB_UNKNOWN")])
def test_what_is_not_there_has_its_code(source, path, code):
    status, _, body = source("GET", f"/v2/{path}")
    assert (status, json.loads(body)["errors"][0]["code"]) == (404, code)


def test_a_tag_near_the_missing_one_is_offered_and_can_be_had(source):
    assert source("GET", "/v2/nginx/manifests/1.27-no-such")[0] == 404
    assert "1.27-nosuch" in json.loads(source("GET", "/v2/nginx/tags/list")[2])["tags"]
    assert source("GET", "/v2/nginx/manifests/1.27-nosuch")[0] == 200


def test_tags_come_in_pages(source):
    source("GET", "/v2/nginx/manifests/zz")
    pages, target = [], "/v2/nginx/tags/list?n=8"
    while target:
        _, headers, body = source("GET", target)
        pages.append(json.loads(body)["tags"])
        target = headers.get("Link", "").partition(">")[0].lstrip("<")
    assert [len(page) for page in pages] == [8, 8, 3]
    tags = [tag for page in pages for tag in page]
    assert tags == sorted(tags)
    assert {"1.27", "latest", "zz"} <= set(tags)


def test_ranges_heads_and_counters(source):
    _, _, raw = source("GET", "/v2/a/manifests/1")
    first = json.loads(raw)["manifests"][0]["digest"]
    digest = json.loads(source("GET", f"/v2/a/manifests/{first}")[2])["layers"][0]["digest"]
    path = f"/v2/a/blobs/{digest}"
    whole = source.registry.content.blob("a", digest)
    assert int(source("HEAD", path)[1]["Content-Length"]) == len(whole)
    assert source.registry.served_bytes == 0
    status, headers, body = source("GET", path, Range="bytes=100-")
    assert (status, body) == (206, whole[100:])
    assert headers["Content-Range"] == f"bytes 100-{len(whole) - 1}/{len(whole)}"
    assert source("GET", path, Range="bytes=0-9")[2] == whole[:10]
    assert source("GET", path, Range=f"bytes={len(whole)}-")[0] == 416
    assert source.registry.served_bytes == len(whole) - 100 + 10


def test_the_push_protocol(destination):
    blob, more = b"x" * 3000, b"y" * 100
    place = destination.upload()
    status, headers, _ = destination("PATCH", place, blob[:1000], Content_Range="0-999")
    assert (status, headers["Range"]) == (202, "0-999")
    assert destination("PATCH", headers["Location"], blob[:1000], Content_Range="0-999")[0] == 416
    assert destination("GET", place)[1]["Range"] == "0-999"
    assert destination("PUT", f"{place}&digest={digest_of(blob)}", blob[1000:])[0] == 201
    assert destination("PUT", f"{destination.upload()}&digest={digest_of(blob)}", more)[0] == 400
    place = destination.upload()
    assert destination("DELETE", place)[0] == 204
    assert destination("GET", place)[0] == 404
    status, _, _ = destination("POST", f"/v2/ns/b/blobs/uploads/?mount={digest_of(blob)}&from=ns/app")
    assert status == 201
    assert destination("POST", f"/v2/ns/b/blobs/uploads/?mount={digest_of(more)}&from=ns/app")[0] == 202
    assert destination("HEAD", f"/v2/ns/b/blobs/{digest_of(blob)}")[0] == 200


def test_a_manifest_needs_its_parts(destination):
    image = made("a", "1")
    entry = json.loads(image.index)["manifests"][0]["digest"]
    assert destination("PUT", "/v2/a/manifests/1", image.index)[0] == 404
    assert destination("PUT", f"/v2/a/manifests/{entry}", image.manifests[0])[0] == 404
    assert destination("PUT", "/v2/a/manifests/1", b"[]")[0] == 400
    assert destination("PUT", f"/v2/a/manifests/{entry}", b"{}")[0] == 400
    for blob in image.blobs:
        assert destination("PUT", f"{destination.upload('a')}&digest={digest_of(blob)}", blob)[0] == 201
    for raw in image.manifests:
        assert destination("PUT", f"/v2/a/manifests/{digest_of(raw)}", raw)[0] == 201
    assert destination("PUT", "/v2/a/manifests/1", image.index)[0] == 201
    assert destination("GET", "/v2/a/manifests/1")[2] == image.index
    assert destination.registry.content.faults() == []
    destination.registry.is_full = True
    assert destination("PUT", "/v2/a/manifests/1", image.index)[0] == 403
    assert destination("POST", "/v2/a/blobs/uploads/")[0] == 403


@pytest.mark.parametrize("kind", [OPEN, BASIC, BEARER])
def test_logins(kind):
    registry = Registry(access=kind, is_pull_open=False)
    client = Client(registry)
    try:
        status, headers, _ = client("POST", "/v2/ns/a/blobs/uploads/")
        assert status == (202 if kind == OPEN else 401)
        if kind == BEARER:
            assert headers["Www-Authenticate"] == (
                f'Bearer realm="{registry.server.url}/token",service="sandbox",scope="repository:ns/a:pull,push"')
        client.log_in("repository:ns/a:pull,push")
        assert client("POST", "/v2/ns/a/blobs/uploads/")[0] == 202
        assert client("GET", "/v2/")[0] == 200
        if kind == BEARER:
            assert client("POST", "/v2/ns/other/blobs/uploads/")[0] == 401
            registry.access.expire()
            assert client("POST", "/v2/ns/a/blobs/uploads/")[0] == 401
        if kind != OPEN:
            client.authorization = "Basic " + base64.b64encode(b"robot:wrong").decode()
            assert client("GET", "/token?scope=repository:ns/a:pull" if kind == BEARER else "/v2/")[0] == 401
    finally:
        registry.close()


def test_anybody_gets_a_token_to_pull_and_only_that():
    registry = Registry(access=BEARER, maker=made)
    client = Client(registry)
    try:
        token = json.loads(client("GET", "/token?scope=repository:a:pull,push")[2])["token"]
        client.authorization = f"Bearer {token}"
        assert client("GET", "/v2/a/manifests/1")[0] == 200
        assert client("POST", "/v2/a/blobs/uploads/")[0] == 401
    finally:
        registry.close()


@pytest.mark.parametrize("kind", [OPEN, BEARER])
def test_a_digest_is_read_back(kind):
    registry = Registry(access=kind, maker=made, is_pull_open=False)
    access = registry.access
    reader = Reader(registry.server.url, access.user, access.password)
    try:
        assert reader.digest("a", "1") == digest_of(made("a", "1").index)
        assert reader.digest("a", "no-such") == ""
    finally:
        registry.close()


def test_blobs_go_wrong_as_ordered(source):
    raw = json.loads(source("GET", "/v2/a/manifests/1")[2])["manifests"][0]["digest"]
    digest = json.loads(source("GET", f"/v2/a/manifests/{raw}")[2])["layers"][0]["digest"]
    path, whole = f"/v2/a/blobs/{digest}", source.registry.content.blob("a", digest)
    source.registry.slips += [Slip(digest, cut_at=500), Slip(digest, spoil_at=7), Slip(digest, longer=3),
                              Slip(digest, longer=-3)]
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        source("GET", path)
    assert source.registry.served_bytes == 500
    spoilt = source("GET", path)[2]
    assert [place for place, each in enumerate(spoilt) if each != whole[place]] == [7]
    assert len(source("GET", path)[2]) == len(whole) + 3
    assert len(source("GET", path)[2]) == len(whole) - 3
    assert source("GET", path)[2] == whole
    assert "sha256:" + hashlib.sha256(whole).hexdigest() == digest

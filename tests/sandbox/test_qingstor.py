"""The QingStor stand-in: its signatures agree with the vectors, its objects behave as documented."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.plain_client import call
from wxsync.sandbox.qingstor import signature
from wxsync.sandbox.qingstor.stand_in import QingStor

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "qingstor.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["id"])
def test_signatures_agree_with_the_vectors(case):
    headers = {name.lower(): value for name, value in case["headers"].items()}
    query = [(name, value or "") for name, value in case["query"]]
    text = signature.string_to_sign(case["method"], headers, case["bucket"], case["key"], query,
                                    expires=str(case.get("expires", "")))
    assert text == case["expect"]["string_to_sign"]
    wanted = case["expect"].get("signature") or case["expect"]["authorization"].rpartition(":")[2]
    assert signature.is_right(wanted, VECTORS["secret_access_key"], text)
    assert not signature.is_right("é" + wanted[1:], VECTORS["secret_access_key"], text)


class Client:
    """Signs by itself, with the key, or not at all."""

    def __init__(self, store, now):
        self.store, self.now = store, now

    def headers(self, method, key, *, bucket="tmp", date=None, **headers):
        sent = {"Date": date or formatdate(self.now(), usegmt=True),
                **{name.replace("_", "-"): value for name, value in headers.items()}}
        text = signature.string_to_sign(method, {k.lower(): v for k, v in sent.items()}, bucket, key, [])
        sent["Authorization"] = f"QS {self.store.access_key_id}:{signature.sign(self.store.secret_access_key, text)}"
        return sent

    def call(self, method, key, body=None, *, bucket="tmp", **headers):
        sent = self.headers(method, key, bucket=bucket, **headers)
        return call(self.store.server.port, method, f"/{bucket}/{quote(key)}", body, sent)


@pytest.fixture
def store(now):
    made = QingStor(now=now)
    yield made
    made.close()


@pytest.fixture
def client(store, now):
    return Client(store, now)


def test_an_object_is_stored_and_comes_back_with_its_headers(store, client):
    put = client.call("PUT", "报告 1.pdf", b"content", Content_Type="application/pdf",
                      Content_Disposition="attachment; filename=x.pdf")
    assert (put.status, put.headers["etag"]) == (201, f'"{hashlib.md5(b"content").hexdigest()}"')
    got = client.call("GET", "报告 1.pdf")
    assert (got.status, got.body, got.headers["content-type"]) == (200, b"content", "application/pdf")
    assert got.headers["content-disposition"] == "attachment; filename=x.pdf"
    head = client.call("HEAD", "报告 1.pdf")
    assert (head.status, head.headers["content-length"], head.body) == (200, "7", b"")
    assert store.buckets["tmp"].objects["报告 1.pdf"].content == b"content"


def test_virtual_host_style_takes_the_bucket_from_the_host(store, client):
    headers = {**client.headers("PUT", "a.txt", Content_Type="text/plain"), "Host": "tmp.pek3a.qingstor.com"}
    assert call(store.server.port, "PUT", "/a.txt", b"x", headers).status == 201
    assert "a.txt" in store.buckets["tmp"].objects


def test_delete_works_also_when_nothing_is_there(store, client):
    client.call("PUT", "a", b"x")
    assert [client.call("DELETE", "a").status for _ in range(2)] == [204, 204]
    assert client.call("GET", "a").json()["code"] == "object_not_exists"


def test_ranges_are_answered_in_part(client):
    client.call("PUT", "a", b"0123456789")
    part = client.call("GET", "a", Range="bytes=2-4")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert client.call("GET", "a", Range="bytes=8-").body == b"89"
    assert client.call("GET", "a", Range="bytes=10-").status == 416


def test_the_digest_is_checked(client):
    good = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    assert client.call("PUT", "a", b"x", Content_MD5=good).status == 201
    refused = client.call("PUT", "a", b"y", Content_MD5=good)
    assert (refused.status, refused.json()["code"]) == (400, "bad_digest")


@pytest.mark.parametrize(("change", "status", "code"), [
    ({"Authorization": "QS none:x"}, 401, "invalid_access_key_id"),
    ({"Authorization": "Bearer x"}, 401, "invalid_access_key_id"),
    ({"Content-Type": "text/changed"}, 401, "signature_not_matched"), ({"Date": "yesterday"}, 400, "invalid_request"),
    ({"Date": formatdate(1_764_000_000 - 901, usegmt=True)}, 403, "request_expired")])
def test_a_wrong_signature_or_clock_is_refused(store, client, change, status, code):
    headers = {**client.headers("PUT", "a", Content_Type="text/plain"), **change}
    reply = call(store.server.port, "PUT", "/tmp/a", b"x", headers)
    assert (reply.status, reply.json()["code"]) == (status, code)
    assert store.buckets["tmp"].objects == {}


def test_a_refused_head_has_no_body(client):
    reply = client.call("HEAD", "none")
    assert (reply.status, reply.body) == (404, b"")


def test_a_public_bucket_can_be_read_by_anyone_and_a_private_one_by_none(store, client):
    client.call("PUT", "a", b"x")
    assert call(store.server.port, "GET", "/tmp/a").status == 200
    assert call(store.server.port, "PUT", "/tmp/a", b"y").json()["code"] == "permission_denied"
    store.buckets["tmp"].is_public = False
    assert call(store.server.port, "GET", "/tmp/a").status == 403


def test_a_presigned_link_opens_until_it_ends(store, client, now):
    client.call("PUT", "a", b"x")
    store.buckets["tmp"].is_public = False
    expires = str(int(now()) + 60)
    text = signature.string_to_sign("GET", {}, "tmp", "a", [], expires=expires)
    signed = quote(signature.sign(store.secret_access_key, text), safe="")
    path = f"/tmp/a?access_key_id={store.access_key_id}&expires={expires}&signature={signed}"
    assert call(store.server.port, "GET", path).body == b"x"
    now.move(61)
    assert call(store.server.port, "GET", path).json()["code"] == "request_expired"


def test_unknown_buckets_empty_keys_and_other_methods_are_refused(client):
    assert client.call("PUT", "a", b"x", bucket="none").json()["code"] == "bucket_not_exists"
    assert client.call("PUT", "", b"x").json()["code"] == "invalid_object_name"
    assert client.call("POST", "a", b"x").json()["code"] == "method_not_allowed"


def test_a_put_without_a_length_is_refused_and_an_empty_one_is_not(store, client):
    connection = http.client.HTTPConnection("127.0.0.1", store.server.port, timeout=10)
    connection.putrequest("PUT", "/tmp/a")
    for name, value in client.headers("PUT", "a").items():
        connection.putheader(name, value)
    connection.endheaders()
    assert json.loads(connection.getresponse().read())["code"] == "invalid_request"
    connection.close()
    assert client.call("PUT", "a").status == 201

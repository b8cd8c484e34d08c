"""The stand-in's multipart uploads: its own rules, its faults, and the service's own SDK as a client."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from email.utils import formatdate
from urllib.parse import quote

import pytest
from qingstor.sdk.config import Config
from qingstor.sdk.service.qingstor import QingStor as Sdk

from tests.support.plain_client import call
from wxsync.sandbox.qingstor import signature
from wxsync.sandbox.qingstor.stand_in import QingStor

LEAST = 4 << 20


@pytest.fixture
def store(now):
    made = QingStor(now=now)
    yield made
    made.close()


@pytest.fixture
def ask(store, now):
    def send(method, key, query=(), body=None, **headers):
        sent = {"Date": formatdate(now(), usegmt=True), **{k.replace("_", "-"): v for k, v in headers.items()}}
        text = signature.string_to_sign(method, {k.lower(): v for k, v in sent.items()}, "tmp", key, query)
        sent["Authorization"] = f"QS {store.access_key_id}:{signature.sign(store.secret_access_key, text)}"
        parameters = "&".join(f"{quote(name)}={quote(value)}" if value else name for name, value in query)
        return call(store.server.port, method, f"/tmp/{quote(key)}" + (f"?{parameters}" if query else ""), body, sent)

    return send


@pytest.fixture
def upload(ask):
    """Open an upload; return its id."""
    return ask("POST", "k", [("uploads", "")], b"", Content_Type="a/b").json()["upload_id"]


def part(ask, upload, number, content):
    return ask("PUT", "k", [("part_number", str(number)), ("upload_id", upload)], content)


def complete(ask, upload, rows, **headers):
    body = json.dumps({"object_parts": rows}).encode()
    return ask("POST", "k", [("upload_id", upload)], body, **headers)


def test_parts_become_an_object(store, ask, upload):
    first = part(ask, upload, 0, b"x" * LEAST)
    assert (first.status, first.headers["etag"]) == (201, f'"{hashlib.md5(b"x" * LEAST).hexdigest()}"')
    part(ask, upload, 7, b"old")
    part(ask, upload, 7, b"end")
    listed = ask("GET", "k", [("upload_id", upload)]).json()["object_parts"]
    assert [(row["part_number"], row["size"]) for row in listed] == [(0, LEAST), (7, 3)]
    assert store.open_uploads() == [upload]
    done = complete(ask, upload, [{"part_number": 0, "etag": first.headers["etag"]}, {"part_number": 7}], ETag='"mine"')
    assert (done.status, store.open_uploads()) == (201, [])
    got = ask("GET", "k")
    assert (got.body, got.headers["etag"], got.headers["content-type"]) == (b"x" * LEAST + b"end", '"mine"', "a/b")
    assert complete(ask, upload, [{"part_number": 0}]).json()["code"] == "upload_not_exists"


def test_an_object_of_parts_has_no_etag_of_its_own(ask, upload):
    part(ask, upload, 0, b"x")
    complete(ask, upload, [{"part_number": 0}])
    assert "etag" not in ask("HEAD", "k").headers


def test_an_aborted_upload_is_gone(store, ask, upload):
    part(ask, upload, 0, b"x")
    assert ask("DELETE", "k", [("upload_id", upload)]).status == 204
    assert ask("DELETE", "k", [("upload_id", upload)]).json()["code"] == "upload_not_exists"
    assert part(ask, upload, 1, b"x").json()["code"] == "upload_not_exists"
    assert store.buckets["tmp"].used == 0


@pytest.mark.parametrize(("rows", "code"), [
    ([{"part_number": 1}, {"part_number": 0}], "invalid_argument"),
    ([{"part_number": 0}, {"part_number": 0}], "invalid_argument"), ([{"part_number": 3}], "invalid_request"),
    ([{"part_number": "0"}], "invalid_request"), ([], "invalid_request"), ("x", "invalid_request"),
    ([{"part_number": 0, "etag": "1"}], "invalid_request"),
    ([{"part_number": 0}, {"part_number": 1}], "entity_too_small")])
def test_completions_that_are_refused(ask, upload, rows, code):
    for number in (0, 1):
        part(ask, upload, number, b"x" * 100)
    assert complete(ask, upload, rows).json()["code"] == code


def test_a_completion_that_is_no_json_is_refused(ask, upload):
    assert ask("POST", "k", [("upload_id", upload)], b"{").json()["code"] == "invalid_request"


@pytest.mark.parametrize("number", ["-1", "10001", "x", "01"])
def test_part_numbers_go_from_0_to_10000(ask, upload, number):
    assert part(ask, upload, number, b"x").json()["code"] == "invalid_argument"
    assert part(ask, upload, "10000", b"x").status == 201


def test_an_upload_belongs_to_its_key(ask, upload):
    query = [("part_number", "0"), ("upload_id", upload)]
    assert ask("PUT", "other", query, b"x").json()["code"] == "upload_not_exists"


def test_open_uploads_are_listed_by_prefix_and_page(ask):
    ids = {key: ask("POST", key, [("uploads", "")], b"").json()["upload_id"] for key in ("b", "a/1", "a/2", "a/3")}
    assert [row["key"] for row in ask("GET", "", [("uploads", "")]).json()["uploads"]] == ["a/1", "a/2", "a/3", "b"]
    first = ask("GET", "", [("uploads", ""), ("prefix", "a/"), ("limit", "2")]).json()
    assert [row["upload_id"] for row in first["uploads"]] == [ids["a/1"], ids["a/2"]]
    assert first["has_more"]
    rest = ask("GET", "", [("uploads", ""), ("prefix", "a/"), ("key_marker", first["next_key_marker"]),
                           ("upload_id_marker", first["next_upload_id_marker"])]).json()
    assert ([row["key"] for row in rest["uploads"]], rest["has_more"]) == (["a/3"], False)
    assert ask("GET", "", [("uploads", ""), ("limit", "0")]).json()["code"] == "invalid_argument"


def test_uploads_are_nobodys_business_without_a_signature(store, upload):
    for method, target in (("GET", "/tmp/?uploads"), ("GET", f"/tmp/k?upload_id={upload}"), ("POST", "/tmp/k?uploads")):
        assert call(store.server.port, method, target).json()["code"] == "permission_denied"


def test_digests_of_parts_are_checked_and_other_methods_refused(ask, upload):
    query = [("part_number", "0"), ("upload_id", upload)]
    assert ask("PUT", "k", query, b"x", Content_MD5="AAAA").json()["code"] == "bad_digest"
    assert ask("PUT", "k", [("upload_id", upload)], b"x").json()["code"] == "method_not_allowed"


def test_a_quota_counts_parts_too(store, ask, upload):
    store.buckets["tmp"].quota = 150
    assert part(ask, upload, 0, b"x" * 100).status == 201
    assert part(ask, upload, 1, b"x" * 100).json()["code"] == "quota_exceeded"
    assert ask("PUT", "small", (), b"x" * 100).json()["code"] == "quota_exceeded"


def test_a_clock_that_is_elsewhere_says_so(store, ask, now):
    store.skew_s = 3600
    refused = ask("GET", "k")
    assert (refused.status, refused.json()["code"]) == (403, "request_expired")
    assert refused.headers["date"] == formatdate(now() + 3600, usegmt=True)


def test_etags_can_be_spoiled(store, ask, upload):
    store.wrong_etags = 1
    assert part(ask, upload, 0, b"x").headers["etag"] != part(ask, upload, 0, b"x").headers["etag"]


def test_a_reset_in_the_middle_of_a_part_leaves_no_part(store, ask, upload):
    store.server.fail_next("part_number", "reset-midway")
    with pytest.raises(OSError):
        part(ask, upload, 0, b"x" * 1_000_000)
    assert ask("GET", "k", [("upload_id", upload)]).json()["count"] == 0


def test_content_can_be_taken_slowly(store, ask):
    store.server.bodies.rate = 1_000_000
    for keeps in (True, False):
        store.server.bodies.keeps = keeps
        started = time.monotonic()
        assert ask("PUT", "slow", (), b"x" * 300_000).status == 201
        assert 0.29 < time.monotonic() - started < 5


def test_a_body_that_ends_early_leaves_nothing(store):
    with socket.create_connection(("127.0.0.1", store.server.port), timeout=10) as connection:
        connection.sendall(b"PUT /tmp/k HTTP/1.1\r\nContent-Length: 10\r\n\r\nfive5")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert store.server.seen() == []


def test_content_can_be_hashed_and_dropped(store, ask, upload):
    store.server.bodies.keeps = False
    assert part(ask, upload, 0, b"x" * LEAST).headers["etag"] == f'"{hashlib.md5(b"x" * LEAST).hexdigest()}"'
    store.server.bodies.keeps = True
    complete(ask, upload, [{"part_number": 0}])
    assert ask("HEAD", "k").headers["content-length"] == str(LEAST)
    assert ask("GET", "k").json()["code"] == "invalid_object_state"


@pytest.fixture
def present_store():
    """The SDK signs for the present."""
    made = QingStor()
    yield made
    made.close()


def test_the_services_own_sdk_works_with_the_stand_in(present_store):
    store = present_store
    config = Config(store.access_key_id, store.secret_access_key)
    config.host, config.port, config.protocol, config.connection_retries = "127.0.0.1", store.server.port, "http", 0
    bucket = Sdk(config).Bucket("tmp", "")
    assert bucket.put_object("报告 1.pdf", body=b"content", content_type="application/pdf").status_code == 201
    assert bucket.get_object("报告 1.pdf").content == b"content"
    assert bucket.head_object("报告 1.pdf").headers["Content-Length"] == "7"
    upload_id = bucket.initiate_multipart_upload("big", content_type="a/b")["upload_id"]
    for number, content in enumerate((b"x" * LEAST, b"end")):
        assert bucket.upload_multipart("big", upload_id=upload_id, part_number=str(number), body=content).ok
    parts = bucket.list_multipart("big", upload_id=upload_id)["object_parts"]
    assert [row["size"] for row in parts] == [LEAST, 3]
    done = bucket.complete_multipart_upload("big", upload_id=upload_id, object_parts=[
        {"part_number": row["part_number"], "etag": row["etag"]} for row in parts])
    assert done.status_code == 201
    assert bucket.get_object("big").content == b"x" * LEAST + b"end"
    other = bucket.initiate_multipart_upload("other")["upload_id"]
    assert bucket.abort_multipart_upload("other", upload_id=other).status_code == 204
    assert bucket.complete_multipart_upload("other", upload_id=other, object_parts=[])["code"] == "upload_not_exists"
    assert bucket.delete_object("big").status_code == 204

"""The calls on a bucket as values: what is sent, how answers and refusals are read."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsync.errors import RemoteFault
from wxsync.remote.exchange import Response
from wxsync.remote.qingstor.bucket import Bucket, Part
from wxsync.remote.qingstor.disposition import content_disposition, media_type
from wxsync.remote.qingstor.faults import Kind, QingStorFault, unreachable
from wxsync.remote.qingstor.place import Place
from wxsync.remote.qingstor.signing import Key

NOW = datetime(2025, 11, 4, 8, 0, tzinfo=timezone.utc)
BUCKET = Bucket(Place("https://{bucket}.{zone}.qingstor.com", "tmp", "pek3a"), Key("ID", "SECRET"))
MD5 = hashlib.md5(b"content").digest()
DATE = "Tue, 04 Nov 2025 08:00:00 GMT"


def answer(status, body=None, **headers):
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, tuple((name.replace("_", "-"), value) for name, value in headers.items()), raw)


def sent(call, now=NOW):
    request = BUCKET.request(call, now)
    return request, dict(request.headers)


def test_an_object_is_put_with_digest_type_name_and_signature():
    request, headers = sent(BUCKET.put("a b.pdf", b"content", md5=MD5, content_type="application/pdf", name="报告.pdf"))
    assert (request.method, request.url) == ("PUT", "https://tmp.pek3a.qingstor.com/a%20b.pdf")
    assert headers.pop("Authorization").startswith("QS ID:")
    assert headers == {
        "Date": DATE, "Content-MD5": base64.b64encode(MD5).decode(), "Content-Type": "application/pdf",
        "Content-Disposition": "attachment; filename=\"__.pdf\"; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf"}
    assert request.body == b"content"


def test_each_try_is_signed_for_its_own_instant_wherever_that_is():
    call = BUCKET.size("k")
    beijing = NOW.astimezone(timezone(timedelta(hours=8)))
    assert sent(call) == sent(call, beijing)
    assert sent(call)[1]["Authorization"] != sent(call, NOW + timedelta(seconds=1))[1]["Authorization"]


@pytest.mark.parametrize(("call", "method", "target", "has_type"), [
    (BUCKET.initiate("k", content_type="a/b", name="n"), "POST", "/k?uploads", True),
    (BUCKET.put_part("k", "U/1", 0, b"x", md5=MD5), "PUT", "/k?part_number=0&upload_id=U/1", True),
    (BUCKET.complete("k", "U", []), "POST", "/k?upload_id=U", True),
    (BUCKET.abort("k", "U"), "DELETE", "/k?upload_id=U", False),
    (BUCKET.open_uploads("a/k&1"), "GET", "/?uploads&prefix=a/k%261&limit=200", False),
    (BUCKET.size("k"), "HEAD", "/k", False), (BUCKET.delete("k"), "DELETE", "/k", False)])
def test_methods_and_targets(call, method, target, has_type):
    request, headers = sent(call)
    assert (request.method, request.url) == (method, "https://tmp.pek3a.qingstor.com" + target)
    assert ("Content-Type" in headers) == has_type  # what is signed must be sent, and nothing else be made up
    assert "Authorization" in headers


def test_a_look_as_anybody_is_not_signed():
    assert BUCKET.request(BUCKET.is_public("k"), NOW).headers == ()
    for status, is_public in ((200, True), (401, False), (403, False)):
        assert BUCKET.result(BUCKET.is_public("k"), answer(status), NOW) is is_public


@pytest.mark.parametrize(("endpoint", "url"), [
    ("https://{bucket}.{zone}.qingstor.com", "https://tmp.pek3a.qingstor.com/k"),
    ("https://{zone}.qingstor.com", "https://pek3a.qingstor.com/tmp/k"),
    ("http://10.0.0.1:8080/", "http://10.0.0.1:8080/tmp/k")])
def test_endpoints(endpoint, url):
    assert Bucket(Place(endpoint, "tmp", "pek3a"), BUCKET.key).public_url("k") == url


def test_parts_are_listed_by_rising_numbers():
    call = BUCKET.complete("k", "U", [Part(10, '"c"'), Part(2, '"b"'), Part(0, '"a"')])
    assert json.loads(call.body)["object_parts"] == [
        {"part_number": 0, "etag": '"a"'}, {"part_number": 2, "etag": '"b"'}, {"part_number": 10, "etag": '"c"'}]


def test_a_presigned_link_carries_key_end_and_signature():
    url = BUCKET.presigned_url("k", NOW + timedelta(microseconds=5))
    parameters = dict(parse_qsl(urlsplit(url).query))
    assert (parameters["access_key_id"], parameters["expires"]) == ("ID", str(int(NOW.timestamp())))
    assert len(base64.b64decode(parameters["signature"])) == 32


def test_results():
    assert BUCKET.result(BUCKET.initiate("k", content_type="", name=""), answer(200, {"upload_id": "U"}), NOW) == "U"
    assert BUCKET.result(BUCKET.size("k"), answer(200, Content_Length="12"), NOW) == 12
    listed = {"uploads": [{"key": "k", "upload_id": "1"}, {"key": "k2", "upload_id": "2"}, 5, {"key": "k"}]}
    assert BUCKET.result(BUCKET.open_uploads("k"), answer(200, listed), NOW) == ["1"]
    assert BUCKET.result(BUCKET.open_uploads("k"), answer(200, {"uploads": None}), NOW) == []
    assert BUCKET.result(BUCKET.delete("k"), answer(204), NOW) is None


@pytest.mark.parametrize(("etag", "kept"), [
    (f'"{MD5.hex()}"', f'"{MD5.hex()}"'), (f'"{MD5.hex().upper()}"', f'"{MD5.hex().upper()}"'),
    ("", f'"{MD5.hex()}"'), ('"other-form"', '"other-form"'), ("a b", f'"{MD5.hex()}"')])
def test_a_parts_etag(etag, kept):
    call = BUCKET.put_part("k", "U", 3, b"content", md5=MD5)
    assert BUCKET.result(call, answer(201, **({"ETag": etag} if etag else {})), NOW) == Part(3, kept)


def test_an_etag_of_other_bytes_is_a_corrupt_part_that_is_sent_again():
    for call in (BUCKET.put_part("k", "U", 3, b"content", md5=MD5),
                 BUCKET.put("k", b"content", md5=MD5, content_type="", name="")):
        with pytest.raises(QingStorFault) as caught:
            BUCKET.result(call, answer(201, ETag=f'"{"0" * 32}"'), NOW)
        assert (caught.value.kind, caught.value.temporary) == (Kind.CORRUPT, True)


NONSENSE = [b"", b"<html>", b"[]", b"[" * 200_000]


@pytest.mark.parametrize(("call", "body"), [
    *((BUCKET.initiate("k", content_type="", name=""), body)
      for body in [*NONSENSE, {}, {"upload_id": ""}, {"upload_id": "a b"}, {"upload_id": 5}]),
    *((BUCKET.open_uploads("k"), body) for body in [*NONSENSE, {"uploads": 7}]), (BUCKET.size("k"), b"")])
def test_an_answer_without_what_was_promised(call, body):
    with pytest.raises(QingStorFault) as caught:
        BUCKET.result(call, answer(200, body), NOW)
    assert (caught.value.kind, caught.value.temporary) == (Kind.BAD_ANSWER, True)


@pytest.mark.parametrize(("status", "code", "kind", "temporary"), [
    (401, "invalid_access_key_id", Kind.KEY_WRONG, False), (401, "signature_not_matched", Kind.KEY_WRONG, False),
    (403, "request_expired", Kind.CLOCK, False), (404, "bucket_not_exists", Kind.BUCKET_MISSING, False),
    (403, "bucket_not_active", Kind.BUCKET_INACTIVE, False), (403, "permission_denied", Kind.DENIED, False),
    (403, "quota_exceeded", Kind.QUOTA, False), (400, "entity_too_large", Kind.TOO_LARGE, False),
    (400, "bad_digest", Kind.CORRUPT, False), (404, "upload_not_exists", Kind.UPLOAD_MISSING, False),
    (404, "object_not_exists", Kind.OBJECT_MISSING, False), (400, "entity_too_small", Kind.OTHER, False),
    (429, "", Kind.UNAVAILABLE, True), (503, "service_unavailable", Kind.UNAVAILABLE, True),
    (401, "", Kind.KEY_WRONG, False), (403, "", Kind.DENIED, False), (404, "", Kind.OBJECT_MISSING, False),
    (413, "", Kind.TOO_LARGE, False), (507, "", Kind.QUOTA, False), (302, "", Kind.OTHER, False)])
def test_refusals(status, code, kind, temporary):
    body = {"code": code, "message": "why\r\n " + "x" * 5000} if code else None
    fault = refused(answer(status, body, Date=DATE))
    assert (fault.kind, fault.code, fault.status, fault.temporary) == (kind, code, status, temporary)
    assert len(fault.what) < 400
    assert "\n" not in fault.what
    assert "QingStor PUT k" in str(fault)


def refused(response, now=NOW):
    with pytest.raises(QingStorFault) as caught:
        BUCKET.result(BUCKET.put("k", b"", md5=MD5, content_type="", name=""), response, now)
    return caught.value


def test_a_wrong_clock_is_told_in_seconds_also_where_there_is_no_body():
    ahead = NOW + timedelta(seconds=1000)
    assert refused(answer(403, {"code": "request_expired"}, Date=DATE), ahead).skew_s == 1000
    assert refused(answer(403, {"code": "request_expired"}, Date="soon"), ahead).skew_s is None
    bare = refused(answer(403, Date=DATE), NOW - timedelta(seconds=1000))
    assert (bare.kind, bare.skew_s) == (Kind.CLOCK, -1000)
    assert refused(answer(403, {"code": "permission_denied"}, Date=DATE), ahead).skew_s is None


@pytest.mark.parametrize(("value", "seconds"), [
    ("7", 7.0), ("Tue, 04 Nov 2025 08:00:09 GMT", 9.0), ("Tue, 04 Nov 2025 07:00:00 GMT", 0.0), ("soon", None),
    ("9999999999", None), ("1.5", None)])
def test_retry_after_as_seconds_or_date_by_the_services_own_clock(value, seconds):
    fault = refused(answer(503, Retry_After=value, Date=DATE), NOW + timedelta(hours=3))
    assert (fault.retry_after_s, fault.maybe_done) == (seconds, True)


@pytest.mark.parametrize("body", [{"code": "<b>"}, {"code": ["x"]}, "text", {"code": None, "message": None}])
def test_a_code_that_is_none_is_dropped(body):
    assert refused(answer(400, body)).code == ""


def test_no_answer_keeps_what_the_transport_said():
    fault = unreachable(RemoteFault("no route", mend="检查网络", temporary=True, maybe_done=True), where="PUT k")
    assert (fault.kind, fault.temporary, fault.maybe_done, fault.mend) == (Kind.UNREACHABLE, True, True, "检查网络")


@pytest.mark.parametrize(("name", "wanted"), [
    ("a.pdf", "attachment; filename=\"a.pdf\"; filename*=UTF-8''a.pdf"),
    ('x"y\\z%41;=.txt', "attachment; filename=\"x_y_z_41;=.txt\"; filename*=UTF-8''x%22y%5Cz%2541%3B%3D.txt"),
    ("a b'c(1)*.tgz", "attachment; filename=\"a b'c(1)*.tgz\"; filename*=UTF-8''a%20b%27c%281%29%2A.tgz"),
    ("行\r\nSet-Cookie: a\ud800.md",
     "attachment; filename=\"_Set-Cookie: a.md\"; filename*=UTF-8''%E8%A1%8CSet-Cookie%3A%20a.md"),
    ("", "attachment; filename=\"\"; filename*=UTF-8''")])
def test_names_in_both_forms(name, wanted):
    assert content_disposition(name) == wanted


@given(st.text(max_size=400))
def test_any_name_makes_a_field_that_can_be_sent(name):
    value = content_disposition(name)
    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2
    assert len(value) < 4000


@pytest.mark.parametrize(("given_type", "wanted"), [
    ("text/plain; charset=utf-8", "text/plain; charset=utf-8"), (" a/b ", "a/b"), ("", "application/octet-stream"),
    ("text", "application/octet-stream"), ("a/b\r\nX: y", "application/octet-stream"),
    ("a/b; " + "x" * 300, "application/octet-stream"), ("文/本", "application/octet-stream")])
def test_types_that_cannot_be_sent_become_plain_bytes(given_type, wanted):
    assert media_type(given_type) == wanted

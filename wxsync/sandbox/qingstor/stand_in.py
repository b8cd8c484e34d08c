"""The whole QingStor stand-in: objects and multipart uploads behind real signatures. Floor: sandbox."""

from __future__ import annotations

import base64
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate, parsedate_to_datetime

from wxsync.sandbox.qingstor import multipart, signature
from wxsync.sandbox.qingstor.buckets import Bucket, StoredObject, etag_of
from wxsync.sandbox.qingstor.refusal import STATUS, Refusal
from wxsync.sandbox.server import Answer, Request, Server, json_answer

MAX_SKEW_S = 900
MAX_PUT = 5 << 30
_RANGE = re.compile("bytes=([0-9]{1,15})-([0-9]{0,15})")


class QingStor:
    """Ready when made; end it with `close`. A request to BUCKET.ZONE.qingstor.com (Host) is virtual-host style.

    skew_s: how far its clock is ahead of `now`. wrong_etags: so many of the next PUTs answer with another ETag.
    server.bodies: whether content is kept, and how fast it is taken.
    """

    def __init__(
        self, *, bucket: str = "tmp", zone: str = "pek3a", now: Callable[[], float] = time.time
    ) -> None:
        self.access_key_id = secrets.token_hex(10).upper()
        self.secret_access_key = secrets.token_urlsafe(30)
        self.zone = zone
        self.buckets = {bucket: Bucket()}
        self.skew_s = 0.0
        self.wrong_etags = 0
        self._real_now = now
        self._lock = threading.Lock()
        self.server = Server(self._respond)
        self.server.bodies.max_bytes = MAX_PUT

    @property
    def url(self) -> str:
        """The value for qingstor.endpoint (path style)."""
        return self.server.url

    def open_uploads(self) -> list[str]:
        """Return the ids of all multipart uploads that are neither complete nor aborted."""
        with self._lock:
            return [upload_id for bucket in self.buckets.values() for upload_id in bucket.uploads]

    def close(self) -> None:
        """End it."""
        self.server.close()

    def _now(self) -> float:
        return self._real_now() + self.skew_s

    def _respond(self, request: Request) -> Answer:
        _ = request.received.md5  # outside the lock: it takes a while
        try:
            with self._lock:
                return self._call(request)
        except Refusal as refusal:
            error = {"code": refusal.code, "message": refusal.message, "request_id": secrets.token_hex(16),
                     "url": "https://docs.qingcloud.com/qingstor/api/common/error_code.html"}
            answer = json_answer(error, STATUS[refusal.code], (("Date", formatdate(self._now(), usegmt=True)),))
            return Answer(answer.status, b"", headers=answer.headers) if request.method == "HEAD" else answer

    def _call(self, request: Request) -> Answer:
        bucket_name, key = self._names(request)
        is_signed = self._check_signature(request, bucket_name, key)
        bucket = self.buckets.get(bucket_name)
        if bucket is None:
            raise Refusal("bucket_not_exists", "The bucket you are accessing does not exist.")
        names = {name for name, _ in request.query}
        about_uploads = names & {"uploads", "upload_id"}
        is_reading = request.method in ("GET", "HEAD") and not about_uploads
        if not is_signed and not (bucket.is_public and is_reading):
            raise Refusal("permission_denied", "You don't have enough permission to access.")
        if request.method == "GET" and not key and "uploads" in names:
            return multipart.list_uploads(request, bucket, bucket_name)
        if not key or len(key.encode("utf-8")) > 1023 or key.startswith("/"):
            raise Refusal("invalid_object_name", "The object name is not valid.")
        if request.method == "PUT":
            self._check_body(request, bucket)
        if about_uploads:
            return self._about_uploads(request, bucket, bucket_name, key)
        if request.method == "PUT" and not any(name in signature.SUB_RESOURCES for name in names):
            return self._spoiled(self._put(request, bucket, key))
        if request.method == "DELETE":
            bucket.objects.pop(key, None)
            return Answer(204)
        if is_reading:
            return _get(request, bucket, key)
        raise Refusal("method_not_allowed", "The method is not allowed against this resource.")

    def _about_uploads(self, request: Request, bucket: Bucket, bucket_name: str, key: str) -> Answer:
        names = {name for name, _ in request.query}
        if request.method == "POST":
            if "uploads" in names:
                return multipart.initiate(request, bucket, key, bucket_name, self._now())
            return multipart.complete(request, bucket, key, self._now())
        if request.method == "PUT" and "part_number" in names:
            return self._spoiled(multipart.put_part(request, bucket, key))
        if request.method == "GET":
            return multipart.list_parts(request, bucket, key)
        if request.method == "DELETE":
            return multipart.abort(request, bucket, key)
        raise Refusal("method_not_allowed", "The method is not allowed against this resource.")

    def _names(self, request: Request) -> tuple[str, str]:
        host = request.headers.get("host", "").partition(":")[0]
        suffix = f".{self.zone}.qingstor.com"
        if host.endswith(suffix):
            return host[: -len(suffix)], request.path[1:]
        bucket, _, key = request.path[1:].partition("/")
        return bucket, key

    def _check_signature(self, request: Request, bucket: str, key: str) -> bool:
        """Tell whether the request is signed at all; a wrong signature is refused."""
        header, expires = request.headers.get("authorization", ""), request.arg("expires")
        if header:
            given_id, _, given = header[3:].partition(":") if header.startswith("QS ") else ("", "", "")
            self._check_date(request.headers.get("x-qs-date") or request.headers.get("date", ""))
            expires = ""
        elif request.arg("signature"):
            given_id, given = request.arg("access_key_id"), request.arg("signature")
            if not re.fullmatch("[0-9]{1,12}", expires) or int(expires) < self._now():
                raise Refusal("request_expired", "The link has expired.")
        else:
            return False
        if given_id != self.access_key_id:
            raise Refusal("invalid_access_key_id", "The access key id you provided does not exist.")
        text = signature.string_to_sign(request.method, request.headers, bucket, key, request.query, expires=expires)
        if not signature.is_right(given, self.secret_access_key, text):
            raise Refusal("signature_not_matched", "The signature does not match.")
        return True

    def _check_date(self, date: str) -> None:
        try:
            sent = parsedate_to_datetime(date).timestamp()
        except (TypeError, ValueError, IndexError) as cause:
            raise Refusal("invalid_request", "The Date header is missing or not valid.") from cause
        if abs(sent - self._now()) > MAX_SKEW_S:
            raise Refusal("request_expired", "The difference between the request time and the server's is too large.")

    def _check_body(self, request: Request, bucket: Bucket) -> None:
        # 5 GB is the service's own bound; the listener refuses more before.
        if "content-length" not in request.headers:
            raise Refusal("invalid_request", "Content-Length is required.")
        wanted = request.headers.get("content-md5")
        if wanted is not None and wanted != base64.b64encode(request.received.md5).decode("ascii"):
            raise Refusal("bad_digest", "The Content-MD5 you specified does not match what was received.")
        if bucket.quota is not None and bucket.used + request.received.size > bucket.quota:
            raise Refusal("quota_exceeded", "The quota of the bucket is used up.")

    def _put(self, request: Request, bucket: Bucket, key: str) -> Answer:
        body = request.received
        stored = StoredObject(body.content, multipart.kept_headers(request), self._now(), body.size, etag_of(body))
        bucket.objects[key] = stored
        return Answer(201, headers=(("ETag", stored.etag),))

    def _spoiled(self, answer: Answer) -> Answer:
        if not self.wrong_etags:
            return answer
        self.wrong_etags -= 1
        return replace(answer, headers=(("ETag", f'"{secrets.token_hex(16)}"'),))


def _get(request: Request, bucket: Bucket, key: str) -> Answer:
    stored = bucket.objects.get(key)
    if stored is None:
        raise Refusal("object_not_exists", "The object you are accessing does not exist.")
    headers: tuple[tuple[str, str], ...] = (
        ("Last-Modified", formatdate(stored.at, usegmt=True)), ("Accept-Ranges", "bytes"))
    if stored.etag:
        headers += (("ETag", stored.etag),)
    if "content-disposition" in stored.headers:
        headers += (("Content-Disposition", stored.headers["content-disposition"]),)
    content_type = stored.headers.get("content-type", "application/octet-stream")
    if stored.size != len(stored.content):
        if request.method == "GET":
            raise Refusal("invalid_object_state", "The stand-in was told to keep no content.")
        return Answer(200, b"", content_type, (*headers, ("Content-Length", str(stored.size))))
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is None:
        return Answer(200, stored.content, content_type, headers)
    first, size = int(match.group(1)), len(stored.content)
    last = min(int(match.group(2) or size), size - 1)
    if first > last:
        raise Refusal("invalid_range", "The range is not satisfiable.")
    headers += (("Content-Range", f"bytes {first}-{last}/{size}"),)
    return Answer(206, stored.content[first : last + 1], content_type, headers)

"""The whole QingStor stand-in: PUT, GET, HEAD and DELETE of objects behind real signatures. Floor: sandbox."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable
from email.utils import formatdate, parsedate_to_datetime

from wxsync.sandbox.qingstor import signature
from wxsync.sandbox.qingstor.buckets import Bucket, StoredObject
from wxsync.sandbox.server import Answer, Request, Server, json_answer

MAX_SKEW_S = 900
STATUS = {
    "invalid_access_key_id": 401, "signature_not_matched": 401, "request_expired": 403, "permission_denied": 403,
    "bucket_not_exists": 404, "object_not_exists": 404, "method_not_allowed": 405, "invalid_request": 400,
    "bad_digest": 400, "invalid_object_name": 400, "invalid_range": 416,
}
_RANGE = re.compile("bytes=([0-9]{1,15})-([0-9]{0,15})")


class Refusal(Exception):
    """One of QingStor's error codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class QingStor:
    """Ready when made; end it with `close`. A request to BUCKET.ZONE.qingstor.com (Host) is virtual-host style."""

    def __init__(
        self, *, bucket: str = "tmp", zone: str = "pek3a", now: Callable[[], float] = time.time
    ) -> None:
        self.access_key_id = secrets.token_hex(10).upper()
        self.secret_access_key = secrets.token_urlsafe(30)
        self.zone = zone
        self.buckets = {bucket: Bucket()}
        self._now = now
        self._lock = threading.Lock()
        self.server = Server(self._respond)

    @property
    def url(self) -> str:
        """The value for qingstor.endpoint (path style)."""
        return self.server.url

    def close(self) -> None:
        """End it."""
        self.server.close()

    def _respond(self, request: Request) -> Answer:
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
        if not is_signed and not (bucket.is_public and request.method in ("GET", "HEAD")):
            raise Refusal("permission_denied", "You don't have enough permission to access.")
        if not key or len(key.encode("utf-8")) > 1023 or key.startswith("/"):
            raise Refusal("invalid_object_name", "The object name is not valid.")
        if request.method == "PUT" and not any(name in signature.SUB_RESOURCES for name, _ in request.query):
            return self._put(request, bucket, key)
        if request.method == "DELETE":
            bucket.objects.pop(key, None)
            return Answer(204)
        if request.method in ("GET", "HEAD"):
            return _get(request, bucket, key)
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

    def _put(self, request: Request, bucket: Bucket, key: str) -> Answer:
        # 5 GB is the service's own bound; the listener's bound on a body is far below.
        if "content-length" not in request.headers:
            raise Refusal("invalid_request", "Content-Length is required.")
        digest = hashlib.md5(request.body).digest()  # noqa: S324  # the header's definition
        wanted = request.headers.get("content-md5")
        if wanted is not None and wanted != base64.b64encode(digest).decode("ascii"):
            raise Refusal("bad_digest", "The Content-MD5 you specified does not match what was received.")
        kept = {name: request.headers[name] for name in ("content-type", "content-disposition")
                if name in request.headers}
        stored = bucket.objects[key] = StoredObject(request.body, kept, self._now())
        return Answer(201, headers=(("ETag", stored.etag),))


def _get(request: Request, bucket: Bucket, key: str) -> Answer:
    stored = bucket.objects.get(key)
    if stored is None:
        raise Refusal("object_not_exists", "The object you are accessing does not exist.")
    headers: tuple[tuple[str, str], ...] = (
        ("ETag", stored.etag), ("Last-Modified", formatdate(stored.at, usegmt=True)), ("Accept-Ranges", "bytes"))
    if "content-disposition" in stored.headers:
        headers += (("Content-Disposition", stored.headers["content-disposition"]),)
    content_type = stored.headers.get("content-type", "application/octet-stream")
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is None:
        return Answer(200, stored.content, content_type, headers)
    first, size = int(match.group(1)), len(stored.content)
    last = min(int(match.group(2) or size), size - 1)
    if first > last:
        raise Refusal("invalid_range", "The range is not satisfiable.")
    headers += (("Content-Range", f"bytes {first}-{last}/{size}"),)
    return Answer(206, stored.content[first : last + 1], content_type, headers)

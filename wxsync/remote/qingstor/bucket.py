"""The calls on one bucket: objects, multipart uploads, links. Floor: remote, pure.

Whoever carries the calls does `request`, sends it, and hands the answer to `result`; waiting and trying again are his.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any, TypeVar

from wxsync.remote.exchange import Body, Request, Response
from wxsync.remote.qingstor import faults
from wxsync.remote.qingstor.calls import Call
from wxsync.remote.qingstor.disposition import BINARY, content_disposition, media_type
from wxsync.remote.qingstor.faults import Kind
from wxsync.remote.qingstor.place import Place
from wxsync.remote.qingstor.signing import Headers, Key, string_to_sign

T = TypeVar("T")
LISTED = 200  # uploads in one listing

_MD5_ETAG = re.compile(r'"([0-9a-f]{32})"', re.ASCII)
_ETAG = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)
_UPLOAD_ID = re.compile(r"[\x21-\x7e]{1,256}", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True)
class Part:
    """A part that has arrived: its number and the ETag to complete with."""

    number: int
    etag: str


@dataclass(frozen=True)
class Bucket:
    """One bucket and the key to it; a value, so any thread may use it."""

    place: Place
    key: Key

    def put(self, key: str, content: Body, *, md5: bytes, content_type: str, name: str) -> Call[None]:
        """Store an object in one request. md5: the content's digest; name: as which browsers save it."""
        headers = (_digest(md5), *_described(content_type, name))

        def read(answer: Response) -> None:
            _check_etag(answer, md5, f"PUT {key}")

        return Call("PUT", key, (200, 201), read, (), headers, content)

    def initiate(self, key: str, *, content_type: str, name: str) -> Call[str]:
        """Begin a multipart upload; the result is its id."""
        return Call("POST", key, (200, 201), _upload_id, (("uploads", None),), _described(content_type, name), b"")

    def put_part(self, key: str, upload_id: str, number: int, content: Body, *, md5: bytes) -> Call[Part]:
        """Send one part, numbered from 0; sent again it replaces the earlier one."""

        def read(answer: Response) -> Part:
            return Part(number, _check_etag(answer, md5, f"part {number} of {key}") or f'"{md5.hex()}"')

        query = (("part_number", str(number)), ("upload_id", upload_id))
        return Call("PUT", key, (200, 201), read, query, (_digest(md5), ("Content-Type", BINARY)), content)

    def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> Call[None]:
        """Join the parts to the object. Repeated after a lost answer it is refused with UPLOAD_MISSING."""
        rows = [{"part_number": part.number, "etag": part.etag} for part in sorted(parts, key=lambda one: one.number)]
        body = json.dumps({"object_parts": rows}).encode()
        query = (("upload_id", upload_id),)
        return Call("POST", key, (200, 201), _nothing, query, (("Content-Type", "application/json"),), body)

    def abort(self, key: str, upload_id: str) -> Call[None]:
        """Drop an upload with its parts; one that is not there (any more) is refused with UPLOAD_MISSING."""
        return Call("DELETE", key, (200, 204), _nothing, (("upload_id", upload_id),))

    def open_uploads(self, key: str) -> Call[list[str]]:
        """List the ids of the multipart uploads of exactly this key."""
        query = (("uploads", None), ("prefix", key), ("limit", str(LISTED)))
        return Call("GET", "", (200,), lambda answer: _ids_of(answer, key), query)

    def size(self, key: str) -> Call[int]:
        """Ask for the object's size in bytes."""
        return Call("HEAD", key, (200,), _size)

    def is_public(self, key: str) -> Call[bool]:
        """Ask as anybody whether the object can be read without a signature."""
        return Call("HEAD", key, (200, 401, 403), lambda answer: answer.status == 200, is_signed=False)

    def delete(self, key: str) -> Call[None]:
        """Delete the object; one that is not there is fine."""
        return Call("DELETE", key, (200, 204), _nothing)

    def public_url(self, key: str) -> str:
        """Return the plain link."""
        return self.place.url(key)

    def presigned_url(self, key: str, until: datetime) -> str:
        """Return a link that opens until then (whole seconds) for anybody who has it; it must not be logged."""
        expires = int(until.timestamp())
        text = string_to_sign("GET", (), self.place.bucket, key, expires=expires)
        return f"{self.place.url(key)}?{self.key.signed_parameters(text, expires)}"

    def request(self, call: Call[T], now: datetime) -> Request:
        """Return what to send; its signature is good for 15 minutes."""
        headers: Headers = call.headers
        if call.is_signed:
            headers += (("Date", format_datetime(now.astimezone(timezone.utc), usegmt=True)),)
            text = string_to_sign(call.method, headers, self.place.bucket, call.key, call.query)
            headers += (("Authorization", self.key.authorization(text)),)
        return Request(call.method, self.place.url(call.key, call.query), headers, call.body)

    def result(self, call: Call[T], response: Response, now: datetime) -> T:
        """Return what the answer means; raise QingStorFault. now: when it came."""
        if response.status not in call.expected:
            raise faults.fault_of(response, where=call.where, now=now)
        return call.read(response)


def _digest(md5: bytes) -> tuple[str, str]:
    return "Content-MD5", base64.b64encode(md5).decode("ascii")


def _described(content_type: str, name: str) -> Headers:
    # Whether the service keeps the name is documented nowhere; it is not signed and does no harm.
    return ("Content-Type", media_type(content_type)), ("Content-Disposition", content_disposition(name))


def _nothing(_: Response) -> None:
    return None


def _check_etag(response: Response, md5: bytes, where: str) -> str:
    """Return the ETag ("" without one); when it is an MD5, it must be that of what was sent."""
    etag = (response.header("ETag") or "").strip()
    match = _MD5_ETAG.fullmatch(etag.lower())
    if match and match[1] != md5.hex():
        raise faults.bad_answer("the ETag is not the digest of what was sent", where=where, kind=Kind.CORRUPT)
    return etag if _ETAG.fullmatch(etag) else ""


def _object(response: Response, where: str) -> dict[str, Any]:
    try:
        data = json.loads(response.body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise faults.bad_answer("the answer is no JSON object", where=where)
    return data


def _upload_id(response: Response) -> str:
    given = _object(response, "POST ?uploads").get("upload_id")
    if not isinstance(given, str) or not _UPLOAD_ID.fullmatch(given):
        raise faults.bad_answer("the answer names no upload id", where="POST ?uploads")
    return given


def _ids_of(response: Response, key: str) -> list[str]:
    rows = _object(response, "GET ?uploads").get("uploads") or []
    if not isinstance(rows, list):
        raise faults.bad_answer("the answer lists no uploads", where="GET ?uploads")
    found = [row.get("upload_id") for row in rows if isinstance(row, dict) and row.get("key") == key]
    return [given for given in found if isinstance(given, str) and _UPLOAD_ID.fullmatch(given)]


def _size(response: Response) -> int:
    text = response.header("Content-Length") or ""
    if not _LENGTH.fullmatch(text):
        raise faults.bad_answer("the answer tells no size", where="HEAD")
    return int(text)

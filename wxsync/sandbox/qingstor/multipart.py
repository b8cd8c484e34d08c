"""Multipart uploads as QingStor documents them: initiate, parts, complete, abort, listings. Floor: sandbox."""

from __future__ import annotations

import json
import re
import secrets
from email.utils import formatdate

from wxsync.sandbox.qingstor.buckets import Bucket, StoredObject, Upload, etag_of
from wxsync.sandbox.qingstor.refusal import Refusal
from wxsync.sandbox.server import Answer, Request

LEAST_PART = 4 << 20  # of every part but the last
LAST_NUMBER = 10_000
MOST_LISTED = 1_000


def initiate(request: Request, bucket: Bucket, key: str, name: str, now: float) -> Answer:
    """Open an upload; several of one key may be open."""
    upload_id = secrets.token_hex(16)
    bucket.uploads[upload_id] = Upload(key, kept_headers(request), now)
    return _told({"bucket": name, "key": key, "upload_id": upload_id})


def put_part(request: Request, bucket: Bucket, key: str) -> Answer:
    """Take a part; the same number again replaces it."""
    upload, number = find(request, bucket, key), request.arg("part_number")
    if not re.fullmatch("0|[1-9][0-9]{0,4}", number) or int(number) > LAST_NUMBER:
        raise Refusal("invalid_argument", "part_number must be an integer from 0 to 10000.")
    upload.parts[int(number)] = request.received
    return Answer(201, headers=(("ETag", etag_of(request.received)),))


def list_parts(request: Request, bucket: Bucket, key: str) -> Answer:
    """Tell the parts that have arrived."""
    upload = find(request, bucket, key)
    rows = [{"part_number": number, "size": part.size, "etag": etag_of(part), "created": formatdate(upload.at)}
            for number, part in sorted(upload.parts.items())]
    return _told({"count": len(rows), "object_parts": rows})


def complete(request: Request, bucket: Bucket, key: str, now: float) -> Answer:
    """Join the listed parts to the object."""
    upload = find(request, bucket, key)
    numbers = _listed(request, upload)
    if numbers != sorted(set(numbers)):
        raise Refusal("invalid_argument", "The part numbers must rise.")
    parts = [upload.parts[number] for number in numbers]
    if any(part.size < LEAST_PART for part in parts[:-1]):
        raise Refusal("entity_too_small", "A part other than the last has less than 4 MiB.")
    content = b"".join(part.content for part in parts)
    size, given = sum(part.size for part in parts), request.headers.get("etag", "")
    bucket.objects[key] = StoredObject(content, upload.headers, now, size, given)
    del bucket.uploads[request.arg("upload_id")]
    return Answer(201)


def abort(request: Request, bucket: Bucket, key: str) -> Answer:
    """Drop an upload and its parts."""
    find(request, bucket, key)
    del bucket.uploads[request.arg("upload_id")]
    return Answer(204)


def list_uploads(request: Request, bucket: Bucket, name: str) -> Answer:
    """Tell the open uploads whose key has the prefix, by key, then by age; markers name the last one seen."""
    limit = request.arg("limit", "200")
    if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= MOST_LISTED:
        raise Refusal("invalid_argument", "limit must be an integer from 1 to 1000.")
    prefix, marker = request.arg("prefix"), (request.arg("key_marker"), request.arg("upload_id_marker"))
    rows = sorted((upload.key, upload_id, upload.at) for upload_id, upload in bucket.uploads.items()
                  if upload.key.startswith(prefix))
    left = [row for row in rows if row[:2] > marker] if any(marker) else rows
    shown = left[: int(limit)]
    has_more = len(left) > len(shown)
    return _told({
        "name": name, "prefix": prefix, "limit": int(limit), "has_more": has_more,
        "next_key_marker": shown[-1][0] if has_more else "", "next_upload_id_marker": shown[-1][1] if has_more else "",
        "uploads": [{"key": key, "upload_id": upload_id, "created": formatdate(at)} for key, upload_id, at in shown],
    })


def find(request: Request, bucket: Bucket, key: str) -> Upload:
    """Return the upload that a request names; it must be one of this key."""
    upload = bucket.uploads.get(request.arg("upload_id"))
    if upload is None or upload.key != key:
        raise Refusal("upload_not_exists", "The upload you are accessing does not exist.")
    return upload


def kept_headers(request: Request) -> dict[str, str]:
    """Return what of a request is given back with the object."""
    return {name: request.headers[name] for name in ("content-type", "content-disposition") if name in request.headers}


def _told(value: object) -> Answer:
    """Return JSON under the very type that the service's SDK looks for, without a charset."""
    return Answer(200, json.dumps(value).encode("utf-8"), "application/json")


def _listed(request: Request, upload: Upload) -> list[int]:
    """Return the part numbers of a completion; each must have arrived, with the ETag that is told."""
    try:
        body = request.json()
    except ValueError:
        body = None
    rows = body.get("object_parts") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise Refusal("invalid_request", "object_parts is missing.")
    numbers = []
    for row in rows:
        number = row.get("part_number")
        if not isinstance(number, int) or number not in upload.parts:
            raise Refusal("invalid_request", "A listed part does not exist.")
        if row.get("etag", etag_of(upload.parts[number])) != etag_of(upload.parts[number]):
            raise Refusal("invalid_request", "The ETag of a listed part is another.")
        numbers.append(number)
    return numbers

"""The whole registry stand-in: pull with Range, the push protocol, logins, and blobs that go wrong. Floor: sandbox."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from wxsync.sandbox.registry.access import BEARER, OPEN, Access
from wxsync.sandbox.registry.answers import QUOTA, Refusal
from wxsync.sandbox.registry.content import Content, Maker
from wxsync.sandbox.registry.images import digest_of
from wxsync.sandbox.server import Answer, Request, Server, json_answer

OCTETS = "application/octet-stream"
DIGEST = "sha256:[0-9a-f]{64}"
_NAME = "(?P<name>[a-z0-9][a-z0-9._:/-]{0,254})"
_RANGE = re.compile("bytes=([0-9]{1,15})-([0-9]{0,15})")
_CONTENT_RANGE = re.compile("([0-9]{1,15})-([0-9]{1,15})")


@dataclass(frozen=True)
class Slip:
    """What goes wrong with a blob on its way out, for so many answers.

    cut_at: the connection is reset before this byte of the blob. spoil_at: this byte is another one.
    longer: so many bytes more than there should be, or fewer when negative.
    """

    digest: str
    cut_at: int | None = None
    spoil_at: int | None = None
    longer: int = 0
    times: int = 1


class Registry:
    """Ready when made; end it with `close`. maker: makes images that are not there.

    is_full: the destination takes nothing more. is_mounting, is_ranging: whether it can do so. slips: blobs to spoil.
    """

    def __init__(self, *, access: str = OPEN, maker: Maker | None = None, is_pull_open: bool = True) -> None:
        self.content = Content(maker)
        self.access = Access(access, is_pull_open=is_pull_open)
        self.is_full, self.is_mounting, self.is_ranging = False, True, True
        self.slips: list[Slip] = []
        self._lock = threading.Lock()
        self._routes = tuple((method, re.compile(f"/v2/{_NAME}{pattern}"), call) for method, pattern, call in (
            ("GET HEAD", "/manifests/(?P<reference>[^/]{1,255})", self._get_manifest),
            ("PUT", "/manifests/(?P<reference>[^/]{1,255})", self._put_manifest),
            ("GET HEAD", f"/blobs/(?P<digest>{DIGEST})", self._get_blob),
            ("GET", "/tags/list", self._tags),
            ("POST", "/blobs/uploads/?", self._begin),
            ("GET PATCH PUT DELETE", "/blobs/uploads/(?P<upload>[0-9a-f]{32})", self._upload),
        ))
        self.server = Server(self._respond)
        self.access.realm = f"{self.server.url}/token"

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return self.server.url.partition("//")[2]

    @property
    def served_bytes(self) -> int:
        """Return how many bytes of blobs went out."""
        return sum(self.content.served.values())

    def close(self) -> None:
        """End it."""
        self.server.close()

    def _respond(self, request: Request) -> Answer:
        with self._lock:
            try:
                answer = self._call(request)
            except Refusal as refusal:
                answer = refusal.answer()
        version = ("Docker-Distribution-Api-Version", "registry/2.0")
        return replace(answer, headers=(*answer.headers, version))

    def _call(self, request: Request) -> Answer:
        if request.path == "/token" and self.access.kind == BEARER:
            return self.access.token(request)
        if request.path == "/v2/":
            self.access.check(request, ())
            return json_answer({})
        for methods, pattern, call in self._routes:
            match = pattern.fullmatch(request.path)
            if match and request.method in methods.split():
                self.access.check(request, _needs(request, match["name"]))
                return call(request, match)
        raise Refusal("UNSUPPORTED")

    def _get_manifest(self, _request: Request, match: re.Match[str]) -> Answer:
        media_type, raw = self.content.manifest(match["name"], match["reference"])
        return Answer(200, raw, media_type, (("Docker-Content-Digest", digest_of(raw)),))

    def _put_manifest(self, request: Request, match: re.Match[str]) -> Answer:
        self._check_room()
        name, media_type = match["name"], request.headers.get("content-type", "")
        digest = self.content.put_manifest(name, match["reference"], media_type, request.body)
        return Answer(201, headers=(("Location", f"/v2/{name}/manifests/{digest}"), ("Docker-Content-Digest", digest)))

    def _tags(self, request: Request, match: re.Match[str]) -> Answer:
        tags = [tag for tag in self.content.tags(match["name"]) if tag > request.arg("last")]
        most = int(request.arg("n")) if re.fullmatch("[0-9]{1,6}", request.arg("n")) else len(tags)
        target = f"/v2/{match['name']}/tags/list?{urlencode({'n': most, 'last': ''.join(tags[most - 1 : most])})}"
        link = (("Link", f'<{target}>; rel="next"'),) if 0 < most < len(tags) else ()
        return json_answer({"name": match["name"], "tags": tags[:most]}, headers=link)

    def _get_blob(self, request: Request, match: re.Match[str]) -> Answer:
        digest = match["digest"]
        whole = self.content.blob(match["name"], digest)
        headers: tuple[tuple[str, str], ...] = (("Docker-Content-Digest", digest), ("Etag", f'"{digest}"'))
        asked = _RANGE.fullmatch(request.headers.get("range", "")) if self.is_ranging else None
        if request.method == "HEAD":
            return Answer(200, whole, OCTETS, headers)
        first = int(asked[1]) if asked else 0
        if asked and first >= len(whole):
            raise Refusal("RANGE_INVALID")
        body, cut = self._slipped(digest, whole, first)
        if asked and asked[2]:
            body = body[: max(0, int(asked[2]) - first + 1)]
        self.content.served[digest] += len(body) if cut is None else min(cut, len(body))
        if asked:
            headers += (("Content-Range", f"bytes {first}-{first + len(body) - 1}/{len(whole)}"),)
        return Answer(206 if asked else 200, body, OCTETS, headers, cut_at=cut)

    def _slipped(self, digest: str, whole: bytes, first: int) -> tuple[bytes, int | None]:
        """Return the blob from this byte on with the next slip that meets it, and where the answer is cut."""
        for place, slip in enumerate(self.slips):
            if slip.digest != digest or (slip.cut_at is not None and slip.cut_at < first):
                continue
            self.slips[place : place + 1] = [replace(slip, times=slip.times - 1)] if slip.times > 1 else []
            content = bytearray(whole)
            if slip.spoil_at is not None:
                content[slip.spoil_at] ^= 0xFF
            content = content + b"x" * slip.longer if slip.longer >= 0 else content[: slip.longer]
            return bytes(content[first:]), None if slip.cut_at is None else slip.cut_at - first
        return whole[first:], None

    def _begin(self, request: Request, match: re.Match[str]) -> Answer:
        name, mount = match["name"], request.arg("mount")
        self._check_room()
        if mount and self.is_mounting and self.content.mount(name, mount, request.arg("from")):
            return self._blob_there(name, mount)
        return self._open(name, self.content.begin(name), 202)

    def _upload(self, request: Request, match: re.Match[str]) -> Answer:
        name, upload = match["name"], match["upload"]
        content = self.content.upload(name, upload).content
        if request.method == "DELETE":
            del self.content.uploads[upload]
            return Answer(204)
        if request.method in ("PATCH", "PUT") and request.body:
            self._check_room()
            span = _CONTENT_RANGE.fullmatch(request.headers.get("content-range", ""))
            if span and (int(span[1]) != len(content) or int(span[2]) - int(span[1]) + 1 != len(request.body)):
                return self._open(name, upload, 416)
            content += request.body
            self.content.taken_bytes += len(request.body)
        if request.method == "PUT":
            self.content.finish(name, upload, request.arg("digest"))
            return self._blob_there(name, request.arg("digest"))
        return self._open(name, upload, 204 if request.method == "GET" else 202)

    def _open(self, name: str, upload: str, status: int) -> Answer:
        end = max(0, len(self.content.upload(name, upload).content) - 1)
        return Answer(status, headers=(
            ("Location", f"{self.server.url}/v2/{name}/blobs/uploads/{upload}?_state={upload[:8]}"),
            ("Range", f"0-{end}"), ("Docker-Upload-Uuid", upload)))

    @staticmethod
    def _blob_there(name: str, digest: str) -> Answer:
        return Answer(201, headers=(("Location", f"/v2/{name}/blobs/{digest}"), ("Docker-Content-Digest", digest)))

    def _check_room(self) -> None:
        if self.is_full:
            raise Refusal("DENIED", QUOTA)


Call = Callable[[Request, "re.Match[str]"], Answer]


def _needs(request: Request, name: str) -> tuple[tuple[str, str], ...]:
    if request.method in ("GET", "HEAD"):
        return ((name, "pull"),)
    source = request.arg("from")
    return ((name, "pull"), (name, "push"), *(((source, "pull"),) if source else ()))

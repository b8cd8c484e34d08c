"""One repository of a registry: its manifests, blobs and tags. Floor: remote, pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urljoin

from wxsync.remote.exchange import Incoming, Response
from wxsync.remote.registry import manifest
from wxsync.remote.registry.calls import Calls
from wxsync.remote.registry.faults import Kind, RegistryFault, bad_answer
from wxsync.remote.registry.manifest import Document
from wxsync.remote.registry.strictjson import read_json

PULL, PUSH = "pull", "pull,push"
MAX_TAG_PAGES, MAX_TAGS, TAGS_A_PAGE = 10, 20_000, 1000
MAX_TAG_BYTES = 1 << 20

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/(?:[0-9]{1,18}|\*)", re.ASCII)
_NEXT = re.compile(r"\s*<([^<>]{1,4096})>([^,<>]{0,256})", re.ASCII)


@dataclass(frozen=True)
class Found:
    """What a HEAD tells of a manifest; digest "" and size None where the registry does not say."""

    digest: str
    media_type: str
    size: int | None


@dataclass(frozen=True)
class Blob:
    """A blob on its way; body begins at this byte of it, which is 0 when the registry knows no ranges."""

    body: Incoming
    start: int


class Repository:
    """Calls about one repository, by one thread. Every method raises RegistryFault, and Stopped as the session does.

    deadline: instant of the clock's monotonic time at which the whole call must be over.
    """

    def __init__(self, calls: Calls, name: str, *, actions: str = PULL) -> None:
        """name: without the registry, with `library/`. actions: PULL for a source, PUSH for a destination."""
        path = f"{calls.endpoint.path}{name}"
        self.calls = calls
        self.path = f"/v2/{path}"
        self.name = path
        self.scopes: tuple[str, ...] = (f"repository:{path}:{actions}",)
        self._shown = f"{calls.endpoint.name}/{name}"

    def where(self, method: str, what: str) -> str:
        """Return what is being done, for errors and the log."""
        return f"{method} {self._shown} {what}"[:400]

    def head(self, reference: str, *, deadline: float) -> Found:
        """Ask whether a tag or digest is there. Docker Hub counts no pull for it."""
        where = self.where("HEAD", reference)
        response = self._call("HEAD", f"manifests/{reference}", deadline, where, fields=(("Accept", manifest.ACCEPT),))
        digest, length = response.header("Docker-Content-Digest") or "", response.header("Content-Length") or ""
        if digest and not manifest.is_digest(digest):
            raise bad_answer("a digest of unknown form", where)
        if manifest.is_digest(reference) and digest and _differs(reference, digest):
            raise _mismatch(reference, digest, where)
        size = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None
        return Found(digest, _media_type(response), size)

    def manifest(self, reference: str, *, deadline: float) -> manifest.Manifest:
        """Return the manifest of a tag or digest; its bytes are those that the digest names."""
        where = self.where("GET", reference)
        fields = (("Accept", manifest.ACCEPT),)
        response = self._call(
            "GET", f"manifests/{reference}", deadline, where, fields=fields, max_bytes=manifest.MAX_BYTES
        )
        told = response.header("Docker-Content-Digest") or ""
        for wanted in (reference, told):
            if manifest.is_digest(wanted) and manifest.digest_of(response.body, wanted) != wanted:
                raise _mismatch(wanted, manifest.digest_of(response.body, wanted), where)
        return manifest.parse(response.body, _media_type(response), where)

    def put_manifest(self, reference: str, document: Document, *, deadline: float) -> None:
        """Write a manifest under a tag or digest; what it names must be there already."""
        where = self.where("PUT", reference)
        fields = (("Content-Type", document.media_type),)
        response = self._call(
            "PUT", f"manifests/{reference}", deadline, where, fields=fields, body=document.content, expected=(201,)
        )
        told = response.header("Docker-Content-Digest") or ""
        if told and _differs(document.digest, told):
            raise _mismatch(document.digest, told, where)

    def has_blob(self, digest: str, *, deadline: float) -> bool:
        """Tell whether a blob is there."""
        try:
            self._call("HEAD", f"blobs/{digest}", deadline, self.where("HEAD", digest))
        except RegistryFault as fault:
            if fault.kind is Kind.NOT_FOUND:
                return False
            raise
        return True

    def blob(self, digest: str, *, start: int = 0, deadline: float) -> Blob:
        """Open a blob from a byte on; the caller reads, compares the digest and closes."""
        where = self.where("GET", digest)
        fields = (("Range", f"bytes={start}-"),) if start else ()
        body = self.calls.stream(
            f"{self.path}/blobs/{digest}",
            scopes=self.scopes,
            deadline=deadline,
            where=where,
            fields=fields,
            expected=(200, 206) if start else (200,),
        )
        if body.status == 200:
            return Blob(body, 0)
        match = _RANGE.fullmatch(body.header("Content-Range") or "")
        if match is None or int(match[1]) != start:
            body.close()
            raise bad_answer("another range than the one asked for", where)
        return Blob(body, start)

    def tags(self, *, deadline: float) -> tuple[str, ...]:
        """Return the tags, at most MAX_TAGS, in the registry's order."""
        where = self.where("GET", "tags")
        base = urljoin(self.calls.endpoint.root, f"{self.path}/tags/list")
        url = f"{base}?{urlencode({'n': TAGS_A_PAGE})}"
        found: list[str] = []
        for _ in range(MAX_TAG_PAGES):
            response = self.calls.whole(
                "GET", url, scopes=self.scopes, deadline=deadline, where=where, max_bytes=MAX_TAG_BYTES
            )
            found += _tags_in(response.body, where)
            following = _next_page(response)
            if not following or len(found) >= MAX_TAGS:
                break
            url = self.calls.own_url(following, url, where)
        return tuple(found[:MAX_TAGS])

    def _call(
        self,
        method: str,
        target: str,
        deadline: float,
        where: str,
        *,
        fields: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        expected: Sequence[int] = (200,),
        max_bytes: int = 64 << 10,
    ) -> Response:
        return self.calls.whole(
            method,
            f"{self.path}/{quote(target, safe='/:@')}",
            scopes=self.scopes,
            deadline=deadline,
            where=where,
            fields=fields,
            body=body,
            expected=expected,
            max_bytes=max_bytes,
        )


def _media_type(response: Response) -> str:
    return (response.header("Content-Type") or "").partition(";")[0].strip().lower()


def _differs(wanted: str, told: str) -> bool:
    """Tell whether two digests of one algorithm differ; of two algorithms nothing can be said."""
    return wanted.partition(":")[0] == told.partition(":")[0] and wanted != told


def _mismatch(wanted: str, found: str, where: str) -> RegistryFault:
    return RegistryFault(Kind.DIGEST_MISMATCH, f"digest {found[:80]} instead of {wanted[:80]}", where=where)


def _tags_in(body: bytes, where: str) -> list[str]:
    data = read_json(body, where)
    listed = data.get("tags") if isinstance(data, dict) else 0
    if listed is None:  # docker-registry's word for a repository whose tags are all deleted
        return []
    if not isinstance(listed, list):
        raise bad_answer("no list of tags", where)
    return [tag for tag in listed if isinstance(tag, str) and _TAG.fullmatch(tag)]


def _next_page(response: Response) -> str:
    """Return the target of rel="next" in the Link field (RFC 8288), empty when there is none."""
    match = _NEXT.match((response.header("Link") or "")[:8192])
    return match[1] if match and re.search(r'rel="?next"?', match[2]) else ""

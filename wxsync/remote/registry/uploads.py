"""Bring a blob into a repository: mounted, whole, or piece by piece, and resumed after a break. Floor: remote, pure.

Every place that the registry gives for an upload must be of its own origin. After a fault with maybe_done the upload
may have moved on: ask `state` (or, after `finish`, whether the blob is there) before sending anything again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from wxsync.remote.exchange import Body, Response
from wxsync.remote.registry.faults import Kind, RegistryFault
from wxsync.remote.registry.manifest import digest_of, is_digest
from wxsync.remote.registry.repository import PULL, Repository

_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})", re.ASCII)
_OCTETS = ("Content-Type", "application/octet-stream")


@dataclass(frozen=True)
class Upload:
    """An upload under way: where its next piece goes, and how many bytes the registry has."""

    url: str
    offset: int = 0


class Uploads:
    """Uploads into one repository, by one thread. Every method raises RegistryFault, and Stopped as the session does.

    deadline: instant of the clock's monotonic time at which the whole call must be over.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._calls = repository.calls

    def start(self, *, deadline: float, mount: str = "", source: str = "") -> Upload | None:
        """Begin an upload; None when the registry had the blob `mount` in its repository `source` and linked it."""
        path, scopes = f"{self._repository.path}/blobs/uploads/", self._repository.scopes
        if mount and source:
            path += "?" + urlencode({"mount": mount, "from": source})
            scopes = (*scopes, f"repository:{source}:{PULL}")
        where = self._repository.where("POST", mount or "upload")
        response = self._calls.whole(
            "POST", path, scopes=scopes, deadline=deadline, where=where, body=b"", expected=(201, 202)
        )
        if response.status == 201 and mount:
            return None
        base = f"{self._calls.endpoint.root}{path}"
        return Upload(self._calls.own_url(response.header("Location") or "", base, where))

    def append(self, upload: Upload, piece: Body, *, deadline: float) -> Upload:
        """Send the next piece (PATCH). UPLOAD_LOST: the registry is not where we think it is."""
        where = self._repository.where("PATCH", f"upload at {upload.offset}")
        end = upload.offset + _length(piece)
        fields = (_OCTETS, ("Content-Range", f"{upload.offset}-{end - 1}"))
        response = self._calls.whole(
            "PATCH",
            upload.url,
            scopes=self._repository.scopes,
            deadline=deadline,
            where=where,
            fields=fields,
            body=piece,
            expected=(202,),
        )
        after = self._moved(upload, response, where)
        if response.header("Range") is not None and after.offset != end:
            what = f"the registry has {after.offset} bytes of {end}"
            raise RegistryFault(Kind.UPLOAD_LOST, what, where=where, temporary=True, maybe_done=True)
        return Upload(after.url, end)

    def state(self, upload: Upload, *, deadline: float) -> Upload:
        """Return how far an upload is. UPLOAD_LOST or NOT_FOUND: it is gone, start again."""
        where = self._repository.where("GET", "upload")
        response = self._calls.whole(
            "GET", upload.url, scopes=self._repository.scopes, deadline=deadline, where=where, expected=(204,)
        )
        return self._moved(upload, response, where)

    def finish(self, upload: Upload, digest: str, rest: Body = b"", *, deadline: float) -> None:
        """Send what is left, or all of it, and name the whole (PUT). DIGEST_MISMATCH: nothing was stored."""
        where = self._repository.where("PUT", digest)
        joint = "&" if "?" in upload.url else "?"
        response = self._calls.whole(
            "PUT",
            f"{upload.url}{joint}{urlencode({'digest': digest})}",
            scopes=self._repository.scopes,
            deadline=deadline,
            where=where,
            fields=(_OCTETS,),
            body=rest,
            expected=(201,),
        )
        told = response.header("Docker-Content-Digest") or digest
        if is_digest(told) and told.partition(":")[0] == digest.partition(":")[0] and told != digest:
            raise RegistryFault(Kind.DIGEST_MISMATCH, f"stored as {told[:80]} instead of {digest}", where=where)

    def put(self, content: bytes, *, deadline: float) -> str:
        """Store a small blob in two calls; return its digest."""
        digest = digest_of(content)
        upload = self.start(deadline=deadline)
        assert upload is not None
        self.finish(upload, digest, content, deadline=deadline)
        return digest

    def cancel(self, upload: Upload, *, deadline: float) -> None:
        """Drop an upload; registries that cannot forget it after some days by themselves."""
        where, scopes = self._repository.where("DELETE", "upload"), self._repository.scopes
        expected = (200, 202, 204)
        self._calls.whole("DELETE", upload.url, scopes=scopes, deadline=deadline, where=where, expected=expected)

    def _moved(self, upload: Upload, response: Response, where: str) -> Upload:
        """Return where an upload is after an answer; docker-registry calls an empty one 0-0, as it does one byte."""
        location = response.header("Location")
        url = self._calls.own_url(location, upload.url, where) if location else upload.url
        match = _RANGE.fullmatch(response.header("Range") or "")
        return Upload(url, int(match[1]) + 1 if match and match[1] != "0" else 0)


def _length(body: Body) -> int:
    if isinstance(body, memoryview):
        return body.nbytes
    return len(body) if isinstance(body, (bytes, bytearray)) else body.length

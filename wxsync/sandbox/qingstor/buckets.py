"""Buckets, objects and open multipart uploads of the QingStor stand-in, in memory. Floor: sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wxsync.sandbox.bodies import Body


@dataclass(frozen=True)
class StoredObject:
    """One object; headers: what of the PUT is given back with it. etag is "" for joined parts: QingStor computes none.

    size differs from the content's only where the stand-in was told to keep nothing.
    """

    content: bytes
    headers: Mapping[str, str]
    at: float
    size: int
    etag: str = ""


@dataclass
class Upload:
    """A multipart upload that is not complete; parts by number."""

    key: str
    headers: Mapping[str, str]
    at: float
    parts: dict[int, Body] = field(default_factory=dict)


@dataclass
class Bucket:
    """Objects by key, open uploads by id. is_public: whether anyone may read without a signature.

    quota: how many bytes all objects and parts may have together.
    """

    is_public: bool = True
    quota: int | None = None
    objects: dict[str, StoredObject] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    @property
    def used(self) -> int:
        """The bytes of all objects, and of parts that nobody sees but everybody pays."""
        parts = sum(part.size for upload in self.uploads.values() for part in upload.parts.values())
        return parts + sum(stored.size for stored in self.objects.values())


def etag_of(body: Body) -> str:
    """Return the quoted MD5, as QingStor computes it for parts, and for objects made by one PUT."""
    return f'"{body.md5.hex()}"'

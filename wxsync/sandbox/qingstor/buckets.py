"""Buckets and objects of the QingStor stand-in, in memory. Floor: sandbox."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StoredObject:
    """One object; headers: what of the PUT is given back with it."""

    content: bytes
    headers: Mapping[str, str]
    at: float

    @property
    def etag(self) -> str:
        """The quoted MD5, as QingStor computes it for objects made by one PUT."""
        return f'"{hashlib.md5(self.content).hexdigest()}"'  # noqa: S324  # the service's choice


@dataclass
class Bucket:
    """Objects by key. is_public: whether anyone may read without a signature."""

    is_public: bool = True
    objects: dict[str, StoredObject] = field(default_factory=dict)

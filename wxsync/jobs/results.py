"""What a job is for, one by one, and how each ended. Floor: jobs, pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

SUCCEEDED, PARTLY, FAILED = "succeeded", "partly", "failed"
TIMED_OUT, CANCELLED, REFUSED, SKIPPED = "timed_out", "cancelled", "refused", "skipped"


@dataclass(frozen=True)
class Item:
    """One image of a sync job. result is empty while it is open, else succeeded, skipped, failed, cancelled, …"""

    source: str  # as the member reads it: nginx:latest
    repository: str  # HOST/PATH, for ownership
    destination: str  # NAME:TAG below registry and namespace
    platforms: tuple[str, ...] = ()
    result: str = ""
    reason: str = ""  # why it failed, for the member
    seconds: float | None = None
    is_named: bool = False  # the member named the destination
    size: int = 0  # bytes of the image, all its platforms together, as far as this process knows
    moved: int | None = None  # bytes of it that this process had to transfer, None: others copied it

    @property
    def is_mirrored(self) -> bool:
        """Tell whether the image is at its destination."""
        return self.result in {SUCCEEDED, SKIPPED}


@dataclass(frozen=True)
class File:
    """One file of an upload job. result is empty while it is open.

    key is chosen, and stored here, before QingStor hears of the object: after a crash whatever is there under it
    goes away again.
    """

    source: str  # its link without password and query; the name of a local file
    url: str = field(default="", repr=False)  # the link as the member sent it; empty for a local file
    name: str = ""
    size: int = 0  # bytes
    sha256: str = ""
    key: str = ""
    upload_id: str = ""  # of the multipart upload that is open under the key
    destination: str = ""  # the link that opens it
    valid_until: str = ""  # ISO 8601, empty: as long as the object is there
    result: str = ""
    reason: str = ""  # why it failed, for the member
    mend: str = ""
    seconds: float | None = None


def result_of(entries: Sequence[Item | File]) -> str:
    """Return the job's result by what it was for: all there, some, none."""
    there = sum(entry.result in {SUCCEEDED, SKIPPED} for entry in entries)
    if there == len(entries):
        return SUCCEEDED
    return PARTLY if there else FAILED


def fail_open(items: tuple[Item, ...], reason: str, result: str = FAILED) -> tuple[Item, ...]:
    """Return the images with every one that has no result yet given this one."""
    return tuple(item if item.result else replace(item, result=result, reason=reason) for item in items)

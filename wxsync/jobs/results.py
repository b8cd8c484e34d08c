"""What a job is for, one by one, and how each ended. Floor: jobs, pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

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

    @property
    def is_mirrored(self) -> bool:
        """Tell whether the image is at its destination."""
        return self.result in {SUCCEEDED, SKIPPED}


def result_of(items: tuple[Item, ...]) -> str:
    """Return the job's result by its images: all mirrored, some, none."""
    mirrored = sum(item.is_mirrored for item in items)
    if mirrored == len(items):
        return SUCCEEDED
    return PARTLY if mirrored else FAILED


def fail_open(items: tuple[Item, ...], reason: str, result: str = FAILED) -> tuple[Item, ...]:
    """Return the images with every one that has no result yet given this one."""
    return tuple(item if item.result else replace(item, result=result, reason=reason) for item in items)

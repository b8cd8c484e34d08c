"""Tell a job as plain values, as the admin API and the command line show it. Floor: jobs, pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from wxsync.jobs import links
from wxsync.jobs.results import File, Item

if TYPE_CHECKING:
    from wxsync.jobs.job import Job


def summary(job: Job) -> dict[str, Any]:
    """Return what a list of jobs tells of each; instants are ISO 8601 in UTC, what is not known is None or empty."""
    return {
        "id": job.id,
        "kind": job.kind,
        "member": job.member,
        "state": job.state,
        "result": job.result if job.ended_at else "",
        "created_at": _instant(job.created_at),
        "ended_at": _instant(job.ended_at),
        "run_url": job.run_url,
        "items": [*(_image(job, item) for item in job.items), *map(_file, job.files)],
    }


def detail(job: Job, amounts: Sequence[tuple[int, int | None]]) -> dict[str, Any]:
    """Return all that is told of one job: also its request, a local one's final answer, how far its transfers are.

    amounts: bytes that have arrived and bytes in all (None: not announced) of each item of an open job.
    """
    return {
        **summary(job),
        "request": "\n".join(links.shown(line) if links.begins(line) else line for line in job.text.split("\n")),
        "reason": job.reason,
        "cancelled_by": job.cancelled_by,
        "is_queued": job.is_queued,
        "text": job.answer,
        "progress": [{"done": done, "total": total} for done, total in amounts],
    }


def _image(job: Job, item: Item) -> dict[str, Any]:
    destination = job.prefix + item.destination if item.destination else ""
    return {"source": item.source, "destination": destination, **_outcome(item)}


def _file(file: File) -> dict[str, Any]:
    details = {"name": file.name, "size": file.size, "sha256": file.sha256, "valid_until": file.valid_until}
    return {
        "source": file.source, "destination": file.destination, **_outcome(file), "mend": file.mend, **details
    }  # fmt: skip


def _outcome(entry: Item | File) -> dict[str, Any]:
    return {"result": entry.result, "reason": entry.reason, "seconds": entry.seconds}


def _instant(instant: datetime | None) -> str | None:
    return instant.isoformat(timespec="milliseconds") if instant else None

"""The job record and its state table: every move of a job's life is here. Floor: jobs, pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Union

from wxsync.errors import Bug
from wxsync.store.records import JobRecord

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


@dataclass(frozen=True)
class Job:
    """What one accepted message started; only `advance` changes its state.

    posted_at is the moment before the dispatch is sent: with it, a restart knows that a run may exist.
    reason tells why the whole job failed, when no single image did. retry_of is the job whose unmirrored images this
    one repeats, 0 for none; cancelled_by the member who asked to cancel it.
    """

    id: int
    kind: str
    member: str
    text: str
    created_at: datetime
    state: str = "accepted"
    result: str = ""
    ended_at: datetime | None = None
    is_queued: bool = False
    request_id: str = ""
    prefix: str = ""
    started_at: datetime | None = None
    commit: str = ""
    posted_at: datetime | None = None
    is_answer_lost: bool = False
    run_id: int = 0
    run_url: str = ""
    is_noticed: bool = False
    items: tuple[Item, ...] = ()
    reason: str = ""
    retry_of: int = 0
    cancelled_by: str = ""


@dataclass(frozen=True)
class Retried:
    """It is a sync that repeats what that job did not mirror."""

    of: int


@dataclass(frozen=True)
class CancelAsked:
    """A member wants it to end; the store has kept that already."""

    by: str


@dataclass(frozen=True)
class Queued:
    """It waits for the slot, and the member was told so."""


@dataclass(frozen=True)
class Announced:
    """The images have destinations below prefix (REGISTRY/NAMESPACE/) and the member was told."""

    request_id: str
    prefix: str
    items: tuple[Item, ...]
    at: datetime


@dataclass(frozen=True)
class Committed:
    """The request's block is in GitHub's images.txt at this commit."""

    commit: str


@dataclass(frozen=True)
class Posting:
    """The dispatch is about to be sent; stored before, so that it is never sent blindly again."""

    at: datetime


@dataclass(frozen=True)
class AnswerLost:
    """The dispatch was sent and nobody knows whether GitHub took it."""


@dataclass(frozen=True)
class Dispatched:
    """GitHub has taken the dispatch, and may have named the run (run_id 0: it has not)."""

    run_id: int = 0
    run_url: str = ""


@dataclass(frozen=True)
class RunSeen:
    """The workflow run that does this job."""

    run_id: int
    run_url: str


@dataclass(frozen=True)
class Noticed:
    """The member was told that it takes longer."""


@dataclass(frozen=True)
class Concluded:
    """The result of each image is known; result is set when the whole job has one of its own (timed_out, cancelled)."""

    items: tuple[Item, ...]
    result: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Ended:
    """The final answer is owed to the member; nothing more happens."""

    result: str
    at: datetime
    reason: str = ""


Event = Union[
    Retried,
    CancelAsked,
    Queued,
    Announced,
    Committed,
    Posting,
    AnswerLost,
    Dispatched,
    RunSeen,
    Noticed,
    Concluded,
    Ended,
]

STATES = ("accepted", "announced", "committed", "dispatched", "running", "concluded", "ended")

MOVES: dict[tuple[str, type], str] = {
    ("accepted", Retried): "accepted",
    ("accepted", Queued): "accepted",
    ("accepted", Announced): "announced",
    ("accepted", Ended): "ended",
    ("announced", Committed): "committed",
    ("announced", Concluded): "concluded",
    ("committed", Posting): "committed",
    ("committed", AnswerLost): "committed",
    ("committed", Dispatched): "dispatched",
    ("committed", Concluded): "concluded",
    ("dispatched", RunSeen): "running",
    ("dispatched", Noticed): "dispatched",
    ("dispatched", Concluded): "concluded",
    ("running", Noticed): "running",
    ("running", Concluded): "concluded",
    ("concluded", Ended): "ended",
    **{(state, CancelAsked): state for state in STATES[:-1]},
}


def advance(job: Job, event: Event) -> Job:
    """Return the job after the event. Raises Bug for a move that the table does not have."""
    state = MOVES.get((job.state, type(event)))
    if state is None:
        raise Bug(f"no move for {type(event).__name__} in state {job.state}", where=f"job {job.id}")
    changes: dict[str, Any] = {"state": state}
    if isinstance(event, Retried):
        changes.update(kind="sync", retry_of=event.of)
    elif isinstance(event, CancelAsked):
        changes.update(cancelled_by=event.by)
    elif isinstance(event, Queued):
        changes.update(is_queued=True)
    elif isinstance(event, Announced):
        changes.update(request_id=event.request_id, prefix=event.prefix, items=event.items, started_at=event.at)
    elif isinstance(event, Committed):
        changes.update(commit=event.commit)
    elif isinstance(event, Posting):
        changes.update(posted_at=event.at)
    elif isinstance(event, AnswerLost):
        changes.update(is_answer_lost=True)
    elif isinstance(event, (Dispatched, RunSeen)):
        changes.update(run_id=event.run_id, run_url=event.run_url)
    elif isinstance(event, Noticed):
        changes.update(is_noticed=True)
    elif isinstance(event, Concluded):
        changes.update(items=event.items, result=event.result or result_of(event.items), reason=event.reason)
    elif isinstance(event, Ended):
        changes.update(result=event.result, ended_at=event.at, reason=event.reason or job.reason)
    return replace(job, **changes)


def result_of(items: tuple[Item, ...]) -> str:
    """Return the job's result by its images: all mirrored, some, none."""
    mirrored = sum(item.is_mirrored for item in items)
    if mirrored == len(items):
        return SUCCEEDED
    return PARTLY if mirrored else FAILED


def fail_open(items: tuple[Item, ...], reason: str, result: str = FAILED) -> tuple[Item, ...]:
    """Return the images with every one that has no result yet given this one."""
    return tuple(item if item.result else replace(item, result=result, reason=reason) for item in items)


def to_record(job: Job) -> JobRecord:
    """Return what the store keeps: its own columns, and the rest as JSON without what is empty."""
    data = {key: value for key, value in asdict(job).items() if key not in COLUMNS and value not in EMPTY}
    for key in INSTANTS:
        if key in data:
            data[key] = data[key].isoformat()
    columns = {key: getattr(job, key) for key in COLUMNS}
    return JobRecord(data=data, **columns)


def from_record(record: JobRecord) -> Job:
    """Build the job again from what the store kept."""
    data = dict(record.data)
    for key in INSTANTS:
        if key in data:
            data[key] = datetime.fromisoformat(data[key])
    items = tuple(Item(**{**each, "platforms": tuple(each["platforms"])}) for each in data.pop("items", ()))
    columns = {key: getattr(record, key) for key in COLUMNS}
    return Job(items=items, **columns, **data)


COLUMNS = ("id", "kind", "member", "state", "result", "created_at", "ended_at", "cancelled_by")
INSTANTS = ("started_at", "posted_at")
EMPTY: tuple[object, ...] = ("", 0, None, (), False)

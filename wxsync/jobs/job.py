"""The job record and its state table: every move of a job's life is here. Floor: jobs, pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from wxsync.errors import Bug
from wxsync.jobs import events
from wxsync.jobs.results import File, Item, result_of
from wxsync.store.records import JobRecord


@dataclass(frozen=True)
class Job:
    """What one accepted message started; only `advance` changes its state.

    posted_at is the moment before the dispatch is sent: with it, a restart knows that a run may exist.
    reason tells why the whole job failed, when no single image did. retry_of is the job whose unmirrored images this
    one repeats, 0 for none; cancelled_by the member who asked to cancel it. items are a sync's images, files what an
    upload uploads; spooled names the local file in the spool that an upload is for, instead of links.

    is_local: it came by the admin API or the command line, so no chat message is ever sent for it; whoever asked reads
    answer, the final text, instead.
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
    files: tuple[File, ...] = ()
    spooled: str = ""
    reason: str = ""
    retry_of: int = 0
    cancelled_by: str = ""
    is_local: bool = False
    answer: str = ""


SYNC_STATES = ("accepted", "announced", "committed", "dispatched", "running", "concluded", "ended")
UPLOAD_STATES = ("accepted", "fetching", "uploading", "stored", "ended")
LOCAL_STATES = ("accepted", "announced", "copying", "concluded", "ended")  # of a sync without GitHub
STATES = tuple(dict.fromkeys((*SYNC_STATES[:-1], *LOCAL_STATES[:-1], *UPLOAD_STATES)))

MOVES: dict[tuple[str, type], str] = {
    ("accepted", events.Retried): "accepted",
    ("accepted", events.Queued): "accepted",
    ("accepted", events.Announced): "announced",
    ("accepted", events.Ended): "ended",
    ("announced", events.Committed): "committed",
    ("announced", events.Concluded): "concluded",
    ("committed", events.Posting): "committed",
    ("committed", events.AnswerLost): "committed",
    ("committed", events.Dispatched): "dispatched",
    ("committed", events.Concluded): "concluded",
    ("dispatched", events.RunSeen): "running",
    ("dispatched", events.Noticed): "dispatched",
    ("dispatched", events.Concluded): "concluded",
    ("running", events.Noticed): "running",
    ("running", events.Concluded): "concluded",
    ("announced", events.Copying): "copying",
    ("copying", events.Copied): "copying",
    ("copying", events.Progressed): "copying",
    ("copying", events.Concluded): "concluded",
    ("concluded", events.Ended): "ended",
    ("accepted", events.Fetching): "fetching",
    ("fetching", events.Fetching): "fetching",
    ("fetching", events.Uploading): "uploading",
    ("fetching", events.Ended): "ended",
    ("uploading", events.Uploading): "uploading",
    ("uploading", events.Stored): "stored",
    ("uploading", events.Fetching): "fetching",
    ("stored", events.Fetching): "fetching",
    ("stored", events.Ended): "ended",
    **{(state, events.CancelAsked): state for state in STATES[:-1]},
}


def advance(job: Job, event: events.Event) -> Job:
    """Return the job after the event. Raises Bug for a move that the table does not have."""
    state = MOVES.get((job.state, type(event)))
    if state is None:
        raise Bug(f"no move for {type(event).__name__} in state {job.state}", where=f"job {job.id}")
    return replace(job, state=state, **_learnt(job, event))


def _learnt(job: Job, event: events.Event) -> dict[str, Any]:  # noqa: PLR0912 one branch an event
    """Return what else is new about the job."""
    changes: dict[str, Any] = {}
    if isinstance(event, events.Retried):
        changes.update(kind=event.kind, retry_of=event.of)
    elif isinstance(event, events.CancelAsked):
        changes.update(cancelled_by=event.by)
    elif isinstance(event, events.Queued):
        changes.update(is_queued=True)
    elif isinstance(event, events.Announced):
        changes.update(request_id=event.request_id, prefix=event.prefix, items=event.items, started_at=event.at)
    elif isinstance(event, events.Committed):
        changes.update(commit=event.commit)
    elif isinstance(event, events.Posting):
        changes.update(posted_at=event.at)
    elif isinstance(event, events.AnswerLost):
        changes.update(is_answer_lost=True)
    elif isinstance(event, (events.Dispatched, events.RunSeen)):
        changes.update(run_id=event.run_id, run_url=event.run_url)
    elif isinstance(event, events.Noticed):
        changes.update(is_noticed=True)
    elif isinstance(event, events.Concluded):
        changes.update(items=event.items, result=event.result or result_of(event.items), reason=event.reason)
    elif isinstance(event, events.Copied):
        changes.update(items=event.items)
    elif isinstance(event, events.Fetching):
        changes.update(files=event.files, started_at=event.at or job.started_at)
    elif isinstance(event, (events.Uploading, events.Stored)):
        changes.update(files=event.files)
    elif isinstance(event, events.Ended):
        changes.update(result=event.result, ended_at=event.at, reason=event.reason or job.reason)
    return changes


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
    files = tuple(File(**each) for each in data.pop("files", ()))
    columns = {key: getattr(record, key) for key in COLUMNS}
    return Job(items=items, files=files, **columns, **data)


COLUMNS = ("id", "kind", "member", "state", "result", "created_at", "ended_at", "cancelled_by")
INSTANTS = ("started_at", "posted_at")
EMPTY: tuple[object, ...] = ("", 0, None, (), False)

"""What can happen to a job, with what is learnt by it. Floor: jobs, pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Union

from wxsync.jobs.results import File, Item


@dataclass(frozen=True)
class Retried:
    """It repeats what that job, a sync or an upload, did not bring about."""

    of: int
    kind: str = "sync"


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
class Copying:
    """This process copies the images itself, and the request's block is in the day's list."""


@dataclass(frozen=True)
class Copied:
    """Some more images have their result."""

    items: tuple[Item, ...]


@dataclass(frozen=True)
class Progressed:
    """The member is told how far the copying is: bytes of those that there will be, as far as that is known."""

    done: int
    total: int


@dataclass(frozen=True)
class Fetching:
    """Files are being downloaded, and nothing of those without a result is at QingStor. at: set by the first one."""

    files: tuple[File, ...]
    at: datetime | None = None


@dataclass(frozen=True)
class Uploading:
    """A file has its key, and then the id of its multipart upload; stored before anything is sent under the key."""

    files: tuple[File, ...]


@dataclass(frozen=True)
class Stored:
    """One more file is at QingStor, whole, with its size, hash and link."""

    files: tuple[File, ...]


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
    Copying,
    Copied,
    Progressed,
    Fetching,
    Uploading,
    Stored,
    Ended,
]

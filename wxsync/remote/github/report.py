"""Read the result of each image from a run's jobs, annotations and logs, as the workflow writes them.

Floor: remote, pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wxsync.errors import RemoteFault

CLASSES = frozenset(
    {"not-found", "no-platform", "source-denied", "destination-denied", "rate-limited", "quota", "network", "disk",
     "bad-line", "clash", "digest-mismatch", "unset-secret"}
)  # fmt: skip
RESULTS = {"success": "succeeded", "failure": "failed", "cancelled": "cancelled", "timed_out": "timed_out"}
SKIPPED = "skipped: "
IMAGE_JOB = re.compile(r"image ([0-9]{1,4}) ", re.ASCII)
EXIT_CODE = re.compile(r"Process completed with exit code [0-9]{1,3}\.", re.ASCII)
STAMP = re.compile(r"\ufeff?[0-9]{4}-[0-9T:.-]{5,30}Z ", re.ASCII)
MARKS = {"##[error]": "failure", "##[notice]": "notice"}


@dataclass(frozen=True)
class ImageResult:
    """Image number n of a request. result: succeeded skipped failed cancelled timed_out, or pending."""

    n: int
    result: str
    reason_class: str = ""
    reason: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class RunReport:
    """All images that have a job; reason tells why there are none, fault why some reasons may be missing."""

    images: tuple[ImageResult, ...]
    reason_class: str = ""
    reason: str = ""
    fault: RemoteFault | None = None


@dataclass(frozen=True)
class Remark:
    """What a job said: level failure, warning or notice, and its text."""

    level: str
    message: str


def image_number(job: dict[str, Any]) -> int:
    """Return n of a job named `image <n> <source>`, 0 for other jobs."""
    match = IMAGE_JOB.match(str(job.get("name"))[:64])
    return int(match[1]) if match else 0


def image_result(n: int, job: dict[str, Any], remarks: list[Remark]) -> ImageResult:
    """Return the result of an image by its job's conclusion and remarks."""
    conclusion = job.get("conclusion")
    result = "pending" if conclusion is None else RESULTS.get(str(conclusion), "failed")
    if result == "succeeded" and any(each.level == "notice" and each.message.startswith(SKIPPED) for each in remarks):
        result = "skipped"
    reason_class, reason = reason_of(job, remarks) if result == "failed" else ("", "")
    return ImageResult(n, result, reason_class, reason, _seconds(job))


def reason_of(job: dict[str, Any], remarks: list[Remark]) -> tuple[str, str]:
    """Return (class, reason) of a failed job: its last error, else its first failed step, else its conclusion."""
    errors = [each.message for each in remarks if each.level == "failure" and not EXIT_CODE.fullmatch(each.message)]
    if errors:
        name, colon, rest = errors[-1].partition(":")
        return (name, rest.strip()) if colon and name in CLASSES else ("", errors[-1])
    steps = job.get("steps")
    known = [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    failed = [str(step.get("name")) for step in known if step.get("conclusion") == "failure"]
    return "", failed[0] if failed else str(job.get("conclusion"))


def annotation_remarks(listed: Any) -> list[Remark]:
    """Return the remarks of a check run's annotations."""
    entries = listed if isinstance(listed, list) else []
    known = [each for each in entries if isinstance(each, dict)]
    return [Remark(str(each.get("annotation_level")), str(each.get("message"))) for each in known]


def log_remarks(log: bytes) -> list[Remark]:
    """Return the errors and notices of a job's log: lines `2026-01-02T03:04:05.1234567Z ##[error]…`."""
    remarks = []
    for line in log.decode("utf-8", "replace").splitlines():
        match = STAMP.match(line[:64])
        text = line[match.end() :] if match else line
        for mark, level in MARKS.items():
            if text.startswith(mark):
                remarks.append(Remark(level, text[len(mark) :].strip()))
    return remarks


def _seconds(job: dict[str, Any]) -> float | None:
    try:
        began, ended = (_instant(str(job[key])) for key in ("started_at", "completed_at"))
    except (KeyError, ValueError):
        return None
    return (ended - began).total_seconds()


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))  # 3.9 to 3.10 know no Z

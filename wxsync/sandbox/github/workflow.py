"""What the simulated workflow does with each image line: found or not, copied or skipped; nothing is copied.

Floor: sandbox.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from wxsync.sandbox.github import images
from wxsync.sandbox.github.images import ImageLine

INPUTS = frozenset({"request_id", "commit", "registry", "namespace"})
SECRETS = ("DOCKER_REGISTRY", "DOCKER_NAMESPACE", "DOCKER_USERNAME", "DOCKER_PASSWORD")


@dataclass(frozen=True)
class Verdict:
    """Sources that contain this text fail with this class and reason."""

    contains: str
    class_name: str
    reason: str


NO_SUCH = Verdict("no-such", "not-found", "image or tag not found: manifest unknown")


@dataclass(frozen=True)
class ImageJob:
    """One matrix job: what it will say. level: "notice" or "failure"."""

    number: int
    source: str
    level: str
    message: str
    destination: str = ""
    digest: str = ""

    @property
    def is_failure(self) -> bool:
        """Tell whether the job will fail."""
        return self.level == "failure"


@dataclass(frozen=True)
class Plan:
    """What the plan job finds: the reason why there is nothing to do, or the matrix."""

    error: str = ""
    jobs: tuple[ImageJob, ...] = ()


def plan(
    content: bytes | None, inputs: Mapping[str, str], secrets: Mapping[str, str], verdicts: tuple[Verdict, ...],
    present: Mapping[str, str],
) -> Plan:
    """Read the request's block and foresee each job; present: digests of what the registry has, by destination."""
    request_id = inputs.get("request_id", "")
    if content is None:
        return Plan(f"request {request_id}: images.txt cannot be read at that commit")
    lines = images.block(content, request_id)
    if lines is None:
        return Plan(f"request {request_id} is not in images.txt")
    if not lines:
        return Plan(f"request {request_id} has no image" if request_id else "images.txt has no image")
    missing = [name for name in SECRETS if not (_given(name, inputs) or secrets.get(name))]
    jobs: list[ImageJob] = []
    taken: dict[str, ImageLine] = {}
    for number, text in enumerate(lines, 1):
        line = images.parse(number, text)
        earlier = taken.setdefault(line.destination, line) if not line.fault else line
        if earlier is line:
            jobs.append(_foresee(line, missing, verdicts, present))
        elif (earlier.full_source, earlier.platforms) != (line.full_source, line.platforms):
            jobs.append(_failure(line, "clash", f"line {earlier.number} has the destination {line.destination}"))
    return Plan(jobs=tuple(jobs))


def _foresee(
    line: ImageLine, missing: list[str], verdicts: tuple[Verdict, ...], present: Mapping[str, str]
) -> ImageJob:
    if line.fault:
        return _failure(line, "bad-line", line.fault)
    if missing:
        return _failure(line, "unset-secret", ", ".join(missing))
    for verdict in verdicts:
        if verdict.contains in line.source:
            return _failure(line, verdict.class_name, verdict.reason)
    digest = "sha256:" + hashlib.sha256(f"{line.full_source} {line.platforms}".encode()).hexdigest()
    skipped = "skipped: " if present.get(line.destination) == digest else ""
    message = f"{skipped}{line.source} -> {line.destination} {digest}"
    return ImageJob(line.number, line.source, "notice", message, line.destination, digest)


def _failure(line: ImageLine, class_name: str, reason: str) -> ImageJob:
    return ImageJob(line.number, line.source, "failure", f"{class_name}: {reason}", line.destination)


def _given(secret: str, inputs: Mapping[str, str]) -> str:
    return inputs.get(secret[len("DOCKER_") :].lower(), "") if secret in SECRETS[:2] else ""

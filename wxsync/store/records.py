"""What the store keeps, as plain values; kind, state and result are opaque text here. Floor: ground, pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class JobRecord:
    """One job; data is the rest of it, JSON-able. ended_at is None while it is open.

    cancelled_by: the member who asked to cancel it; only `Store.save(cancels=)` of that request writes it.
    """

    id: int
    kind: str
    member: str
    state: str
    result: str
    data: dict[str, Any]
    created_at: datetime
    ended_at: datetime | None = None
    cancelled_by: str = ""


@dataclass(frozen=True)
class Ownership:
    """NAME:TAG below registry and namespace was written from a source (HOST/PATH) with these platforms."""

    name: str
    tag: str
    source: str
    platforms: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class OutboxText:
    """One text that still has to reach a member."""

    id: int
    job: int
    member: str
    text: str
    attempts: int
    created_at: datetime
    due_at: datetime

"""One call to QingStor as a value: what is sent, and how its answer is read. Floor: remote, pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from wxsync.remote.exchange import Body, Response
from wxsync.remote.qingstor.signing import Headers, Query

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """A call that can be sent again and again; each try is signed anew. key: decoded, "" for the bucket itself.

    read: the result from an answer with one of the statuses in `expected`; it raises QingStorFault.
    is_signed: whether the key's owner asks, or anybody.
    """

    method: str
    key: str
    expected: tuple[int, ...]
    read: Callable[[Response], T]
    query: Query = ()
    headers: Headers = ()
    body: Body | None = None
    is_signed: bool = True

    @property
    def where(self) -> str:
        """Return what is called, for logs and errors."""
        parameters = "&".join(name if value is None else f"{name}={value}" for name, value in self.query)
        return f"QingStor {self.method} {self.key or 'bucket'}" + (f"?{parameters}" if parameters else "")

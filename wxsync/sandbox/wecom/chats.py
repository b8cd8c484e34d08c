"""The members' chats with the app, in order, and waiting for what comes in. Floor: sandbox."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

MAX_ENTRIES = 5000  # in each chat; the oldest go first


@dataclass(frozen=True)
class Entry:
    """One bubble. sender: "member" or "app"; state: "sending", "sent" or "failed"; time in epoch seconds."""

    number: int
    time: float
    sender: str
    text: str
    state: str = "sent"
    kind: str = "text"

    @property
    def is_answer(self) -> bool:
        """Tell whether the app sent it."""
        return self.sender == "app"


class NotSeen(AssertionError):
    """What a test waited for did not come."""


class Chats:
    """Any thread may call. Members are told apart without regard to case, as WeCom does."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._changed = threading.Condition()
        self._chats: dict[str, list[Entry]] = {}
        self._numbers = itertools.count(1)
        self._version = 0

    def add(self, member: str, sender: str, text: str, *, state: str = "sent", kind: str = "text") -> Entry:
        """Append a bubble to a member's chat."""
        with self._changed:
            entry = Entry(next(self._numbers), self._now(), sender, text, state, kind)
            chat = self._chats.setdefault(member.casefold(), [])
            chat.append(entry)
            del chat[:-MAX_ENTRIES]
            self._touch()
        return entry

    def settle(self, member: str, number: int, state: str) -> None:
        """Say what became of a bubble that was being sent."""
        with self._changed:
            chat = self._chats.get(member.casefold(), [])
            chat[:] = [replace(entry, state=state) if entry.number == number else entry for entry in chat]
            self._touch()

    def of(self, member: str) -> list[Entry]:
        """Return a member's whole chat."""
        with self._changed:
            return list(self._chats.get(member.casefold(), []))

    def wait_for(self, member: str, wanted: Callable[[Entry], bool], within_s: float, after: int = 0) -> Entry:
        """Return the first answer with a number above `after` that is wanted; NotSeen, with the chat, when too late."""
        deadline = time.monotonic() + within_s
        with self._changed:
            while True:
                for entry in self.of(member):
                    if entry.is_answer and entry.number > after and wanted(entry):
                        return entry
                left = deadline - time.monotonic()
                if left <= 0:
                    shown = "\n".join(f"[{entry.sender}] {entry.text}" for entry in self.of(member))
                    raise NotSeen(f"not seen within {within_s} s; the chat of {member}:\n{shown}")
                self._changed.wait(left)

    def wait_change(self, version: int, within_s: float) -> int:
        """Return the present version as soon as it differs from the given one, or when the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, within_s)
            return self._version

    def _touch(self) -> None:
        self._version += 1
        self._changed.notify_all()

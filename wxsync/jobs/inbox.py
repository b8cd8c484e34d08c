"""Turn a verified message into a stored job, in one transaction. Floor: jobs."""

from __future__ import annotations

from collections.abc import Callable

from wxsync.clock import Clock
from wxsync.jobs import command
from wxsync.jobs.job import Job, to_record
from wxsync.store.store import Store
from wxsync.wecom.envelope import Message

KEPT_CHARACTERS = 17 << 10  # more than `command` reads: a longer text is refused there, and need not be kept whole


class Inbox:
    """What the callback hands messages to; called by request threads at the same time."""

    def __init__(self, store: Store, clock: Clock, wake: Callable[[], None], *, own_prefix: str) -> None:
        self._store = store
        self._clock = clock
        self._wake = wake
        self._own_prefix = own_prefix

    def accept(self, message: Message, seen: tuple[bytes, ...]) -> bool:
        """Store the message as seen, and its job when it is a text or a shared link; False when it was seen before.

        Raises StoreFault: then nothing was stored and WeCom's repetition is the second chance.
        """
        now = self._clock.now()
        job = None
        if message.msg_type in {"text", "link"}:
            text = message.content[:KEPT_CHARACTERS]
            kind = kind_of(command.parse(text, own_prefix=self._own_prefix))
            job = to_record(Job(0, kind, message.from_user, text, now))
        number = self._store.accept(seen, job, now)
        if number:
            self._wake()
        return number is not None


def kind_of(parsed: command.Command) -> str:
    """Return the kind of job that a parsed message starts."""
    if isinstance(parsed, command.SyncImages):
        return "sync"
    if isinstance(parsed, command.UploadFiles):
        return "upload"
    if isinstance(parsed, command.Refusal):
        return "invalid"
    return parsed.name if isinstance(parsed, command.ChatCommand) else "help"

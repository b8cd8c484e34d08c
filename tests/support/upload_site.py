"""A QingStor stand-in with what uploads to it, and files to upload."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from wxsync.clock import SystemClock
from wxsync.jobs.upload.transfer import Transfer
from wxsync.remote.dialer import Dialer
from wxsync.remote.exchange import Session
from wxsync.remote.http import HttpTransport, tls_context
from wxsync.remote.qingstor.bucket import Bucket
from wxsync.remote.qingstor.place import Place
from wxsync.remote.qingstor.signing import Key
from wxsync.remote.resolver import SystemResolver
from wxsync.sandbox.qingstor.stand_in import QingStor

LEAST = 4 << 20


class HastyClock(SystemClock):
    """Runs as the machine's, but waits a hundredth of the time; pauses: what was asked for."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.pauses.append(timeout_s)
        return super().wait(event, timeout_s / 100)


def direct_sessions() -> Callable[[threading.Event], Session]:
    """Return what makes sessions that go the direct way."""
    clock = SystemClock()
    return HttpTransport(
        Dialer(clock, SystemResolver(clock)), clock, user_agent="wxsyncd/test", tls=tls_context()).session


def content_of(size: int) -> bytes:
    """Return so many bytes of which no two parts are alike."""
    return hashlib.shake_128(b"upload").digest(size)


class Bytes:
    """A source of given bytes, at most so many a read. before_read: called with the offset before each read."""

    def __init__(
        self, content: bytes, *, is_announced: bool = True, length: int | None = None, step: int = 1 << 20,
        before_read: Callable[[int], None] = lambda offset: None,
    ) -> None:
        self.name = "file.bin"
        self.length = (len(content) if length is None else length) if is_announced else None
        self.offset = 0
        self._content = memoryview(content)
        self._step = step
        self._before_read = before_read

    def readinto(self, buffer: memoryview) -> int:
        self._before_read(self.offset)
        count = min(len(buffer), self._step, len(self._content) - self.offset)
        buffer[:count] = self._content[self.offset : self.offset + count]
        self.offset += count
        return count


class Site:
    """One stand-in, and transfers to it; what they tell is noted. sessions makes theirs."""

    def __init__(self, *, workers: int = 3, clock: SystemClock | None = None) -> None:
        self.store = QingStor()
        self.server = self.store.server
        self.clock = clock or HastyClock()
        self.workers = workers
        self.stop = threading.Event()
        self.ids: list[str] = []
        self.progress: list[int] = []
        self.sessions: Callable[[threading.Event], Session] = direct_sessions()

    def bucket(self, *, secret: str = "", name: str = "tmp") -> Bucket:
        key = Key(self.store.access_key_id, secret or self.store.secret_access_key)
        return Bucket(Place(self.store.url, name, self.store.zone), key)

    def transfer(self, **bucket: str) -> Transfer:
        return Transfer(self.bucket(**bucket), lambda stop: self.sessions(stop), self.clock, workers=self.workers,
                        part_size=LEAST, link_days=7, rng=lambda: 0.5)

    def run(self, source: Bytes, key: str = "k.bin", *, left_s: float = 60.0, **bucket: str):
        return self.transfer(**bucket).run(
            source, key, content_type="a/b", disposition_name="名.bin", left_s=left_s, stop=self.stop,
            on_upload_id=self.ids.append, on_progress=self.progress.append)

    @property
    def objects(self) -> dict[str, bytes]:
        return {key: stored.content for key, stored in self.store.buckets["tmp"].objects.items()}

    def close(self) -> None:
        self.store.close()

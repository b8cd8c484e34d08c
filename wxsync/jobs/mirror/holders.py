"""Know which repository of the destination has a blob, and let only one thread send it. Floor: jobs.

What is known is a hint: a repository that has lost the blob since makes a mount fail, and the blob is sent then. So the
file need not survive a power cut, but it survives the process: after `kill -9` nothing that arrived is sent again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wxsync.log.logger import logger

LOG = logger("jobs.mirror.holders")
MOST = 20_000
WAIT_S = 0.2


class Holders:
    """Repository names by digest, for one destination registry, in a file. Any thread may call."""

    def __init__(self, path: Path, registry: str) -> None:
        """registry: which one it is; what another registry had is forgotten."""
        self._path = path
        self._registry = registry
        self._changed = threading.Condition()
        self._known: dict[str, str] | None = None
        self._claimed: set[str] = set()
        self._lines = 0

    def repository(self, digest: str) -> str:
        """Return a repository that has the blob, empty when none is known."""
        with self._changed:
            return self._loaded().get(digest, "")

    def note(self, digest: str, repository: str) -> None:
        """Keep that a repository has the blob; the last one that is noted counts, since another may have lost it."""
        with self._changed:
            known = self._loaded()
            if known.pop(digest, "") == repository:
                known[digest] = repository  # as the newest one, which is forgotten last
                return
            known[digest] = repository
            try:
                if self._lines > 2 * MOST:
                    self._write_anew(known)
                with self._path.open("a", encoding="ascii") as file:
                    file.write(f"{digest} {repository}\n")
                self._lines += 1
            except OSError as error:
                LOG.warning("blob holders cannot be kept", why=str(error))

    @contextmanager
    def claim(self, digest: str, check: Callable[[], None]) -> Iterator[None]:
        """Be the one thread that sends the blob; wait while another does. check raises when waiting is over."""
        with self._changed:
            while digest in self._claimed:
                check()
                self._changed.wait(WAIT_S)
            self._claimed.add(digest)
        try:
            yield
        finally:
            with self._changed:
                self._claimed.discard(digest)
                self._changed.notify_all()

    def _loaded(self) -> dict[str, str]:
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> dict[str, str]:
        try:
            lines = self._path.read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        except OSError as error:
            LOG.warning("blob holders cannot be read", why=str(error))
            lines = []
        known: dict[str, str] = {}
        if lines[:1] == [self._registry]:
            pairs = (line.split(" ") for line in lines[1:][-MOST:])
            known = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
        try:
            self._write_anew(known)
        except OSError as error:
            LOG.warning("blob holders cannot be kept", why=str(error))
        return known

    def _write_anew(self, known: dict[str, str]) -> None:
        kept = list(known.items())[-MOST:]
        known.clear()
        known.update(kept)
        text = "".join([f"{self._registry}\n", *(f"{digest} {name}\n" for digest, name in kept)])
        fresh = self._path.with_name(f".{self._path.name}.new")
        fresh.write_text(text, encoding="ascii")
        fresh.replace(self._path)
        self._lines = len(kept)

"""A web process's end of the connection to its parent, and the listeners it was given. Floor: web."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from dataclasses import asdict, dataclass
from typing import Any

from wxsync.clock import Clock

LINE = 65536
SILENT_S = 30.0  # without a word from the parent for so long, all is not well


@dataclass(frozen=True)
class Inherited:
    """What a web process is started with: descriptors of listeners with their parts, of the control socket, a path."""

    listeners: tuple[tuple[int, str], ...]
    control: int
    metrics: str

    def argument(self) -> str:
        """Write it as the one argument of the command line."""
        return json.dumps(asdict(self), separators=(",", ":"))


def inherited(argument: str) -> Inherited:
    """Read what `argument` wrote; ValueError when it is something else."""
    try:
        data: Any = json.loads(argument)
        listeners = tuple((int(fd), str(part)) for fd, part in data["listeners"])
        return Inherited(listeners, int(data["control"]), str(data["metrics"]))
    except (KeyError, TypeError) as error:
        raise ValueError("no web process's argument") from error


class Child:
    """Used by the web process. The control socket carries lines; its end means that the parent is gone."""

    def __init__(self, given: Inherited, clock: Clock) -> None:
        self._clock = clock
        self._control = socket.socket(fileno=given.control)
        self._control.setblocking(True)
        self._listeners = given.listeners
        self._health: tuple[bool, dict[str, object]] = (True, {})
        self._heard_at = clock.monotonic()
        self._over = threading.Event()
        self._sending = threading.Lock()

    def listeners(self) -> list[tuple[socket.socket, str]]:
        """Return the listening sockets, each with the part whose routes it carries; call it once."""
        return [(socket.socket(fileno=fd), part) for fd, part in self._listeners]

    def start(self) -> None:
        """Begin to listen to the parent."""
        threading.Thread(target=self._listen, name="web-parent", daemon=True).start()

    def ready(self) -> None:
        """Tell the parent that this process serves."""
        self._say(b"ready\n")

    def wake(self) -> None:
        """Tell the parent's workers that there is a job; never waits: one wake-up is as good as many."""
        self._say(b"wake\n")

    def health(self) -> tuple[bool, dict[str, object]]:
        """Return what the parent said last of its health."""
        is_well, facts = self._health
        is_heard = self._clock.monotonic() - self._heard_at < SILENT_S
        return is_well and is_heard, facts if is_heard else {**facts, "parent": "silent"}

    def end(self) -> None:
        """Let wait_for_end return: SIGTERM reached this process itself."""
        self._over.set()

    def wait_for_end(self) -> None:
        """Return when the parent wants this process to drain, or is gone."""
        while not self._clock.wait(self._over, 60.0):
            pass

    def _say(self, line: bytes) -> None:
        # A full socket means that the parent has wake-ups enough to read; one that is gone is noticed by the listener.
        with self._sending, contextlib.suppress(OSError):
            self._control.send(line, socket.MSG_DONTWAIT)

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._control.makefile("rb") as lines:
            while line := lines.readline(LINE):
                word, _, rest = line.partition(b" ")
                if word == b"drain\n":
                    break
                self._heard_at = self._clock.monotonic()
                is_well, facts = json.loads(rest)
                self._health = (bool(is_well), facts)
        self._over.set()

"""What one copying thread has to itself: connections, a buffer, and the repositories that it speaks to. Floor: jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from wxsync.clock import Clock
from wxsync.jobs.reference import Reference
from wxsync.remote.exchange import Session
from wxsync.remote.registry.calls import Calls, Way
from wxsync.remote.registry.endpoint import Endpoint, Sources
from wxsync.remote.registry.login import Login
from wxsync.remote.registry.repository import PUSH, Repository

BLOCK_BYTES = 256 << 10
MAX_LOGINS = 256


class Opens(Protocol):
    """What gives out sessions: remote.http."""

    def session(self, stop: threading.Event | None = None) -> Session:
        """Return a session that ends within a second after stop was set."""


class Registries:
    """Where images come from and go to. Any thread may call.

    operator: the way to hosts that the operator names; member: to all others, redirects and token services too, under
    the address guard.
    """

    def __init__(
        self, sources: Sources, destination: Endpoint, namespace: str, clock: Clock, *, operator: Opens, member: Opens
    ) -> None:
        self.sources = sources
        self.destination = destination
        self.namespace = namespace
        self._clock = clock
        self._operator = operator
        self._member = member
        self._lock = threading.Lock()
        self._logins: dict[Endpoint, Login] = {}

    @property
    def prefix(self) -> str:
        """Return what stands before NAME:TAG at the destination, as jobs have it."""
        return f"{self.destination.name}/{self.namespace}/"

    def lane(self, stop: threading.Event) -> Lane:
        """Return a lane for one thread."""
        return Lane(self, self._operator.session(stop), self._member.session(stop), self._clock.monotonic)

    def login(self, endpoint: Endpoint) -> Login:
        """Return what is known of a registry's login, shared by all lanes."""
        with self._lock:
            if len(self._logins) >= MAX_LOGINS:
                self._logins.clear()
            return self._logins.setdefault(endpoint, Login(endpoint))


class Lane:
    """Used by one thread."""

    def __init__(
        self, registries: Registries, operator: Session, member: Session, seconds: Callable[[], float]
    ) -> None:
        self._registries = registries
        self._operator = operator
        self._member = member
        self._seconds = seconds
        self.buffer = memoryview(bytearray(BLOCK_BYTES))

    def source(self, image: Reference) -> Repository:
        """Return the repository that an image comes from. Raises AddressRefused."""
        endpoint = self._registries.sources.endpoint(image.registry)
        return Repository(self._calls(endpoint), image.path)

    def destination(self, name: str) -> Repository:
        """Return the repository of this name below the destination's namespace."""
        registries = self._registries
        return Repository(self._calls(registries.destination), f"{registries.namespace}/{name}", actions=PUSH)

    def close(self) -> None:
        """Close the connections."""
        self._operator.close()
        self._member.close()

    def _calls(self, endpoint: Endpoint) -> Calls:
        own = self._operator if endpoint.is_trusted else self._member
        return Calls(endpoint, self._registries.login(endpoint), Way(own, self._member, self._seconds))

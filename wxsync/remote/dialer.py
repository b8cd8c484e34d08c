"""The one way out: a host and a port become a connected socket within a deadline. Floor: remote."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.log.logger import logger
from wxsync.remote.address import AddressRefused, Guard, is_address
from wxsync.remote.connect import connect
from wxsync.remote.egress.tunnel import ProxyFault
from wxsync.remote.egress.way import EgressWay
from wxsync.remote.resolver import Resolver
from wxsync.remote.url import bracketed, parse_host

LOG = logger("remote.dialer")
LOCAL_LOOK_UP_S = 3.0  # for a name that the proxy will resolve: servers without a name service are slow to say no


@dataclass(frozen=True)
class Policy:
    """How one kind of traffic leaves.

    through_proxy: by the egress proxy, where there is one and the host is not exempt. guard: the rule for
    destinations that somebody other than the operator names.
    """

    through_proxy: bool = False
    guard: Guard | None = None


DIRECT = Policy()
AUTO = Policy(through_proxy=True)


class Dialer:
    """Dials for everything that leaves this program. Any thread may call."""

    def __init__(
        self, clock: Clock, resolver: Resolver, *, policy: Policy = DIRECT, egress: EgressWay | None = None
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._guard = policy.guard
        self._egress = egress if policy.through_proxy else None

    def dial(self, host: str, port: int, deadline: float, *, stop: threading.Event | None = None) -> socket.socket:
        """Return a connected socket in blocking mode; deadline is an instant of the clock's monotonic time.

        Raises AddressRefused by the guard, RemoteFault (temporary) on an unknown name, a refusal or when the time
        is over, ProxyFault when the egress proxy does not reach the host; nothing was sent then. Raises Stopped
        within a second after stop was set.
        """
        host = parse_host(bracketed(host))
        call = _Call(host, port, deadline, stop)
        try:
            if self._guard:
                self._guard.check_name(host, port)
            if self._egress and self._egress.takes(host, port):
                return self._through_proxy(self._egress, call)
            return self._direct(call)
        except AddressRefused as refused:
            LOG.warning("address refused", host=host, port=port, verdict=refused.verdict.value)
            raise

    def _direct(self, call: _Call) -> socket.socket:
        """Connect to the very addresses that were judged: asking for the name again could give others."""
        addresses = self._resolver.addresses(call.host, call.port, call.deadline, call.stop)
        if self._guard:
            self._guard.check_addresses(call.host, call.port, [each.ip for each in addresses])
        return connect(call.host, call.port, addresses, clock=self._clock, deadline=call.deadline, stop=call.stop)

    def _through_proxy(self, egress: EgressWay, call: _Call) -> socket.socket:
        """Connect by the proxy; when the proxy itself is at fault, note it and go direct, since nothing was sent."""
        if self._guard:
            self._check_here(self._guard, call)
        try:
            return egress.open(call.host, call.port, call.deadline, call.stop)
        except ProxyFault as fault:
            if not fault.is_own:
                egress.doubted.set()
                raise
            egress.settle(fault)
        return self._direct(call)

    def _check_here(self, guard: Guard, call: _Call) -> None:
        """Judge the name's addresses as seen from here; the proxy resolves for itself, so no address is no fault."""
        if is_address(call.host) or guard.allows_host(call.host, call.port):
            return
        until = min(call.deadline, self._clock.monotonic() + LOCAL_LOOK_UP_S)
        try:
            addresses = self._resolver.addresses(call.host, call.port, until, call.stop)
        except RemoteFault:
            return
        guard.check_addresses(call.host, call.port, [each.ip for each in addresses])


@dataclass(frozen=True)
class _Call:
    """What one dial was asked for, the host in its normal form."""

    host: str
    port: int
    deadline: float
    stop: threading.Event | None

"""The relay's route: rules that are answered here, the request's new head, and which upstream gets it. Floor: web."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import NamedTuple, Union

from wxsync.clock import Clock
from wxsync.http1.forwarding import Hop, forwarded_fields, hops_left, leaves_prefix
from wxsync.http1.refusal import Refusal
from wxsync.http1.request import RequestHead
from wxsync.log.logger import logger
from wxsync.web.attempt import Attempt, Failed
from wxsync.web.balance import Balance
from wxsync.web.duplex import encoded
from wxsync.web.exchange import Exchange
from wxsync.web.link import Link
from wxsync.web.routes import Rule
from wxsync.web.upstream import Unreachable, Upstream

LOG = logger("web.proxy")

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}
VIA = b"wxsyncd"
KNOWN_PEERS = 1024

Network = Union[IPv4Network, IPv6Network]


class Outgoing(NamedTuple):
    """A request as it goes on, but for what differs between upstreams."""

    method: bytes
    rest: bytes  # the target behind the prefix
    tail: bytes  # field lines, the empty line, and what is in hand of the body
    repeatable: bool  # idempotent, and its body in hand whole

    def to(self, upstream: Upstream) -> bytes:
        """Return the bytes for this upstream."""
        base, rest = upstream.base, self.rest
        if not rest.startswith(b"/") and not base:
            rest = b"/" + rest
        return b"%b %b%b HTTP/1.1\r\n%b%b" % (self.method, base, rest, upstream.host_line, self.tail)


class Relay:
    """Called by the worker threads; everything it changes lies in the upstreams, which have their own locks."""

    def __init__(
        self, *, prefix: str, balance: Balance, trusted: Iterable[Network], max_body: int, clock: Clock
    ) -> None:
        self._prefix = prefix.rstrip("/").encode()
        self._cut = len(self._prefix)
        self._balance = balance
        self._trusted = tuple(trusted)
        self._max_body = max_body
        self._clock = clock
        self._hops: dict[str, Hop] = {}

    def rule(self) -> Rule:
        """Return the rule under which the router finds this route."""
        return Rule(self._prefix, METHODS, self, below=True)

    def __call__(self, exchange: Exchange) -> None:
        """Pass the request on and its answer back; Refusal (502, 504 and others) when there is no answer."""
        head = exchange.request
        rest = head.target[self._cut:]
        exchange.refuse_large_body(self._max_body)
        if leaves_prefix(head.path[self._cut:]):
            raise Refusal(400, "path leaves the prefix", closes=False)
        if b"max-forwards" in head.fields.special and hops_left(head) == 0:
            exchange.answer(200, headers=(("Allow", ", ".join(METHODS)),))
            return
        self._pass_on(exchange, self._outgoing(exchange, head, rest))

    def _outgoing(self, exchange: Exchange, head: RequestHead, rest: bytes) -> Outgoing:
        tail = forwarded_fields(head, self._hops.get(exchange.peer) or self._hop(exchange.peer))
        if head.fields.has_body:
            tail += encoded(exchange, exchange.take_block() or b"")
            if exchange.bytes_in > self._max_body:
                raise Refusal(413, "body is too large")
        return Outgoing(
            head.method.encode("ascii"), rest, tail, head.method in IDEMPOTENT and exchange.body_is_read
        )

    def _hop(self, peer: str) -> Hop:
        """Judge a peer; remembered for a while, since looking through the trusted networks takes its time."""
        address = ip_address(peer.partition("%")[0])
        hop = Hop(peer.encode("ascii"), any(address in network for network in self._trusted), VIA)
        if len(self._hops) >= KNOWN_PEERS:
            self._hops.clear()
        self._hops[peer] = hop
        return hop

    def _pass_on(self, exchange: Exchange, outgoing: Outgoing) -> None:
        tried: list[Upstream] = []
        failure: Failed | None = None
        while upstream := self._balance.choose(tried):
            tried.append(upstream)
            failure = self._outcome(exchange, outgoing, upstream)
            if failure is None:
                return
            # After a time-out the upstream may still be at work, and the client has waited long enough.
            if failure.arrived and (failure.status == 504 or not outgoing.repeatable):
                break
        assert failure is not None
        raise Refusal(failure.status, failure.why, closes=False)

    def _outcome(self, exchange: Exchange, outgoing: Outgoing, upstream: Upstream) -> Failed | None:
        """Ask one upstream; return why there is no answer, None when there was one."""
        upstream.begin()
        try:
            self._ask(exchange, outgoing, upstream)
        except Failed as failed:
            LOG.warning("upstream failed", upstream=upstream.name, reason=failed.why, rests=upstream.failed())
            return failed
        except Refusal as refusal:
            LOG.warning("answer refused", upstream=upstream.name, reason=refusal.what)
            raise
        finally:
            upstream.end()
        return None

    def _ask(self, exchange: Exchange, outgoing: Outgoing, upstream: Upstream) -> None:
        """Ask one upstream, over a pooled connection if there is one; raises Failed when no answer came."""
        exchange.upstream = upstream.name
        data = outgoing.to(upstream)
        link = upstream.take()
        if link is None:
            self._ask_anew(exchange, upstream, data)
            return
        try:
            self._try(exchange, upstream, link, data)
        except Failed as failed:
            # Closed by the upstream while idle, which is its right: no failure, and asked again if that is safe.
            if failed.status == 504 or (failed.arrived and not outgoing.repeatable):
                raise
            upstream.stale += 1
            self._ask_anew(exchange, upstream, data)

    def _ask_anew(self, exchange: Exchange, upstream: Upstream, data: bytes) -> None:
        try:
            link = upstream.connect()
        except Unreachable as error:
            exchange.tries += 1
            raise Failed(504 if error.timed_out else 502, str(error), arrived=False) from error
        self._try(exchange, upstream, link, data)

    def _try(self, exchange: Exchange, upstream: Upstream, link: Link, data: bytes) -> None:
        exchange.tries += 1
        exchange.reused = bool(link.returned_at)
        Attempt(exchange, upstream, link, self._clock, max_body=self._max_body).run(data)

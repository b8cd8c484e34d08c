"""Build the web side of one process: its routes on the listeners, relay, access log and counters. Floor: daemon."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Callable

from wxsync.clock import Clock
from wxsync.errors import ConfigError
from wxsync.log.file import Descriptor, RotatedFile
from wxsync.metrics import Metrics
from wxsync.options.addresses import Listener
from wxsync.options.settings import Settings
from wxsync.remote.dialer import Dialer
from wxsync.remote.http import tls_context
from wxsync.remote.resolver import SystemResolver
from wxsync.remote.url import parse_url
from wxsync.web.accesslog import AccessLog, Layout
from wxsync.web.balance import Balance
from wxsync.web.callback import Callback, Inbox
from wxsync.web.counting import Counting
from wxsync.web.keeper import Keeper
from wxsync.web.proxy import Relay
from wxsync.web.routes import Router, Rule, health_rule
from wxsync.web.server import Server
from wxsync.web.service import Service
from wxsync.web.upstream import Timeouts, Upstream

if TYPE_CHECKING:
    from wxsync.wecom.crypto import Crypto

BACKLOG = 1024
STDERR = 2
Health = Callable[[], "tuple[bool, dict[str, object]]"]


class Front:
    """Serves on listening sockets, each with the routes of its part; started, drained and ended by one thread."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        listeners: Iterable[tuple[socket.socket, str]],
        *,
        inbox: Inbox | None,
        health: Health,
        metrics: Metrics,
        admin: Sequence[Rule] = (),
        shares: bool = False,
    ) -> None:
        """inbox: where messages go, None without a bot. shares: other processes accept from the same sockets."""
        upstreams = _upstreams(settings, clock)
        self._counting = Counting(metrics, lambda: self._service, upstreams)
        self._access = _access_log(settings, clock, self._counting)
        self._keeper = Keeper(upstreams, clock, health_path=settings.proxy.health_path)
        self._service = Service(settings.server, clock, self._access, shares=shares)
        always = [health_rule(health)]
        bot = [_callback_rule(settings, inbox, clock)] if inbox is not None else []
        relay = [_relay_rule(settings, upstreams, clock)] if upstreams else []
        rules = {"bot": bot, "relay": relay, "all": [*bot, *relay], "admin": list(admin)}
        self._servers = [Server(each, Router([*always, *rules[part]]), self._service) for each, part in listeners]

    def start(self) -> None:
        """Begin to serve."""
        self._access.start()
        self._keeper.start()
        self._service.start()
        for server in self._servers:
            server.start()

    def end(self, deadline_s: float) -> bool:
        """Stop accepting at once, finish what is under way, then close; tell whether all ended within the seconds."""
        is_clean = self._service.drain(deadline_s)
        self._keeper.end()
        self._access.end()
        return is_clean

    @property
    def is_silent(self) -> bool:
        """Tell whether nothing is accepted and served any more."""
        return self._service.is_silent

    def flush(self) -> None:
        """Count and log what was served up to now."""
        self._access.flush()

    def reopen_log(self) -> None:
        """Open the access log's file anew, after it was moved away."""
        self._access.reopen()


def bind(place: Listener) -> socket.socket:
    """Return a listening socket. Raises OSError."""
    is_v6 = ":" in place.host
    listener = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_v6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((place.host, place.port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def tls_of(settings: Settings) -> ssl.SSLContext:
    """Return how the identity of servers is checked on the way out. Raises ConfigError."""
    return tls_context(settings.egress.ca_file)


def _upstreams(settings: Settings, clock: Clock) -> list[Upstream]:
    proxy = settings.proxy
    dialer, timeouts = Dialer(clock, SystemResolver(clock)), Timeouts(proxy.connect_timeout, proxy.timeout)
    urls = [parse_url(target) for target in proxy.targets]
    # The system's certificates take megabytes: only where an upstream needs them.
    tls = tls_of(settings) if any(url.scheme == "https" for url in urls) else None
    return [
        Upstream(
            url, timeouts, dialer, clock, max_idle=settings.server.threads, tls=tls if url.scheme == "https" else None
        )
        for url in urls
    ]


def _access_log(settings: Settings, clock: Clock, counting: Counting) -> AccessLog:
    options = settings.log
    layout = Layout(clock, settings.server.trusted_proxies, is_json=options.format == "json")
    sink = RotatedFile(options.file, options.max_bytes, options.backups) if options.file else Descriptor(STDERR)
    return AccessLog(clock, count=counting.count, layout=layout if options.access else None, lines=sink)


def crypto_of_bot() -> type[Crypto]:
    """Return what a bot decrypts by. Raises ConfigError where pycryptodome is missing."""
    try:
        # Here and not at the top: an installation that only relays has no pycryptodome.
        from wxsync.wecom.crypto import Crypto  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(
            "机器人需要 pycryptodome，这个 Python 里没有",
            mend="解压到程序目录下的 vendor 目录，见 README 的「部署」；只做转发时删掉 [wecom]",
        ) from error
    return Crypto


def _callback_rule(settings: Settings, inbox: Inbox, clock: Clock) -> Rule:
    wecom = settings.wecom
    crypto = crypto_of_bot()(wecom.token, wecom.encoding_aes_key, wecom.corp_id)
    return Callback(crypto, inbox, clock, agent_id=wecom.agent_id).rule(wecom.path)


def _relay_rule(settings: Settings, upstreams: list[Upstream], clock: Clock) -> Rule:
    relay = Relay(
        prefix=settings.proxy.prefix,
        balance=Balance(upstreams, clock),
        trusted=settings.server.trusted_proxies,
        max_body=settings.proxy.max_body,
        clock=clock,
    )
    return relay.rule()

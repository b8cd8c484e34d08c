"""Build every way out of the program from its configuration, one transport for each use. Floor: daemon."""

from __future__ import annotations

from wxsync.clock import Clock
from wxsync.daemon.front import tls_of
from wxsync.options.egress import parse_proxy
from wxsync.options.settings import Settings
from wxsync.remote.address import Guard
from wxsync.remote.dialer import AUTO, DIRECT, Dialer, Policy
from wxsync.remote.egress.watch import EgressWatch
from wxsync.remote.egress.way import EgressWay, Use
from wxsync.remote.http import HttpTransport
from wxsync.remote.resolver import Resolver
from wxsync.remote.url import parse_url
from wxsync.version import VERSION

USER_AGENT = f"wxsyncd/{VERSION}"


class Outbound:
    """wecom, github, downloads, qingstor, registries, own_registries: the transport of each use, for any thread.

    wecom: direct, or by the egress proxy where the operator wants it. github: by the egress proxy. downloads: by the
    egress proxy, nowhere inside but where [upload] allows. qingstor: direct, always. registries (sources that
    members name, redirects, token services): by the egress proxy, nowhere inside but where [registry] allows.
    own_registries (the destination and the mirrors that the operator named, themselves): by the egress proxy,
    anywhere; were they an exception of the former, a member's registry could redirect to them. The relay has its own
    connections, always direct: daemon.front.
    """

    def __init__(self, settings: Settings, clock: Clock, resolver: Resolver) -> None:
        """Raises ConfigError when the CA file cannot be read."""
        self._clock = clock
        self._resolver = resolver
        self._tls = tls_of(settings)
        self._egress = _egress_way(settings, clock, resolver)
        upload, registry = settings.upload, settings.registry
        self.wecom = self._transport(AUTO if settings.wecom.via_egress else DIRECT)
        self.github = self._transport(AUTO)
        self.qingstor = self._transport(DIRECT)
        self.downloads = self._transport(
            Policy(through_proxy=True, guard=Guard(upload.allow_hosts, upload.allow_networks, section="upload"))
        )
        self.registries = self._transport(
            Policy(
                through_proxy=True,
                guard=Guard(registry.allow_hosts, registry.allow_networks, section="registry"),
            )
        )
        self.own_registries = self._transport(AUTO)
        check = parse_url(settings.egress.check_url)
        self._watch = EgressWatch(self._egress, check, clock) if self._egress else None

    def start(self) -> None:
        """Try the egress proxy, now and then again."""
        if self._watch:
            self._watch.start()

    def stop(self, timeout_s: float) -> bool:
        """Try it no more; tell whether the thread ended in time."""
        return self._watch is None or self._watch.stop(timeout_s)

    def _transport(self, policy: Policy) -> HttpTransport:
        dialer = Dialer(self._clock, self._resolver, policy=policy, egress=self._egress)
        return HttpTransport(dialer, self._clock, user_agent=USER_AGENT, tls=self._tls)


def _egress_way(settings: Settings, clock: Clock, resolver: Resolver) -> EgressWay | None:
    if not settings.egress.proxy_url:
        return None
    uses = []
    if settings.engine == "actions":
        uses.append(_use("GitHub API", settings.github.api_base))
    if settings.wecom.via_egress:
        uses.append(_use("企业微信 API", settings.wecom.api_base))
    return EgressWay(
        parse_proxy(settings.egress.proxy_url),
        settings.egress.no_proxy_domains,
        clock=clock,
        resolver=resolver,
        uses=uses,
    )


def _use(name: str, base: str) -> Use:
    url = parse_url(base)
    return Use(name, url.host, url.port)

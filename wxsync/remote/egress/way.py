"""The way through the egress proxy, and whether it works at present. Floor: remote."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.log.logger import logger
from wxsync.options.egress import EgressProxy, Exemption
from wxsync.remote.connect import connect
from wxsync.remote.egress.tunnel import ProxyFault, open_tunnel
from wxsync.remote.resolver import Resolver

LOG = logger("remote.egress")
REACH_S = 5.0  # to connect to the proxy itself, and at most half of a dial: what is left is for going direct


@dataclass(frozen=True)
class Use:
    """A service that operators want to see named when it goes through the proxy."""

    name: str
    host: str
    port: int


class EgressWay:
    """Opens tunnels. Any thread may call; one lock guards whether the proxy works, which starts as yes.

    The lines about the proxy are those of the program that this one replaced, byte for byte.
    """

    def __init__(
        self,
        proxy: EgressProxy,
        exemptions: Sequence[Exemption],
        *,
        clock: Clock,
        resolver: Resolver,
        uses: Sequence[Use] = (),
    ) -> None:
        self.doubted = threading.Event()  # a tunnel failed, and nobody knows whether it was the proxy or the host
        self._proxy = proxy
        self._exemptions = exemptions
        self._clock = clock
        self._resolver = resolver
        self._uses = uses
        self._changing = threading.Lock()
        self._works: bool | None = None

    def takes(self, host: str, port: int) -> bool:
        """Tell whether a connection to this host goes through the proxy at present."""
        return self._works is not False and not any(each.matches(host, port) for each in self._exemptions)

    def open(self, host: str, port: int, deadline: float, stop: threading.Event | None = None) -> socket.socket:
        """Return a connection through the proxy, in blocking mode.

        Raises ProxyFault, with nothing sent to the host, and Stopped within a second after stop was set.
        """
        sock = self._reached(deadline, stop)
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(sock.close)
            open_tunnel(sock, self._proxy, host, port, clock=self._clock, deadline=deadline, stop=stop)
            cleanup.pop_all()
        return sock

    def announce(self) -> None:
        """Log that there is a proxy."""
        LOG.verbatim(f"🌐 检测到代理配置: {self._proxy.shown}")

    def settle(self, fault: ProxyFault | None) -> None:
        """Note that the proxy works, or why it does not; a change is logged."""
        works = fault is None
        with self._changing:
            if works is self._works:
                return
            self._works = works
            if fault is None:
                self._tell_usable()
            else:
                LOG.verbatim(f"⚠️  代理连接失败: {self._proxy.shown}")
                LOG.verbatim("   将使用非代理模式继续运行")
                LOG.warning(
                    "egress proxy unusable", going="direct", proxy=self._proxy.shown, why=fault.what, mend=fault.mend
                )

    def _reached(self, deadline: float, stop: threading.Event | None) -> socket.socket:
        proxy, now = self._proxy, self._clock.monotonic()
        until = now + min(REACH_S, (deadline - now) / 2)
        try:
            addresses = self._resolver.addresses(proxy.host, proxy.port, until, stop)
            return connect(proxy.host, proxy.port, addresses, clock=self._clock, deadline=until, stop=stop)
        except RemoteFault as fault:
            mend = f"连不上出口代理 {proxy.shown}：请检查 [egress] proxy_url 和代理程序是否在运行"
            raise ProxyFault(f"proxy: {fault.what}", where=proxy.shown, mend=mend, is_own=True) from fault

    def _tell_usable(self) -> None:
        if self._exemptions:
            LOG.verbatim(f"  直连域名: {', '.join(each.text for each in self._exemptions)}")
        LOG.verbatim(f"✅ 代理可用: {self._proxy.shown}")
        for use in self._uses:
            if self.takes(use.host, use.port):
                LOG.verbatim(f"🔗 {use.name} 使用代理")

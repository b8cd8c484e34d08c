"""A numeric address becomes a named verdict: may a connection go there?

`ipaddress.is_global` is no replacement: it differs between Python releases and says True for multicast, 6to4,
site-local and most of the unassigned space. The blocks below are the IANA special-purpose registries.

Floor: remote, pure.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Union

from wxsync.errors import RemoteFault

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
_IPV4 = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})", re.ASCII)


class Verdict(enum.Enum):
    """What an address, a name or a URL is; the value goes to logs, counters and errors."""

    PUBLIC = "public"
    ALLOWED = "allowed"
    UNSPECIFIED = "unspecified"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    SHARED = "shared"
    LINK_LOCAL = "link-local"
    MULTICAST = "multicast"
    DOCUMENTATION = "documentation"
    BENCHMARK = "benchmark"
    TRANSITION = "transition"
    RESERVED = "reserved"
    ZONE = "zone"
    LOCAL_NAME = "local-name"
    BAD_URL = "bad-url"
    BAD_SCHEME = "bad-scheme"
    BAD_CHARACTER = "bad-character"
    BAD_HOST = "bad-host"
    BAD_PORT = "bad-port"
    CREDENTIALS = "credentials"

    @property
    def is_open(self) -> bool:
        """Tell whether a connection may be made."""
        return self in (Verdict.PUBLIC, Verdict.ALLOWED)


_MENDS = {
    Verdict.BAD_URL: "链接不完整：应形如 https://主机/路径",
    Verdict.BAD_SCHEME: "只支持 http:// 和 https:// 链接",
    Verdict.BAD_CHARACTER: "链接里有空白、控制字符或反斜杠：请重新复制链接",
    Verdict.BAD_HOST: "链接里的主机名写法不对：请检查主机名",
    Verdict.BAD_PORT: "链接里的端口不对：应为 1 到 65535",
    Verdict.CREDENTIALS: "链接里不能带用户名和密码",
}


class AddressRefused(RemoteFault):
    """No connection is made there; verdict says why, nothing was sent."""

    def __init__(self, verdict: Verdict, *, where: str = "", section: str = "upload") -> None:
        mend = f"由管理员写入 [{section}] allow_networks 或 allow_hosts"
        inner = f"该地址不对外公开，出于安全不访问；确需访问内网源时{mend}"
        super().__init__(f"address refused: {verdict.value}", where=where, mend=_MENDS.get(verdict, inner))
        self.verdict = verdict


def is_address(host: str) -> bool:
    """Tell whether a host, as `remote.url` gives it, is a literal address."""
    return ":" in host or is_ipv4(host)


def is_ipv4(host: str) -> bool:
    """Tell whether this is four plain decimal parts; the older releases of `ipaddress` take leading zeros."""
    return bool(_IPV4.fullmatch(host)) and all(int(part) <= 255 for part in host.split("."))


def classify(address: str) -> Verdict:
    """Return the verdict on one numeric address as text; a text that is none is refused as a bad host."""
    if "%" in address:
        return Verdict.ZONE
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return Verdict.BAD_HOST
    ip = _judged(ip)
    blocks = _BLOCKS_V4 if ip.version == 4 else _BLOCKS_V6
    inside = next((verdict for block, verdict in blocks if ip in block), None)
    if inside is not None:
        return inside
    return Verdict.PUBLIC if ip.version == 4 or ip in _GLOBAL_UNICAST else Verdict.RESERVED


@dataclass(frozen=True)
class Guard:
    """The rule for destinations that members, redirects and token realms name, with the operator's exceptions.

    allow_hosts: `host` or `host:port`, an IPv6 literal in brackets; all addresses of such a host are fine.
    section: of the configuration, where both stand.
    """

    allow_hosts: tuple[str, ...] = ()
    allow_networks: tuple[Network, ...] = ()
    section: str = "upload"

    def allows_host(self, host: str, port: int) -> bool:
        """Tell whether the operator named this host."""
        name = f"[{host}]" if ":" in host else host
        return any(each.lower() in (name, f"{name}:{port}") for each in self.allow_hosts)

    def judge(self, address: str) -> Verdict:
        """Return the verdict on one numeric address."""
        verdict = classify(address)
        if verdict.is_open or verdict in (Verdict.ZONE, Verdict.BAD_HOST):
            return verdict
        ip = _judged(ipaddress.ip_address(address))
        return Verdict.ALLOWED if any(ip in network for network in self.allow_networks) else verdict

    def check_name(self, host: str, port: int) -> None:
        """Raise AddressRefused for names that mean this machine, and for literal addresses that are refused."""
        if self.allows_host(host, port):
            return
        if host == "localhost" or host.endswith(".localhost"):
            raise AddressRefused(Verdict.LOCAL_NAME, where=host, section=self.section)
        if is_address(host):
            self.check_addresses(host, port, (host,))

    def check_addresses(self, host: str, port: int, addresses: Iterable[str]) -> None:
        """Raise AddressRefused when one of the host's addresses is refused: one bad among good ones refuses all."""
        if self.allows_host(host, port):
            return
        for address in addresses:
            verdict = self.judge(address)
            if not verdict.is_open:
                raise AddressRefused(verdict, where=host, section=self.section)


def _judged(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address inside a v4-mapped or NAT64 one (RFC 6052), since that is where packets end up."""
    if isinstance(ip, ipaddress.IPv6Address) and any(ip in prefix for prefix in _EMBEDDING):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def _blocks(*rows: tuple[str, Verdict]) -> tuple[tuple[Network, Verdict], ...]:
    return tuple((ipaddress.ip_network(block), verdict) for text, verdict in rows for block in text.split())


_EMBEDDING = (ipaddress.ip_network("::ffff:0:0/96"), ipaddress.ip_network("64:ff9b::/96"))
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_BLOCKS_V4 = _blocks(
    ("0.0.0.0/8", Verdict.UNSPECIFIED),
    ("127.0.0.0/8", Verdict.LOOPBACK),
    ("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16", Verdict.PRIVATE),
    ("100.64.0.0/10", Verdict.SHARED),
    ("169.254.0.0/16", Verdict.LINK_LOCAL),
    ("192.0.2.0/24 198.51.100.0/24 203.0.113.0/24", Verdict.DOCUMENTATION),
    ("198.18.0.0/15", Verdict.BENCHMARK),
    ("192.88.99.0/24", Verdict.TRANSITION),
    ("224.0.0.0/4", Verdict.MULTICAST),
    ("192.0.0.0/24 192.31.196.0/24 192.52.193.0/24 192.175.48.0/24 240.0.0.0/4", Verdict.RESERVED),
)
_BLOCKS_V6 = _blocks(
    ("::/128", Verdict.UNSPECIFIED),
    ("::1/128", Verdict.LOOPBACK),
    ("fc00::/7 fec0::/10", Verdict.PRIVATE),
    ("fe80::/10", Verdict.LINK_LOCAL),
    ("ff00::/8", Verdict.MULTICAST),
    ("2001:db8::/32 3fff::/20", Verdict.DOCUMENTATION),
    ("2001:2::/48", Verdict.BENCHMARK),
    ("::/96 64:ff9b:1::/48 2001::/32 2002::/16", Verdict.TRANSITION),
    ("2001::/23 2620:4f:8000::/48", Verdict.RESERVED),
)

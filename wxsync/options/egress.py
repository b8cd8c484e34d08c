"""Read the options of the egress proxy: its URL, and who goes past it (NO_PROXY). Floor: ground, pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from wxsync.errors import ConfigError
from wxsync.options.addresses import Network, read_host, read_percent_encoded
from wxsync.options.kinds import Kind, listing

HTTP, SOCKS5 = "http", "socks5"
_KINDS = {"http": HTTP, "socks5": SOCKS5, "socks5h": SOCKS5}  # with both SOCKS names the proxy resolves
_PORTS = {HTTP: 8080, SOCKS5: 1080}
_MAX_FIELD_BYTES = 255  # RFC 1929 2
_MAX_CHARS = 300
_PLACE = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([^:\[\]]{1,255}))(?::([0-9]{1,5}))?", re.ASCII)
_NAME = re.compile(r"(?:\*?\.)?([a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*)\.?", re.ASCII)


@dataclass(frozen=True)
class EgressProxy:
    """kind: HTTP (CONNECT) or SOCKS5. host: without brackets. shown: the URL without user and password."""

    kind: str
    host: str
    port: int
    shown: str
    user: str = ""
    password: str = field(default="", repr=False)


def parse_proxy(text: str) -> EgressProxy:
    """Return the proxy that `http://`, `socks5://` or `socks5h://` and `[user:password@]host[:port]` name.

    Raises ConfigError, which never repeats the text: it may hold a password.
    """
    scheme, _, rest = text.partition("://")
    kind = _KINDS.get(scheme.lower())
    if kind is None:
        raise ConfigError(
            "不支持这种代理", mend="写 http://、socks5:// 或 socks5h:// 开头的地址，例如 http://proxy:8080")
    userinfo, at, authority = rest.rstrip("/").rpartition("@")
    user, password = (
        read_percent_encoded(part, "代理的用户名和口令") for part in userinfo.partition(":")[::2]
    )
    place = _PLACE.fullmatch(read_host(authority))
    if place is None or (place[3] and not 1 <= int(place[3]) <= 65535):
        raise ConfigError("代理的主机或端口不对", mend="写 主机:端口，端口为 1 到 65535")
    proxy = EgressProxy(
        kind=kind,
        host=place[1] or place[2],
        port=int(place[3] or _PORTS[kind]),
        shown=f"{scheme.lower()}://{authority.lower()}",
        user=user,
        password=password,
    )
    if at:
        _check_login(proxy)
    return proxy


def _check_login(proxy: EgressProxy) -> None:
    sizes = [len(each.encode()) for each in (proxy.user, proxy.password)]
    if proxy.kind == SOCKS5 and not all(1 <= size <= _MAX_FIELD_BYTES for size in sizes):
        raise ConfigError("SOCKS5 代理的用户名和口令各为 1 到 255 字节", mend="写 socks5://用户名:口令@主机:端口")
    if proxy.kind == HTTP and (not proxy.user or ":" in proxy.user):
        raise ConfigError("HTTP 代理的用户名是空的或带有冒号", mend="写 http://用户名:口令@主机:端口")


def _read_proxy_url(text: str) -> str:
    """Return the URL with user and password as written: as text, so that it stays one of the secrets."""
    proxy = parse_proxy(text)
    userinfo, at, _ = text.partition("://")[2].rpartition("@")
    scheme, _, authority = proxy.shown.partition("://")
    return f"{scheme}://{userinfo}{at}{authority}"


@dataclass(frozen=True)
class Exemption:
    """One rule of NO_PROXY, and its text as written.

    name: itself and all below it, "" is every host. network: literal addresses only, no look-up. port 0: any.
    """

    text: str
    name: str = ""
    network: Network | None = None
    port: int = 0

    def matches(self, host: str, port: int) -> bool:
        """Tell whether a host is meant; it is in lower case, without final dot and brackets."""
        if self.port not in (0, port):
            return False
        if self.network is None:
            return not self.name or host == self.name or host.endswith(f".{self.name}")
        address = _network(host)
        return address is not None and address[0] in self.network


def _read_exemption(text: str) -> Exemption:
    """`example.com`, `.example.com` and `*.example.com` are one; `host:8443` is that port only; `*` is every host."""
    if text == "*":
        return Exemption(text)
    plain = text.lower() if len(text) <= _MAX_CHARS and "%" not in text else ""
    network = _network(plain)
    if network is not None:
        return Exemption(text, network=network)
    place = _PLACE.fullmatch(plain)
    port = int(place[3]) if place and place[3] else 0
    if place and (not place[3] or 1 <= port <= 65535):
        network, name = _network(place[1] or place[2]), _NAME.fullmatch(place[2] or "")
        if network is not None and "/" not in plain:
            return Exemption(text, network=network, port=port)
        if name:
            return Exemption(text, name=name[1], port=port)
    raise ConfigError("不是域名或网段", mend="写域名、地址、CIDR 或 *，例如 example.com、10.0.0.0/8、host:8443")


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


PROXY_URL = Kind("代理地址", _read_proxy_url, "")
EXEMPTIONS = listing("域名、地址或 CIDR 的列表", _read_exemption)

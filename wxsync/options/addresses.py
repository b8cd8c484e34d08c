"""Read options that name places: listeners, networks, hosts, URLs, and pairs of them. Floor: ground, pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Union
from urllib.parse import unquote_to_bytes

from wxsync.errors import ConfigError
from wxsync.options.kinds import Kind, items, listing, word

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
PARTS = ("all", "bot", "relay")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,15})://([^/?#]*)(/[^?#]*)?", re.ASCII)
_HOST = r"\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?"
_AUTHORITY = re.compile(rf"({_HOST})(?::([0-9]{{1,5}}))?", re.ASCII)
_LISTENER = re.compile(rf"({_HOST})?:([0-9]{{1,5}})(?:\s*=\s*([A-Za-z]{{1,8}}))?", re.ASCII)
_NUMERIC_NAME = re.compile(r"(?:.*\.)?[0-9]+", re.ASCII)
_PERCENT = re.compile(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*", re.ASCII)
EVERY_HOST, HOST_PLACE = "*", "{host}"  # of mirrors: in place of each host, whose name stands in the path then
_PLACEHOLDERS = ("{bucket}", "{zone}")


@dataclass(frozen=True)
class Listener:
    """An address to listen on and whose routes it carries: all, bot, relay (or admin, for the admin listener)."""

    host: str
    port: int
    part: str = "all"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def is_wildcard(self) -> bool:
        """Tell whether it takes every address of the machine."""
        return self.host in {"0.0.0.0", "::"}  # noqa: S104 compared, not bound


def read_port(text: str) -> int:
    """Return the port number, 0 (any free one) to 65535; ConfigError otherwise."""
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or int(text) > 65535:
        raise ConfigError("不是端口号", mend="写 0 到 65535 之间的整数，例如 3000")
    return int(text)


def _read_listener(text: str) -> Listener:
    match = _LISTENER.fullmatch(text)
    if not match:
        raise ConfigError("不是监听地址", mend="写 地址:端口[=bot|relay]，例如 0.0.0.0:3000=bot、[::]:3000、:3000")
    part = (match[3] or "all").lower()
    if part not in PARTS:
        raise ConfigError("监听地址后面的部分名不对", mend=f"等号后写其中之一：{'、'.join(PARTS)}")
    host = _checked_host(match[1]).strip("[]") if match[1] else "0.0.0.0"  # noqa: S104 the operator asked for it
    return Listener(host, read_port(match[2]), part)


def _read_admin(text: str) -> Listener:
    listener = _read_listener(text)
    if "=" in text:
        raise ConfigError("管理地址不分部分", mend="写 地址:端口，例如 127.0.0.1:8503")
    return Listener(listener.host, listener.port, "admin")


def _checked_host(host: str) -> str:
    """Return the host as written; an address must be a valid one, and no other number passes for a name."""
    address = host.strip("[]")
    if host.startswith("[") or _NUMERIC_NAME.fullmatch(host):
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            raise ConfigError("不是有效的 IP 地址", mend="IPv4 写四段十进制数，IPv6 写在方括号里") from None
        if (parsed.version == 6) != host.startswith("["):
            raise ConfigError("方括号里不是 IPv6 地址", mend="方括号只用于 IPv6，例如 [::1]")
    return host


def _read_network(text: str) -> Network:
    try:
        loose = ipaddress.ip_network("" if "%" in text else text, strict=False)  # no zone: fe80::1%eth0
    except ValueError:
        raise ConfigError("不是网段", mend="写地址或 CIDR，例如 192.168.1.7、10.0.0.0/8、fd00::/8") from None
    if "/" in text and str(loose.network_address) != str(ipaddress.ip_address(text.partition("/")[0])):
        raise ConfigError("网段的主机位不是零", mend=f"写 {loose}")
    return loose


def read_host(text: str) -> str:
    """Return `host` or `host:port` in lower case; ConfigError for anything else."""
    match = _AUTHORITY.fullmatch(text)
    if not match:
        raise ConfigError("不是主机名", mend="写 主机名 或 主机名:端口，不带 http:// 和路径")
    _checked_host(match[1])
    if match[2] is not None:
        read_port(match[2])
    return text.lower()


def read_url(text: str, schemes: tuple[str, ...] = ("http", "https")) -> str:
    """Return the URL without the slash at its end; no user, query or fragment, and a strict host."""
    match = _URL.fullmatch(text) if text.isascii() and text.isprintable() and not set(" \\") & set(text) else None
    if not match or match[1].lower() not in schemes:
        raise ConfigError("不是地址", mend=f"写 {schemes[-1]}://主机[:端口][/路径]，没有空格、? 和 #")
    if "@" in match[2]:
        raise ConfigError("地址里不能有用户名和口令", mend="去掉 @ 和它前面的部分")
    return f"{match[1].lower()}://{read_host(match[2])}{(match[3] or '').rstrip('/')}"


def _read_endpoint(text: str) -> str:
    bare = text
    for placeholder in _PLACEHOLDERS:
        bare = bare.replace(placeholder, "x")
    if "{" in bare or "}" in bare:
        raise ConfigError("花括号里的名字不对", mend="只能用 {bucket} 和 {zone}")
    read_url(bare)
    return text.rstrip("/")


def _read_registry(text: str) -> str:
    plain = text[:7].lower() == "http://"
    host = text[7:] if plain else text
    if "://" in host or "/" in host:
        raise ConfigError("仓库地址只写主机", mend="去掉 https:// 和路径，例如 registry.cn-hangzhou.aliyuncs.com；"
                          "http:// 表示不加密的仓库")
    return ("http://" if plain else "") + read_host(host)


def read_percent_encoded(text: str, what: str) -> str:
    """Return the percent-decoded text; only visible ASCII and whole escapes of UTF-8 without control characters."""
    try:
        decoded = unquote_to_bytes(text).decode() if _PERCENT.fullmatch(text) else "\x00"
    except UnicodeDecodeError:
        decoded = "\x00"
    if any(ord(character) < 32 or ord(character) == 127 for character in decoded):
        raise ConfigError(f"{what}的写法不对", mend="特殊字符写成 %XX（百分号本身写 %25，@ 写 %40，冒号写 %3A）")
    return decoded


def _read_auth(text: str) -> tuple[str, str, str]:
    host, equals, pair = text.partition("=")
    user, colon, password = pair.partition(":")
    if not (equals and colon and user and password):
        raise ConfigError("不是 主机=用户名:口令", mend="写 主机=用户名:口令，特殊字符写成 %XX，多个用逗号或空格隔开")
    return read_host(host), read_percent_encoded(user, "用户名"), read_percent_encoded(password, "口令")


def _read_mirror(text: str) -> tuple[str, str]:
    host, equals, url = (part.strip() for part in text.partition("="))
    if not equals:
        raise ConfigError("不是 主机=地址", mend="例如 docker.io=http://127.0.0.1:5000/docker.io")
    if host != EVERY_HOST and HOST_PLACE in url:
        raise ConfigError("{host} 只用在所有主机的替代地址里", mend="例如 *=http://127.0.0.1:5000/{host}")
    if host != EVERY_HOST:
        return read_host(host), read_url(url)
    if url.count(HOST_PLACE) != 1 or HOST_PLACE not in url.partition("://")[2].partition("/")[2]:
        raise ConfigError("所有主机的替代地址里没有 {host}", mend="例如 *=http://127.0.0.1:5000/{host}")
    read_url(url.replace(HOST_PLACE, "x"))
    return host, url.rstrip("/")


LISTENERS = listing("监听地址的列表", _read_listener)
ADMIN_LISTENER = Kind("地址:端口", _read_admin, Listener("127.0.0.1", 0, "admin"))
NETWORKS = listing("地址或 CIDR 的列表", _read_network)
HOSTS = listing("主机名的列表", read_host)
URLS = listing("http(s) 地址的列表", read_url)
BASE_URL = Kind("http(s) 地址", read_url, "")
ENDPOINT = Kind("http(s) 地址，可含 {bucket} {zone}", _read_endpoint, "")
REGISTRY = Kind("主机[:端口]", _read_registry, "")
SOURCE_AUTH = listing("主机=用户名:口令 的列表", _read_auth, split=lambda text: items(",".join(text.split())))
MIRRORS = listing("主机=地址 的列表", _read_mirror)
URL_PATH = word(
    r"(?:/[A-Za-z0-9._~-]+)+", "网址路径", "不是网址路径", "以 / 开头，结尾没有 /，例如 /wechat/callback")

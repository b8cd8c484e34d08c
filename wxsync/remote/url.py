"""A URL as somebody wrote it becomes its checked and normalised parts. Floor: remote, pure."""

from __future__ import annotations

import ipaddress
import re
import stringprep
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote

from wxsync.remote.address import AddressRefused, Verdict, is_ipv4

MAX_URL_CHARS = 8192
MAX_HOST_CHARS = 253  # RFC 1035 2.3.4, without the final dot

_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)(#.*)?", re.ASCII)
_PLAIN = re.compile(r"[!-\[\]-~]*", re.ASCII)  # visible ASCII without the backslash: nearly every URL, and fast to see
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
_NUMERIC_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
_KEPT = "!#$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True)
class Url:
    """A checked http or https URL; only `parse_url` builds it. host is ASCII, an IPv6 literal has no brackets."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Return host and port as the Host field wants them; the scheme's own port is left out."""
        host = bracketed(self.host)
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Return what must be equal for credentials to go along (RFC 6454)."""
        return self.scheme, self.host, self.port

    @property
    def text(self) -> str:
        """Return the whole URL, normalised; it may hold secrets in its query."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def shown(self) -> str:
        """Return the URL without its query, for logs and errors."""
        return f"{self.scheme}://{self.authority}{self.target.partition('?')[0]}"[:300]


def parse_url(text: str) -> Url:
    """Return the URL taken apart, its host mapped by IDNA, its path in ASCII; raise AddressRefused when it is none.

    The raw text is checked: `urlsplit` drops tabs, line ends and leading control characters without a word.
    """
    if len(text) > MAX_URL_CHARS:
        raise AddressRefused(Verdict.BAD_URL)
    if not _PLAIN.fullmatch(text) and any(map(_is_unfit, text)):
        raise AddressRefused(Verdict.BAD_CHARACTER)
    match = _URL.fullmatch(text)
    if match is None:
        raise AddressRefused(Verdict.BAD_URL)
    scheme, authority, target = match[1].lower(), match[2], match[3]
    if scheme not in _PORTS:
        raise AddressRefused(Verdict.BAD_SCHEME)
    if "@" in authority:
        raise AddressRefused(Verdict.CREDENTIALS)
    host, port = _split_authority(authority)
    path = quote(target if target.startswith("/") else f"/{target}", safe=_KEPT)
    return Url(scheme, parse_host(host), _parse_port(port) if port else _PORTS[scheme], path)


def parse_host(text: str) -> str:
    """Return the host in lower-case ASCII: a name without its final dot, or an address without brackets.

    Numeric forms that are not four plain decimal parts are refused: getaddrinfo takes `127.1` and `0x7f.1` as
    addresses, and maps full-width digits and ideographic dots.
    """
    if text.startswith("[") and text.endswith("]"):
        return _parse_ipv6(text[1:-1])
    if not text or len(text) > MAX_HOST_CHARS + 1 or _has_invisible(text):
        raise AddressRefused(Verdict.BAD_HOST)
    host = _idna(text)
    name = host[:-1] if host.endswith(".") else host
    if len(name) > MAX_HOST_CHARS or not _NAME.fullmatch(name):
        raise AddressRefused(Verdict.BAD_HOST)
    if _NUMERIC_END.fullmatch(name) and not (host == name and is_ipv4(name)):
        raise AddressRefused(Verdict.BAD_HOST)
    return name


def bracketed(host: str) -> str:
    """Return the host as it stands before a colon and a port."""
    return f"[{host}]" if ":" in host else host


def _split_authority(authority: str) -> tuple[str, str]:
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise AddressRefused(Verdict.BAD_HOST)
        return host + bracket, rest[1:]
    host, _, port = authority.partition(":")
    return host, port


def _parse_port(text: str) -> int:
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise AddressRefused(Verdict.BAD_PORT)
    return int(text)


def _parse_ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text)) if "%" not in text else _refuse_zone()
    except ValueError:
        raise AddressRefused(Verdict.BAD_HOST) from None


def _refuse_zone() -> str:
    raise AddressRefused(Verdict.ZONE)


def _is_unfit(character: str) -> bool:
    return character == "\\" or character.isspace() or unicodedata.category(character) in ("Cc", "Cs")


def _has_invisible(text: str) -> bool:
    return "%" in text or (not text.isascii() and any(map(_is_invisible, text)))


def _is_invisible(character: str) -> bool:
    """Tell of characters that IDNA would drop or that nobody sees: the name shown and the name used would differ."""
    return unicodedata.category(character) == "Cf" or stringprep.in_table_b1(character)


def _idna(text: str) -> str:
    if text.isascii():
        return text.lower()
    try:
        return text.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise AddressRefused(Verdict.BAD_HOST) from None

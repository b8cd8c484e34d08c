"""Where a redirect leads: a Location as it came becomes a checked URL. Floor: remote, pure."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote, urljoin

from wxsync.remote.address import AddressRefused, Verdict
from wxsync.remote.url import MAX_URL_CHARS, Url, parse_url

FOLLOWED = (301, 302, 303, 307, 308)
MAX_HOPS = 8

_EVERY_ASCII = "".join(map(chr, range(0x80)))


class NoWay(Exception):
    """The redirect leads nowhere that may be followed; the text says why."""


def next_url(base: Url, location: str | None) -> Url:
    """Return the URL that a Location (latin-1 text, as it came) means at the base.

    Raises NoWay for none and for a step from https to http, AddressRefused for what is no URL for us.
    """
    text = _readable((location or "").strip(" \t")).replace(" ", "%20")
    if not text:
        raise NoWay("redirect without Location")
    # urljoin drops tabs and line ends without a word, so the raw text is checked; the joined one by parse_url.
    if len(text) > MAX_URL_CHARS:
        raise AddressRefused(Verdict.BAD_URL)
    if any(each == "\\" or _is_unseen(each) for each in text):
        raise AddressRefused(Verdict.BAD_CHARACTER)
    try:
        joined = urljoin(base.text, text)
    except ValueError:
        raise AddressRefused(Verdict.BAD_HOST) from None
    url = parse_url(joined)
    if base.scheme == "https" and url.scheme != "https":
        raise NoWay("redirect from https to http")
    return url


def _readable(location: str) -> str:
    """Return raw UTF-8 as the text that it is, any other raw byte as a percent escape."""
    raw = location.encode("latin-1")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return quote(raw, safe=_EVERY_ASCII)


def _is_unseen(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) == "Cc"

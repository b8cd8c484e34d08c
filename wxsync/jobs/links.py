"""Read the links of a message; knows their form and Docker Hub's pages, fetches nothing. Floor: jobs, pure."""

from __future__ import annotations

import re
import unicodedata

from wxsync.jobs import reference
from wxsync.jobs.reference import BadReference

# Phones make the first letter a capital and the colon full-width.
_START = re.compile(r"(https?)[:：][/／]{2}", re.IGNORECASE | re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f]")
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[^\"<>\\^`{|}%\[\]:]+")
_PORT = re.compile(r"[0-9]{1,5}")
_AUTHORITY_START = re.compile(r"[:：][/／]{2}")
_AUTHORITY_END = re.compile(r"[/?#]")


def begins(text: str) -> bool:
    """Tell whether a text begins as a link does."""
    return _START.match(text) is not None


def parse(line: str) -> str | None:
    """Return the link that a line is, its `https：//` folded; None when it is no link, or more than one."""
    start = _START.match(line)
    if start is None:
        return None
    rest = line[start.end() :]
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    if _UNPRINTABLE.search(rest) or "\\" in authority or not _is_host_and_port(authority.rpartition("@")[2]):
        return None
    return f"{start[1]}://{rest}"


def is_docker_hub(link: str) -> bool:
    """Tell whether a link (as parsed) leads to a page of Docker Hub, which is never a file."""
    host = _authority(link).rpartition("@")[2].partition(":")[0]
    return host.lower() == "hub.docker.com"


def image_shown(link: str) -> str | None:
    """Return the image that a page of Docker Hub shows (`/_/X`, `/r/X/Y` and their subpages), in its short form."""
    path = re.split(r"[?#]", link.partition("//")[2], maxsplit=1)[0]
    parts = [part for part in path.split("/")[1:] if part]
    if len(parts) >= 2 and parts[0] == "_":
        name = parts[1]
    elif len(parts) >= 3 and parts[0] == "r":
        name = f"{reference.DOCKER_HUB}/{parts[1]}/{parts[2]}"
    else:
        return None
    try:
        return reference.parse(name).short
    except BadReference:
        return None


def masked(text: str) -> str:
    """Return a text with the user and password of its link struck out, fit for chat and log."""
    start = _AUTHORITY_START.search(text)
    if start is None:
        return text
    authority = _AUTHORITY_END.split(text[start.end() :], maxsplit=1)[0]
    _, sign, host = authority.rpartition("@")
    return f"{text[: start.end()]}***@{host}{text[start.end() + len(authority) :]}" if sign else text


def shown(link: str) -> str:
    """Return a link (as parsed) without user, password, query and fragment: what chat and log may see of it."""
    return re.split(r"[?#]", masked(link), maxsplit=1)[0]


def _authority(link: str) -> str:
    return _AUTHORITY_END.split(link.partition("//")[2], maxsplit=1)[0]


def _is_host_and_port(text: str) -> bool:
    bracket = text.rfind("]")  # the colons of an IPv6 address are no port's
    colon = text.find(":", bracket + 1)
    host, port = (text, "") if colon < 0 else (text[:colon], text[colon + 1 :])
    if colon >= 0 and not (_PORT.fullmatch(port) and int(port) < 65536):
        return False
    # A host with e.g. a full-width slash would be another host after IDNA has folded it.
    folded = unicodedata.normalize("NFKC", host) if "[" not in host else ""
    return bool(_HOST.fullmatch(host)) and any(map(str.isalnum, host)) and not re.search(r"[/?#@:]", folded)

"""Read images.txt as the workflow does: the block of one request, and each line's parts. Floor: sandbox."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LINE = 2000
_REQUEST = re.compile("# request ([A-Za-z0-9._-]{1,64})")
_HOST = r"[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<path>{_PART}(?:/{_PART})*)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_DESTINATION = re.compile(rf"{_PART}:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}")
_PLATFORM = re.compile("[a-z0-9]+/[a-z0-9]+(?:/[a-z0-9]+)?")


@dataclass(frozen=True)
class ImageLine:
    """One image line; number is its place in the block, from 1. fault: why the line is bad, else empty."""

    number: int
    source: str
    full_source: str = ""
    platforms: tuple[str, ...] = ()
    destination: str = ""
    fault: str = ""


def block(content: bytes, request_id: str) -> list[str] | None:
    """Return the image lines of one request, of all when the id is empty; None when there is no such block."""
    found, inside, lines = not request_id, not request_id, []
    for raw in content.decode("utf-8-sig").splitlines():
        line = raw.strip()
        if request_id and (opening := _REQUEST.fullmatch(line)):
            inside = opening.group(1) == request_id
            found = found or inside
        elif inside and line and not line.startswith("#"):
            lines.append(line)
    return lines if found else None


def parse(number: int, line: str) -> ImageLine:
    """Read `[--platform=P[,P…] ]REFERENCE[ -> NAME:TAG]`, or the replaced program's `SOURCE to HOST/NS/NAME:TAG`."""
    platforms: tuple[str, ...] = ()
    if len(line) > MAX_LINE:
        return ImageLine(number, line[:100], fault="the line is too long")
    if line.startswith("--platform="):
        option, _, line = line.partition(" ")
        platforms = tuple(sorted(set(option[len("--platform=") :].split(","))))
        line = line.strip()
    left, arrow, right = line.partition(" -> ")
    if not arrow:
        left, arrow, right = line.partition(" to ")
        right = right.rpartition("/")[2]
    source, right = left.strip(), right.strip()
    full_source, default = _resolve(source)
    destination = right if arrow else default
    if not full_source:
        fault = "not an image reference"
    elif not all(_PLATFORM.fullmatch(platform) for platform in platforms):
        fault = "not a platform"
    else:
        fault = "" if _DESTINATION.fullmatch(destination) else "not a destination"
    return ImageLine(number, source, full_source, platforms, destination, fault)


def _resolve(source: str) -> tuple[str, str]:
    """Return the full source and the plain default destination; two empty texts when it is no reference."""
    host, slash, rest = source.partition("/")
    if not (slash and re.fullmatch(_HOST, host) and (set(host) & set(".:") or host == "localhost")):
        host, rest = "docker.io", source
    match = _REFERENCE.fullmatch(rest)
    if not match:
        return "", ""
    path, tag, digest = match.group("path"), match.group("tag"), match.group("digest")
    host = "docker.io" if host.lower() == "index.docker.io" else host.lower()
    full_path = f"library/{path}" if host == "docker.io" and "/" not in path else path
    name = path.rpartition("/")[2]
    if digest:
        return f"{host}/{full_path}@{digest}", f"{name}:{tag or digest[:19].replace(':', '-')}"
    return f"{host}/{full_path}:{tag or 'latest'}", f"{name}:{tag or 'latest'}"

"""Write and read images.txt, the day's list: one block for each request. Floor: jobs, pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

from wxsync.errors import Bug
from wxsync.jobs import reasons, reference
from wxsync.jobs.reference import BadReference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OPTION = "--platform="
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9]+(?:/[a-z0-9]+)?")


@dataclass(frozen=True)
class Line:
    """One image: its reference in short form, platforms as given, destination NAME:TAG ("" where none is written)."""

    source: str
    platforms: tuple[str, ...]
    destination: str

    def __str__(self) -> str:
        option = f"{_OPTION}{','.join(self.platforms)} " if self.platforms else ""
        return f"{option}{self.source} -> {self.destination}" if self.destination else f"{option}{self.source}"


@dataclass(frozen=True)
class BadLine:
    """A line that is no image, and why (Chinese); it counts where images are numbered."""

    written: str
    reason: str


Entry = Union[Line, BadLine]


@dataclass(frozen=True)
class Block:
    """The lines of one request; request_id is "" for lines before the first block."""

    request_id: str
    lines: tuple[Entry, ...]


def block(request_id: str, lines: Iterable[Line]) -> str:
    """Return the text of one block."""
    if not _ID.fullmatch(request_id):
        raise Bug("a request id that images.txt cannot hold", where=repr(request_id))
    return "".join(f"{line}\n" for line in [f"# request {request_id}", *map(str, lines)])


def append(list_text: str, block_text: str) -> str:
    """Return a list with a block at its end, or as it is when it already has a block of that request."""
    request_id = _opened(block_text.partition("\n")[0])
    if request_id and has_block(list_text, request_id):
        return list_text
    before = list_text.rstrip("\r\n")
    return f"{before}\n{block_text}" if before else block_text


def newest(list_text: str, max_bytes: int) -> str:
    """Return the list without its oldest blocks, as many as it takes to stay within max_bytes; the last one stays."""
    starts = [match.start() for match in re.finditer(r"(?m)^# request ", list_text)]
    for start in [0, *starts]:
        if len(list_text[start:].encode()) <= max_bytes:
            return list_text[start:]
    return list_text[starts[-1] :] if starts else list_text


def has_block(list_text: str, request_id: str) -> bool:
    """Tell whether a list has the block of a request."""
    return any(_opened(line) == request_id for line in _lines(list_text))


def count_images(list_text: str) -> int:
    """Return how many images a list has, bad lines included."""
    return sum(len(each.lines) for each in parse(list_text))


def parse(list_text: str) -> tuple[Block, ...]:
    """Read a list, also one that was edited by hand or written by the program that this one replaces.

    Line ends of any kind, a byte order mark, blanks around, a comment behind an image and
    `SOURCE to REGISTRY/NAMESPACE/NAME:TAG` are tolerated.
    """
    blocks: list[tuple[str, list[Entry]]] = [("", [])]
    for line in _lines(list_text):
        request_id = _opened(line)
        if request_id:
            blocks.append((request_id, []))
        elif not line.startswith("#"):
            blocks[-1][1].append(_entry(line.partition("#")[0].rstrip()))  # as in a message, also without a blank
    return tuple(Block(request_id, tuple(lines)) for request_id, lines in blocks if request_id or lines)


def _lines(list_text: str) -> Iterator[str]:
    lines = (line.strip() for line in list_text.lstrip("\ufeff").splitlines())
    return (line for line in lines if line)


def _opened(line: str) -> str:
    """Return the id of the block that a line opens, "" for every other line."""
    words = line.split()
    opens = len(words) == 3 and words[:2] == ["#", "request"] and _ID.fullmatch(words[2])
    return words[2] if opens else ""


def _entry(line: str) -> Entry:
    words = line.replace("->", " -> ").split()
    option = words.pop(0) if words[0].startswith(_OPTION) else ""
    platforms = tuple(option[len(_OPTION) :].split(",")) if option else ()
    if not all(map(_PLATFORM.fullmatch, platforms)):
        return BadLine(line, reasons.REASONS["platform"])
    if not words:
        return BadLine(line, reasons.REASONS["no-image"])
    try:
        source = reference.parse(words[0]).short
    except BadReference as error:
        return BadLine(line, error.what)
    if len(words) == 1:
        return Line(source, platforms, "")
    sign, target = words[1], words[2] if len(words) == 3 else ""
    target = target.rpartition("/")[2] if sign == "to" else target
    if sign not in ("->", "to") or not reference.is_destination(target):
        return BadLine(line, reasons.REASONS["destination"])
    return Line(source, platforms, target)

"""Cut a text for a member into parts that WeCom shows whole, each with the number of its job. Floor: wecom, pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

PART_BYTES = 1900  # WeCom cuts text.content off at 2,048 bytes without a word
MAX_PARTS = 10
CUT_OFF = "…（内容过长，已截断）"

# What belongs to the character before it: combining marks, variation selectors, keycaps, skin tones, tags.
EXTEND = r"[\u0300-\u036f\u20d0-\u20ff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
JOINED = rf"(?:{EXTEND}|\u200d[^\s!-~])*"
LINK = r"https?://[^\s，。；、：！？…（）《》「」“”]+"
ATOM = re.compile(rf"{LINK}|[!-~]+{JOINED}|[\U0001f1e6-\U0001f1ff]{{2}}|.{JOINED}", re.DOTALL)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Return the text with plain line ends and without what the API takes in no form: controls, lone surrogates."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return CONTROL.sub(" ", plain)


def split(text: str, job_number: int) -> tuple[str, ...]:
    """Return the parts to send, in order: each at most 1,900 bytes, ending with its own line `#12` or `#12 (1/3)`.

    Cut at line ends where possible, else between words; a URL, a command line or an emoji that fits into one part is
    not cut. At most 10 parts: a text that does not fit (see `fits`) ends with a line that says so.
    """
    chunks = _chunks(text, job_number)
    if len(chunks) == 1:
        return (_signed(chunks[0], f"#{job_number}"),)
    if len(chunks) > MAX_PARTS:
        room = _room(job_number) - _size("\n" + CUT_OFF)
        chunks[MAX_PARTS - 1 :] = [f"{_pack(chunks[MAX_PARTS - 1], room)[0]}\n{CUT_OFF}"]
    return tuple(_signed(chunk, f"#{job_number} ({at}/{len(chunks)})") for at, chunk in enumerate(chunks, 1))


def fits(text: str, job_number: int) -> bool:
    """Tell whether `split` sends the whole text; what does not fit is for the caller to shorten by its meaning."""
    return len(_chunks(text, job_number)) <= MAX_PARTS


def _chunks(text: str, job_number: int) -> list[str]:
    whole = clean(text).strip("\n")
    if _size(_signed(whole, f"#{job_number}")) <= PART_BYTES:
        return [whole]
    return _pack(whole, _room(job_number))


def _signed(chunk: str, last_line: str) -> str:
    return f"{chunk}\n{last_line}" if chunk else last_line


def _room(job_number: int) -> int:
    return PART_BYTES - _size(f"\n#{job_number} ({MAX_PARTS}/{MAX_PARTS})")


def _pack(text: str, room: int) -> list[str]:
    """Fill one chunk of at most `room` bytes after the other; blank lines at their ends are dropped."""
    chunks: list[str] = []
    taken: list[str] = []
    left = room
    for piece in _pieces(text, room):
        size = _size(piece)
        # The line end after a chunk is not sent, so it needs no room.
        if size - piece.endswith("\n") > left:
            chunks.append("".join(taken))
            taken, left = [], room
        taken.append(piece)
        left -= size
    chunks.append("".join(taken))
    return [chunk.strip("\n") for chunk in chunks if chunk.strip("\n")] or [""]


def _pieces(text: str, room: int) -> Iterator[str]:
    """Yield what should stay together: lines; the words of a line, the characters of a word that fit into no chunk."""
    for line in text.splitlines(keepends=True):
        if _size(line) - line.endswith("\n") <= room:
            yield line
            continue
        for atom in ATOM.findall(line):
            if _size(atom) <= room:
                yield atom
            else:
                yield from atom


def _size(text: str) -> int:
    return len(text.encode("utf-8"))

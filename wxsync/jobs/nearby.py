"""Find the tags that somebody may have meant: small slips of the hand, and versions close by. Floor: jobs, pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

MOST = 3
MAX_CANDIDATES = 2000  # of similar form; each costs some microseconds, and the answer must be there within seconds
MAX_COMPARED = 40  # characters; longer tags are build numbers and hashes, where nothing is near
MAX_EDITS = 3

_VERSION = re.compile(r"v?([0-9]{1,9}(?:\.[0-9]{1,9}){0,4})((?:[._-].*)?)", re.ASCII)
_LOOKALIKES = str.maketrans("oli_", "011-")
_FAR = 99.0
_VERSIONS_APART = 2.5


class _Tag(NamedTuple):
    """A tag taken apart; numbers and suffix are those of a version, numbers () where it is none."""

    text: str
    looks: str
    numbers: tuple[int, ...]
    suffix: str


def near(wanted: str, tags: Iterable[str], most: int = MOST) -> tuple[str, ...]:
    """Return the tags nearest to one that is not there, the best first; none when nothing is near.

    Where `latest` itself is missing, the highest plain versions stand in for it.
    """
    missing = _taken_apart(wanted)
    others = [_taken_apart(tag) for tag in dict.fromkeys(tags) if tag != wanted and len(tag) <= MAX_COMPARED]
    likely = [tag for tag in others if _is_likely(missing, tag)][:MAX_CANDIDATES] if len(wanted) <= MAX_COMPARED else []
    ranked = sorted((rank, tag.text) for tag in likely for rank in [_rank(missing, tag)] if rank[0] < _FAR)
    if not ranked and missing.looks == "1atest":
        plain = sorted((tag for tag in others if tag.numbers and not tag.suffix), key=lambda tag: tag.numbers)
        return tuple(tag.text for tag in reversed(plain[-most:]))
    return tuple(text for _, text in ranked[:most])


def _taken_apart(tag: str) -> _Tag:
    match = _VERSION.fullmatch(tag) if len(tag) <= MAX_COMPARED else None
    numbers = tuple(map(int, match[1].split("."))) if match else ()
    return _Tag(tag, tag.lower().translate(_LOOKALIKES), numbers, match[2] if match else "")


def _slips(wanted: _Tag) -> int:
    """Return how many wrong characters are likely: none in one letter, one in a short tag, at most three."""
    return min(MAX_EDITS, max(1, len(wanted.text) // 3)) if len(wanted.text) > 1 else 0


def _is_likely(wanted: _Tag, tag: _Tag) -> bool:
    """Sort out, cheaply, what cannot be near."""
    return abs(len(tag.text) - len(wanted.text)) <= _slips(wanted) or _are_of_one_line(wanted, tag)


def _are_of_one_line(one: _Tag, two: _Tag) -> bool:
    return bool(one.numbers and two.numbers) and one.numbers[0] == two.numbers[0] and one.suffix == two.suffix


def _rank(wanted: _Tag, tag: _Tag) -> tuple[float, int, float, tuple[int, ...], int]:
    """Return what tags are sorted by: how far, by edits, by version; then the higher and the shorter one."""
    edits = _edits(wanted.text, tag.text)
    by_letter = float(edits) if edits <= _slips(wanted) else _FAR
    by_looks = 0.25 if wanted.looks == tag.looks else _FAR
    by_number = _apart(wanted.numbers, tag.numbers) if _are_of_one_line(wanted, tag) else _FAR
    newest_first = tuple(-number for number in tag.numbers)
    return min(by_letter, by_looks, by_number), edits, by_number, newest_first, len(tag.text)


def _apart(wanted: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Return how far versions of one line are apart: 7.00 is 7.0, and 1.27.99 is close to 1.27 and to 1.27.5."""
    one, two = (wanted, other) if len(wanted) == len(other) else (_trimmed(wanted), _trimmed(other))
    shared = next((at for at, (a, b) in enumerate(zip(one, two)) if a != b), min(len(one), len(two)))
    if shared == min(len(one), len(two)):
        apart = 0.5 + 0.75 * abs(len(one) - len(two))
    else:
        apart = len(one) - shared + min(abs(one[shared] - two[shared]), 99) / 100
    return apart if apart <= _VERSIONS_APART else _FAR


def _trimmed(numbers: tuple[int, ...]) -> tuple[int, ...]:
    kept = len(numbers)
    while kept > 1 and numbers[kept - 1] == 0:
        kept -= 1
    return numbers[:kept]


def _edits(one: str, two: str) -> int:
    """Return how many characters were inserted, dropped, changed or swapped; more than MAX_EDITS count as one more.

    Optimal string alignment, only where the two places are at most MAX_EDITS apart.
    """
    beyond = MAX_EDITS + 1
    if abs(len(one) - len(two)) > MAX_EDITS:
        return beyond
    last: list[int] = []
    before = [min(place, beyond) for place in range(len(two) + 1)]
    for at, letter in enumerate(one, 1):
        row = [beyond] * (len(two) + 1)
        row[0] = min(at, beyond)
        for place in range(max(1, at - MAX_EDITS), min(len(two), at + MAX_EDITS) + 1):
            other = two[place - 1]
            best = min(before[place] + 1, row[place - 1] + 1, before[place - 1] + (letter != other))
            if at > 1 and place > 1 and letter == two[place - 2] and one[at - 2] == other:
                best = min(best, last[place - 2] + 1)
            row[place] = min(best, beyond)
        last, before = before, row
    return before[-1]

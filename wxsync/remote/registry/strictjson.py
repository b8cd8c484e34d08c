"""Read JSON that a registry wrote: strictly, and never more of it than its size should need. Floor: remote, pure."""

from __future__ import annotations

import json
from typing import Any

from wxsync.remote.registry.faults import bad_answer

MAX_PARTS = 100_000  # four megabytes of `[[],[],…` would become some hundred megabytes of lists
_NUMBER_DIGITS = 18


def read_json(content: bytes, where: str) -> Any:
    """Return the value; no key twice, no number without bound, UTF-8 only. Raises RegistryFault (BAD_ANSWER)."""
    if sum(content.count(mark) for mark in (b"[", b"{", b",")) > MAX_PARTS:
        raise bad_answer("JSON of too many parts", where)
    try:
        return json.loads(
            content.decode("utf-8"), object_pairs_hook=_unique, parse_int=_whole, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise bad_answer("no sound JSON", where) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _whole(text: str) -> int:
    """Read a number of bounded length: Python 3.9 takes minutes for one of four million digits."""
    if len(text) > _NUMBER_DIGITS:
        raise ValueError
    return int(text)


def _no_constant(text: str) -> float:
    raise ValueError(text)

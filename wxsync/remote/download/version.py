"""Which version of a file an answer carries, and whether another answer goes on with the same. Floor: remote, pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:([0-9]{1,18})|\*)", re.ASCII)
_STRONG = re.compile(r'"[\x21\x23-\x7e]{0,500}"', re.ASCII)
_DATE = re.compile(r"[A-Za-z0-9 ,:+-]{10,60}", re.ASCII)


class Answered(Protocol):
    """The head of an answer: an Incoming of remote.exchange."""

    status: int
    length: int | None

    def header(self, name: str) -> str | None:
        """Return the first value of the field, or None."""


@dataclass(frozen=True)
class Version:
    """validator: what If-Range can say, "" for nothing; total: bytes as sent, None when not announced."""

    validator: str
    etag: str
    coding: str
    total: int | None

    def goes_on(self, answer: Answered, start: int) -> int | None:
        """Return the total that an answer to a range from start implies, None when it is of another version.

        The total is 0 when neither answer tells one.
        """
        coding, etag = coding_of(answer), answer.header("ETag") or self.etag
        if coding != self.coding or etag != self.etag:
            return None
        if start == 0:
            return (self.total or 0) if answer.status == 200 and answer.length == self.total else None
        match = _RANGE.fullmatch(answer.header("Content-Range") or "")
        if answer.status != 206 or match is None or int(match[1]) != start:
            return None
        total = int(match[3]) if match[3] else self.total or 0
        return total if self.total in (None, total) else None


def version_of(answer: Answered) -> Version:
    """Return what a whole answer (200) tells; a weak ETag is no promise of the same bytes (RFC 9110 13.1.5)."""
    etag = answer.header("ETag") or ""
    date = answer.header("Last-Modified") or ""
    refuses = (answer.header("Accept-Ranges") or "").strip().lower() == "none"
    validator = etag if _STRONG.fullmatch(etag) else date if _DATE.fullmatch(date) else ""
    return Version("" if refuses else validator, etag, coding_of(answer), answer.length)


def coding_of(answer: Answered) -> str:
    """Return the content coding in lower case, "" for none."""
    coding = (answer.header("Content-Encoding") or "").strip().lower()
    return "" if coding == "identity" else coding

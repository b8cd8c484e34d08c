"""Read a .env text by the rules of python-dotenv 1.2: quotes, escapes, export, comments, ${NAME:-default}.

A test corpus is read by python-dotenv and by this module and must give the same values. Each scan here is linear;
python-dotenv's own patterns are not. Floor: ground, pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_BLANKS = re.compile(r"[^\S\r\n]*")
_SPACE = re.compile(r"\s*")
_EXPORT = re.compile(r"(?:export[^\S\r\n]+)?")
_BARE_KEY = re.compile(r"[^=#\s]+")
_QUOTED_KEY = re.compile(r"'([^']+)'")
_TO_LINE_END = re.compile(r"[^\r\n]*")
_COMMENT = re.compile(r"(?:#[^\r\n]*)?")
_LINE_END = re.compile(r"\r\n|\n|\r|\Z")
_ESCAPES = {
    '"': re.compile(r"\\([\\'\"abfnrtv])"),
    "'": re.compile(r"\\([\\'])"),
}
_DECODED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True)
class Binding:
    """One name and its raw value: None when there is no `=`. name "" marks a line that could not be read."""

    name: str
    value: str | None
    line: int


class _Unreadable(Exception):
    """The statement breaks the grammar; the rest of its line is skipped."""


def parse(text: str) -> Iterator[Binding]:
    """Yield the bindings in order, values unquoted but not yet expanded."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    place, line = 0, 1
    while place < len(text):
        start = _end(_SPACE, text, place)
        line += text.count("\n", place, start)
        if start == len(text):
            return
        cursor = _Cursor(text, start)
        try:
            binding: Binding | None = cursor.statement(line)
        except _Unreadable:
            cursor.place = _end(_LINE_END, text, _end(_TO_LINE_END, text, cursor.place))
            binding = Binding("", None, line)
        if binding:
            yield binding
        line += text.count("\n", start, cursor.place)
        place = cursor.place


def values(bindings: Iterable[Binding], environ: Mapping[str, str]) -> dict[str, str]:
    """Expand ${NAME} and ${NAME:-default} by the environment, then by earlier lines; names without `=` set nothing."""
    found: dict[str, str | None] = {}
    for binding in bindings:
        if binding.name:
            found[binding.name] = None if binding.value is None else _expand(binding.value, found, environ)
    return {name: value for name, value in found.items() if value is not None}


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Return where a pattern that also fits nothing ends."""
    match = pattern.match(text, place)
    return match.end() if match else place


class _Cursor:
    """Reads one statement; `place` is where the rest begins, also after a fault."""

    def __init__(self, text: str, place: int) -> None:
        self._text = text
        self.place = place

    def statement(self, line: int) -> Binding | None:
        """Return the binding, or None for a comment line; _Unreadable when it breaks the grammar."""
        self._skip(_EXPORT)
        name = self._name()
        self._skip(_BLANKS)
        value = None
        if self._text.startswith("=", self.place):
            self.place += 1
            self._skip(_BLANKS)
            value = self._value()
        self._skip(_BLANKS)
        self._skip(_COMMENT)
        end = _LINE_END.match(self._text, self.place)
        if not end:
            raise _Unreadable
        self.place = end.end()
        return Binding(name, value, line) if name else None

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self.place = _end(pattern, self._text, self.place)

    def _name(self) -> str:
        first = self._text[self.place:self.place + 1]
        if first == "#":
            return ""
        match = (_QUOTED_KEY if first == "'" else _BARE_KEY).match(self._text, self.place)
        if not match:
            raise _Unreadable
        self.place = match.end()
        return match[match.lastindex or 0]

    def _value(self) -> str:
        first = self._text[self.place:self.place + 1]
        if first in _ESCAPES:
            return self._quoted(first)
        start = self.place
        self._skip(_TO_LINE_END)
        return _without_comment(self._text[start:self.place]).rstrip()

    def _quoted(self, quote: str) -> str:
        start = self.place + 1
        end = self._text.find(quote, start)
        while end > start and self._text[end - 1] == "\\":
            end = self._text.find(quote, end + 1)
        if end < 0:
            # Without another quote the last escaped one ends the value and its backslash belongs to it.
            end = self._text.rfind("\\" + quote, start) + 1
            if end == 0:
                raise _Unreadable
        self.place = end + 1
        return _ESCAPES[quote].sub(lambda escape: _DECODED.get(escape[1], escape[1]), self._text[start:end])


def _without_comment(text: str) -> str:
    """Cut the text at the first `#` that white space stands before."""
    place = text.find("#", 1)
    while place > 0 and not text[place - 1].isspace():
        place = text.find("#", place + 1)
    return text[:place] if place > 0 else text


def _expand(text: str, earlier: Mapping[str, str | None], environ: Mapping[str, str]) -> str:
    """Replace the references; a known name without value is empty, an unknown one is its default or empty."""
    out, place, close = [], 0, 0
    while True:
        start = text.find("${", place)
        close = text.find("}", start) if start > close or not close else close
        if start < 0 or close < 0:
            out.append(text[place:])
            return "".join(out)
        name, colon, default = text[start + 2:close].partition(":")
        if colon and not default.startswith("-"):
            out.append(text[place:start + 2])  # ${NAME:x} is no reference
            place = start + 2
            continue
        known = environ[name] if name in environ else earlier.get(name, default[1:])
        out += [text[place:start], known or ""]
        place = close + 1

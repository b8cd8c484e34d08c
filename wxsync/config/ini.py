"""Read an INI text as configparser does (no interpolation, no inline comments), with line numbers.

configparser stops at the first fault and forgets lines; here every fault is told. A test compares the two on random
texts. Floor: ground, pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wxsync.errors import ConfigError

_SECTION = re.compile(r"\[([^\]]+)\]")


@dataclass(frozen=True)
class Entry:
    """One option as written: lower-case name, value with its continuation lines, line of its name."""

    section: str
    name: str
    text: str
    line: int


@dataclass(frozen=True)
class Document:
    """The options of a file, the line each section opens at, and what could not be read."""

    entries: tuple[Entry, ...]
    sections: dict[str, int]
    problems: tuple[ConfigError, ...]


def parse(text: str, label: str) -> Document:
    """Read the text; label names the file in problems. A repeated section or option is one, and the first holds."""
    reader = _Reader(label)
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        reader.take(number, line)
    entries = (
        Entry(section, name, "\n".join(lines).rstrip(), number)
        for (section, name), (number, lines) in reader.found.items())
    return Document(tuple(entries), reader.sections, tuple(reader.problems))


class _Reader:
    """Takes the lines in turn; knows the open section and the option that an indented line would go on."""

    def __init__(self, label: str) -> None:
        self.found: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self.sections: dict[str, int] = {}
        self.problems: list[ConfigError] = []
        self._label = label
        self._section = ""
        self._lines: list[str] | None = None  # of the open option
        self._indent = 0

    def take(self, number: int, line: str) -> None:
        """Take one line."""
        value = line.strip()
        if not value or value[0] in "#;":
            if not value and self._lines is not None:
                self._lines.append("")  # an empty line does not end an indented list
            return
        indent = len(line) - len(line.lstrip())
        if self._lines is not None and indent > self._indent:
            self._lines.append(value)
            return
        self._indent = indent
        section = _SECTION.fullmatch(value)
        if section:
            self._enter(number, section[1])
        else:
            self._option(number, value)

    def _enter(self, number: int, name: str) -> None:
        self._lines, self._section = None, name
        if name in self.sections:
            self._problem(number, f"[{name}]", f"这一节在第 {self.sections[name]} 行已经写过", "把两节合成一节")
        self.sections.setdefault(name, number)

    def _option(self, number: int, value: str) -> None:
        self._lines = None
        end = min((place for place in (value.find("="), value.find(":")) if place >= 0), default=0)
        name = value[:end].rstrip().lower()
        if not self._section or not name:
            what = "这一行读不懂" if self._section else "这一行在任何 [节] 之前"
            self._problem(number, "", what, "写 选项 = 值，注释以 # 开头，列表从第二行起缩进")
            return
        self._lines = [value[end + 1:].strip()]
        first, _ = self.found.setdefault((self._section, name), (number, self._lines))
        if first != number:
            self._problem(number, f"[{self._section}] {name}", f"这个选项在第 {first} 行已经写过", "只留一处")

    def _problem(self, number: int, where: str, what: str, mend: str) -> None:
        self.problems.append(ConfigError(what, where=f"{self._label}:{number} {where}".rstrip(), mend=mend))

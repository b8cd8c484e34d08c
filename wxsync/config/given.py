"""What the sources say: one Given for each option that one of them sets, and where it stands. Floor: ground, pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from wxsync.errors import ConfigError
from wxsync.options import kinds
from wxsync.options.settings import OPTIONS, TITLES
from wxsync.options.table import Option

BY_KEY: dict[str, Option] = {option.key: option for option in OPTIONS}
_SHOWN = 80  # characters of a value in an error
_PLACEHOLDER = re.compile(
    r"your[_-].*|(?:ww|wx|gh[a-z]_|github_pat_)?x{4,}|<.*>|(?:你的|您的).*", re.IGNORECASE | re.ASCII | re.DOTALL)
_SAMPLE = re.compile(r"(?:目标仓库的)?(?:用户名?|口令|密码)(?::口令|:密码)?")  # of the README
_COMMENT = re.compile(r"\s[#;]")
_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,30}", re.ASCII)
_USERINFO = re.compile(r"://[^\s/@]{1,512}@")
_MARKS = re.compile(r"://|[/=@,]")
_BORDERS = re.compile(r"://|[/=@,\s]")


@dataclass(frozen=True)
class Given:
    """One option's text and its place: `wxsync.conf:41`, `.env:3 TOKEN`, `环境变量 TOKEN`, `凭据 wecom.token`."""

    option: Option
    text: str
    place: str
    is_literal: bool = False  # quotes were undone or never meant anything there

    @property
    def where(self) -> str:
        """Return place, option and value; a secret's value stays out."""
        shown = "（不显示）" if self.option.row.secret else printable(self.text)
        return f"{self._named} = {shown}"

    @property
    def doubt(self) -> str:
        """Return what may not be meant as it stands, "" for nothing; the value stays out."""
        text = self.text.strip()
        if self.is_literal and len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            return f"{self._named} 的值带着引号，引号算作值"
        if not self.is_literal and _COMMENT.search(text[:kinds.MAX_TEXT]):
            return f"{self._named} 的值里有空格和 # 或 ;，后面的文字也算作值；注释请另起一行"
        return ""

    @property
    def _named(self) -> str:
        return f"{self.place} [{self.option.section}] {self.option.name}"

    @property
    def is_placeholder(self) -> bool:
        """Tell whether it still is an example's text, whole or in one of its parts."""
        text = self.text.strip()
        if any(_SAMPLE.fullmatch(part) for part in _MARKS.split(text)):
            return True
        return any(_PLACEHOLDER.fullmatch(part) for part in (text, *_BORDERS.split(text)))


@dataclass
class Findings:
    """What reading the sources gave, weakest source first; filled by the readers, then handed on."""

    layers: list[dict[str, Given]] = field(default_factory=list)
    ports: dict[str, Given] = field(default_factory=dict)  # part → PORT or FLASK_RUN_PORT
    sources: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[ConfigError] = field(default_factory=list)

    def merged(self) -> dict[str, Given]:
        """Return the strongest Given for each option."""
        strongest: dict[str, Given] = {}
        for layer in self.layers:
            strongest.update(layer)
        return strongest


def printable(text: str) -> str:
    """Return a short form for one line of output: no control character, no line end, no user and password of a URL."""
    one_line = ", ".join(part.strip() for part in text.split("\n") if part.strip())
    one_line = _USERINFO.sub("://…@", one_line[:kinds.MAX_TEXT])
    cut = one_line if len(one_line) <= _SHOWN else one_line[:_SHOWN] + "…"
    return "".join(character if character.isprintable() else "\ufffd" for character in cut)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like this one, or ""."""
    return next(iter(get_close_matches(name[:100], list(known), n=1, cutoff=0.6)), "")


def unknown_option(place: str, section: str, name: str) -> ConfigError:
    """Return the problem of a section or option that does not exist, with the nearest one that does; no value in it."""
    # A line that holds a value only, such as a key pasted alone, looks like a name: it is not repeated.
    shown = name if _NAME.fullmatch(name) or not name else "…"
    where = f"{place} [{printable(section)}] {shown}".rstrip()
    if section not in TITLES:
        near = nearest(section.lower(), TITLES)
        mend = f"是不是 [{near}]？" if near else f"节只有：{'、'.join(TITLES)}"
        return ConfigError("没有这一节", where=where, mend=mend)
    names = [option.name for option in OPTIONS if option.section == section]
    near = nearest(name, names)
    elsewhere = [option.section for option in OPTIONS if option.name == name]
    if elsewhere:
        mend = f"它属于 [{'] 或 ['.join(elsewhere)}]"
    else:
        mend = f"是不是 {near}？" if near else f"[{section}] 的选项：{'、'.join(names)}"
    return ConfigError("没有这个选项", where=where, mend=mend)

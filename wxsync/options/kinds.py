"""Read one option's text into its value: numbers, words, patterns, paths, lists. Floor: ground, pure.

A reader raises ConfigError with what is wrong and what to write instead, both in Chinese; it never repeats the text,
which may be a secret. Texts are bounded (MAX_TEXT) before any pattern here runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from typing import Generic, TypeVar

from wxsync.errors import ConfigError

T = TypeVar("T")
MAX_TEXT = 65536  # characters of one option
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_TRUE = frozenset({"yes", "on", "true", "1"})
_FALSE = frozenset({"no", "off", "false", "0"})
_NUMBER = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)([a-z]?)", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,12}", re.ASCII)
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?", re.ASCII)


@dataclass(frozen=True)
class Kind(Generic[T]):
    """How one type of option is read: its Chinese name, its reader, its value when not given."""

    name: str
    read: Callable[[str], T]
    absent: T
    is_list: bool = False


def seconds(low: float, high: float) -> Kind[float]:
    """Return the kind of a length of time in seconds, both bounds allowed; units s m h d."""

    def read(text: str) -> float:
        value = _scaled(text, _UNITS)
        if value is None:
            raise ConfigError("不是时间", mend="写秒数，可带单位 s m h d，例如 30、1.5、5m、6h")
        return _within(value, low, high)

    return Kind("秒数（可带 s m h d）", read, 0.0)


def size(low: int, high: int) -> Kind[int]:
    """Return the kind of a number of bytes, both bounds allowed; units K M G of 1024."""

    def read(text: str) -> int:
        value = _scaled(text, _SIZES)
        if value is None:
            raise ConfigError("不是大小", mend="写字节数，可带单位 K M G，例如 32768、20M、1.5G")
        return int(_within(value, low, high, _size_text))

    return Kind("字节数（可带 K M G）", read, 0)


def whole(low: int, high: int) -> Kind[int]:
    """Return the kind of a whole number, both bounds allowed."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text):
            raise ConfigError("不是整数", mend=f"写 {low} 到 {high} 之间的整数")
        return int(_within(int(text), low, high))

    return Kind("整数", read, 0)


def _scaled(text: str, units: dict[str, int]) -> float | None:
    match = _NUMBER.fullmatch(text.lower())
    return float(match[1]) * units[match[2]] if match and match[2] in units else None


def _plain(value: float) -> str:
    return f"{value:.12g}"


def _size_text(value: float) -> str:
    """Return a number of bytes in the largest unit that it is a whole number of."""
    unit, factor = next(
        ((unit, factor) for unit, factor in reversed(_SIZES.items()) if value and value % factor == 0), ("", 1)
    )
    return f"{value / factor:.12g}{unit.upper()}"


def _within(value: float, low: float, high: float, shown: Callable[[float], str] = _plain) -> float:
    if not low <= value <= high:
        raise ConfigError("数值超出范围", mend=f"最小 {shown(low)}，最大 {shown(high)}")
    return value


def read_boolean(text: str) -> bool:
    """Return what yes/no, on/off, true/false, 1/0 in any case say; ConfigError for anything else."""
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ConfigError("不是开关值", mend="写 yes 或 no（也可以是 on/off、true/false、1/0）")
    return word in _TRUE


BOOLEAN = Kind("yes / no", read_boolean, False)


def choice(*words: str) -> Kind[str]:
    """Return the kind of one word out of a few, any case."""

    def read(text: str) -> str:
        if text.lower() not in words:
            raise ConfigError("没有这个值", mend=f"写其中之一：{'、'.join(words)}")
        return text.lower()

    return Kind(" / ".join(words), read, "")


def word(pattern: str, name: str, what: str, mend: str, *, longest: int = 255) -> Kind[str]:
    """Return the kind of a text that a pattern (linear, ASCII) describes whole."""
    compiled = re.compile(pattern, re.ASCII)

    def read(text: str) -> str:
        if len(text) > longest or not compiled.fullmatch(text):
            raise ConfigError(what, mend=mend)
        return text

    return Kind(name, read, "")


PATH = Kind("路径", str, "")


def _read_time(text: str) -> time:
    match = _CLOCK.fullmatch(text)
    try:
        if match:
            return time(int(match[1]), int(match[2]), int(match[3] or 0))
    except ValueError:
        pass  # 24:00 and the like: as wrong as a text without colons
    raise ConfigError("不是钟点", mend="写 时:分:秒，例如 00:00:00")


CLOCK_TIME = Kind("时:分:秒", _read_time, time())


def items(text: str) -> tuple[str, ...]:
    """Return the entries of a list written with commas or line ends; empty ones are dropped."""
    parts = (part.strip() for part in text.replace("\n", ",").split(","))
    return tuple(part for part in parts if part)


def listing(name: str, read_item: Callable[[str], T], *, split: Callable[[str], tuple[str, ...]] = items) -> Kind[
        tuple[T, ...]]:
    """Return the kind of a list; an error names the place of the bad entry, not its text."""

    def read(text: str) -> tuple[T, ...]:
        entries = split(text)
        values = []
        for number, entry in enumerate(entries, 1):
            try:
                values.append(read_item(entry))
            except ConfigError as problem:
                place = f"第 {number} 项" if len(entries) > 1 else ""
                raise ConfigError(f"{place}{problem.what}", mend=problem.mend) from None
        return tuple(values)

    empty: tuple[T, ...] = ()
    return Kind(name, read, empty, is_list=True)

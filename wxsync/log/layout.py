"""Lay a log record out as one line of text or of JSON that no content can forge or break. Floor: ground."""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime, timezone
from typing import Any

from wxsync.log.redaction import Redactor

LEVELS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}
_LONGEST = 8192  # characters of an event or a field
_LONGEST_TRACE = 32768
_BARE = re.compile(r"[^\s\"'=\\]+")
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


class TextLayout(logging.Formatter):
    """`2026-01-02T11:04:05.123+08:00 INFO jobs.sync sync dispatched job=12 took=1.2`; a traceback follows, indented."""

    def __init__(self, redactor: Redactor, *, has_time: bool) -> None:
        super().__init__()
        self._redactor = redactor
        self._has_time = has_time

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end; only a traceback adds more lines, none of which looks like a record."""
        event = _escaped(_cut(self._redactor.text(record.getMessage())))
        if getattr(record, "is_verbatim", False):
            return event
        head = [_time(record)] if self._has_time else []
        head += [LEVELS.get(record.levelno, "info").upper(), _short_name(record), event]
        fields = (f"{name}={_quoted(value)}" for name, value in _fields(record, self._redactor).items())
        trace = (f"    | {_escaped(line)}" for line in _trace(record, self._redactor).split("\n") if line)
        return "\n".join([" ".join([*head, *fields]), *trace])


class JsonLayout(logging.Formatter):
    """One JSON object a line: time, level, logger, event, then the fields; a traceback is the field `traceback`."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, Any] = {
            "time": _time(record), "level": LEVELS.get(record.levelno, "info"), "logger": _short_name(record),
            "event": _cut(self._redactor.text(record.getMessage())),
        }
        for name, value in _fields(record, self._redactor).items():
            line[f"{name}_" if name in line else name] = value
        trace = _trace(record, self._redactor)
        if trace:
            line["traceback"] = trace
        text = json.dumps(line, ensure_ascii=False)
        # What json leaves as it is but a terminal or a line reader would act on: C1, U+2028, bidi marks.
        return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def _time(record: logging.LogRecord) -> str:
    instant = datetime.fromtimestamp(record.created, timezone.utc).astimezone()
    return instant.isoformat(timespec="milliseconds")


def _short_name(record: logging.LogRecord) -> str:
    return record.name.partition(".")[2] or record.name


def _fields(record: logging.LogRecord, redactor: Redactor) -> dict[str, object]:
    given: dict[str, object] = getattr(record, "fields", {})
    return {name: _plain(redactor.field(name, value)) for name, value in given.items()}


def _plain(value: object) -> object:
    """Return what JSON knows; the infinities and NaN, which it does not, become text."""
    if isinstance(value, float):
        return round(value, 6) if value - value == 0 else str(value)
    return _cut(value) if isinstance(value, str) else value


def _trace(record: logging.LogRecord, redactor: Redactor) -> str:
    if not record.exc_info:
        return ""
    # Redacted before it is cut, so that no half of a secret stays; the end tells the most.
    return redactor.text(logging.Formatter().formatException(record.exc_info))[-_LONGEST_TRACE:]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…(+{len(text) - _LONGEST})"


def _quoted(value: object) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = str(value)
    escaped = _escaped(text)
    if escaped == text and _BARE.fullmatch(text):
        return text
    doubled = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_escaped(doubled)}"'


def _escaped(text: str) -> str:
    """Return the text with control, format and separator characters, the space aside, as escapes."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _SHORT_ESCAPES.get(each) or _escape(each) for each in text)


def _escape(character: str) -> str:
    number = ord(character)
    if number > 0xFFFF:
        return f"\\U{number:08x}"
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"

"""Choose a download's file name from what the origin says, and the extension of its key. Floor: remote, pure.

RFC 6266 and RFC 8187, with the repairs that Chinese origins need: raw GB18030 or UTF-8 bytes, percent escapes and
encoded words in a plain `filename`. What comes out is never a path, never empty, and has at most 255 bytes of UTF-8.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
import unicodedata
from urllib.parse import unquote_to_bytes

MAX_NAME_BYTES = 255
MAX_FIELD_CHARS = 16 << 10
MAX_EXTENSION_CHARS = 16
FALLBACK = "download"

_CHARSETS = {
    "utf-8": "utf-8", "utf8": "utf-8", "iso-8859-1": "latin-1", "gb18030": "gb18030", "gbk": "gb18030",
    "gb2312": "gb18030", "us-ascii": "ascii",
}  # fmt: skip
_ESCAPED = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*", re.ASCII | re.DOTALL)
_WORD = re.compile(r"=\?([A-Za-z0-9-]{1,20})\?([BbQq])\?([!->@-~]*)\?=", re.ASCII)
_EXTENSION = re.compile(r"\.[a-z0-9]{1,15}", re.ASCII)
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, format (U+202E turns a name around), lone surrogates, line ends


def file_name(disposition: str | None, target: str) -> str:
    """Return the name by Content-Disposition (latin-1 text, as it came), else by the URL's path, else `download`."""
    named = _named(disposition[:MAX_FIELD_CHARS]) if disposition else ()
    last = target.partition("?")[0].rstrip("/").rpartition("/")[2]
    candidates = (*named, _unescaped(last) or last, FALLBACK)
    return next(name for name in map(_clean, candidates) if name)


def extension(name: str) -> str:
    """Return the lower-case extension with its dot, `.tar.gz` and the like whole; "" when there is no usable one."""
    stem, dot, last = name.lower().rpartition(".")
    if not stem or not _EXTENSION.fullmatch(dot + last):
        return ""
    is_archive = stem.endswith(".tar") and stem != ".tar"
    whole = f".tar.{last}" if is_archive else dot + last
    return whole if len(whole) <= MAX_EXTENSION_CHARS else dot + last


def _named(field: str) -> tuple[str, ...]:
    """Return the names that the field gives, the best first."""
    extended, plain = [], []
    for part in _parts(_repaired(field)):
        name, equals, value = part.partition("=")
        kind, text = name.strip().lower(), _unquoted(value.strip())
        if equals and kind == "filename*":
            extended.append(_extended(text))
        elif equals and kind == "filename":
            plain.append(_words(text) or _unescaped(text) or text)
    return tuple(each for each in (*extended, *plain) if each)


def _repaired(field: str) -> str:
    """Return the text that the raw bytes mean: before quotes are read, since GB18030 has the backslash inside."""
    try:
        raw = field.encode("latin-1")
    except UnicodeEncodeError:
        return field
    return _decoded(raw) or field


def _decoded(raw: bytes) -> str | None:
    for charset in ("utf-8", "gb18030"):
        try:
            return raw.decode(charset)
        except UnicodeDecodeError:
            continue
    return None


def _parts(field: str) -> list[str]:
    """Split at semicolons outside of quoted strings."""
    parts, start, is_quoted, is_escaped = [], 0, False, False
    for at, each in enumerate(field):
        if is_escaped:
            is_escaped = False
        elif is_quoted and each == "\\":
            is_escaped = True
        elif each == '"':
            is_quoted = not is_quoted
        elif each == ";" and not is_quoted:
            parts.append(field[start:at])
            start = at + 1
    return [*parts, field[start:]]


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    text: list[str] = []
    characters = iter(value[1:])
    for each in characters:
        if each == '"':
            break
        text.append(next(characters, "") if each == "\\" else each)
    return "".join(text)


def _extended(value: str) -> str | None:
    """RFC 8187: charset'language'percent-encoded; None when the charset is unknown or the bytes are not of it."""
    charset, _, rest = value.partition("'")
    _, quote, text = rest.partition("'")
    codec = _CHARSETS.get(charset.strip().lower())
    if not quote or codec is None or not _ESCAPED.fullmatch(text):
        return None
    try:
        return unquote_to_bytes(text.encode(codec)).decode(codec)
    except UnicodeError:
        return None


def _unescaped(text: str) -> str | None:
    """Return the text with its percent escapes read; None when they are not all sound."""
    return _decoded(unquote_to_bytes(text)) if _ESCAPED.fullmatch(text) else None


def _words(text: str) -> str | None:
    """Return what encoded words mean (RFC 2047); None when the text is not made of them alone."""
    matches = [_WORD.fullmatch(word) for word in text.split()]
    decoded = [_word(match[1], match[2], match[3]) for match in matches if match]
    if not decoded or len(decoded) != len(matches) or None in decoded:
        return None
    return "".join(filter(None, decoded))


def _word(charset: str, coding: str, text: str) -> str | None:
    codec = _CHARSETS.get(charset.lower())
    if codec is None:
        return None
    try:
        raw = base64.b64decode(text, validate=True) if coding in "Bb" else quopri.decodestring(text, header=True)
        return raw.decode(codec)
    except (binascii.Error, UnicodeError):
        return None


def _clean(name: str) -> str:
    """Return the last part of a path without what cannot be seen; "" when nothing of use is left."""
    last = name.replace("\\", "/").rpartition("/")[2]
    seen = "".join(each for each in last if unicodedata.category(each) not in _UNSEEN).strip()
    end = len(seen)
    while end and (seen[end - 1] == "." or seen[end - 1].isspace()):
        end -= 1
    return _cut(seen[:end])


def _cut(name: str) -> str:
    """Return at most 255 bytes of UTF-8, cut before the extension and between characters."""
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    border = len(name) - len(extension(name))
    stem, end = name[:border].encode(), name[border:]
    return stem[: MAX_NAME_BYTES - len(end.encode())].decode(errors="ignore").rstrip(" .") + end

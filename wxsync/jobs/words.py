"""Take the lines of a message apart into phrases, without judging them. Floor: jobs, pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

IMAGE, LINK, PLATFORM, OPTION = "image", "link", "platform", "option"

_DROPPED = (
    *(0x00AD, 0x180E, 0xFEFF),  # soft hyphen, Mongolian vowel separator, byte order mark
    *range(0x200B, 0x2010),  # zero-width space and joiners, direction marks
    *range(0x202A, 0x202F),  # direction embeddings
    *range(0x2060, 0x2070),  # word joiner, invisible operators, direction isolates
)
_SPACES = (0x09, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)
_LINE_ENDS = (0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029)
_SURROGATES = range(0xD800, 0xE000)  # half a character cannot be stored or sent
_CLEAN: dict[int, str | None] = {
    **dict.fromkeys(_DROPPED),
    **dict.fromkeys(_SPACES, " "),
    **dict.fromkeys(_LINE_ENDS, "\n"),
    **dict.fromkeys(_SURROGATES, "\ufffd"),
}
_FOLD = str.maketrans("：／", ":/")

# `image:latest` is the image called "image"; `image:nginx:1.27` can only be the prefix.
_PREFIX = re.compile(
    r"docker +pull(?=[ #]|$)|image[:：](?=[ #]|$|[^ ,，、;；#:：/／]+[:：/／])", re.IGNORECASE | re.ASCII
)
_DOCKER_COMMAND = re.compile(r"docker +[a-z-]+(?= |$)", re.IGNORECASE | re.ASCII)

# Each alternative begins with another character or ends before the next one may begin: no match is tried twice.
# The commas of a link, of a platform list and of an option's value belong to it.
_TOKEN = re.compile(
    r"""
      (?P<comment>\#.*)
    | (?P<blank>\ +)
    | (?P<separator>[,，、;；]+)
    | (?P<arrow>-{1,3}>|=>|→)
    | (?P<link>(?i:https?)[:：][/／]{2}[^\ ，、；]*)
    | (?P<platform>--platform(?:=|\ +(?!-)|(?=[\ ,，、;；\#]|$))
                     [^\ ，、;；\#]*(?:[，、;；](?:linux|windows)[/／][^\ ，、;；\#]*)*)
    | (?P<option>(?:--?|[–—])[A-Za-z][^\ ，、;；\#]*)
    | (?P<image>(?:(?!-{1,3}>|=>|→)[^\ ,，、;；\#])+)
    """,
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True)
class Phrase:
    """What stands between separators: an image with its arrows, a link or an option.

    value: the image, the link, or the platforms; targets: what stands behind each arrow, "" for nothing. Both are
    folded to ASCII colons and slashes; `written` is not. is_beside: only a blank parts it from another image or link.
    """

    kind: str
    written: str
    value: str
    targets: tuple[str, ...] = ()
    is_beside: bool = False


@dataclass(frozen=True)
class Line:
    """One line without its comment and prefix; `command` is the docker command that it is instead of images."""

    phrases: tuple[Phrase, ...]
    has_prefix: bool = False
    command: str = ""

    def is_request(self) -> bool:
        """Tell whether this line asks for a sync by a prefix, an option, a colon or a slash."""
        return any(self.has_prefix or _asks(phrase) for phrase in self.phrases)


def clean(text: str) -> str:
    """Drop what has no width and give each blank and each line end one form."""
    return text.translate(_CLEAN)


def fold(text: str) -> str:
    """Give full-width colons and slashes their ASCII form."""
    return text.translate(_FOLD)


def read(line: str) -> Line:
    """Take one line of a cleaned text apart."""
    line = line.strip(" ")
    prefix = _PREFIX.match(line)
    command = None if prefix else _DOCKER_COMMAND.match(line)
    tokens = [
        token
        for token in _TOKEN.finditer(line, prefix.end() if prefix else 0)
        if token.lastgroup not in ("blank", "comment")
    ]
    return Line(tuple(_phrases(line, tokens)), bool(prefix), command[0] if command else "")


def _phrases(line: str, tokens: list[re.Match[str]]) -> list[Phrase]:
    phrases = []
    at = 0
    while at < len(tokens):
        token, first = tokens[at], at
        at += 1
        kind = token.lastgroup
        if kind in ("image", "arrow"):
            at = _chain_end(tokens, first)
            phrases.append(_image(line, tokens, first, at))
        elif kind == "platform":
            value = fold(token[0][len("--platform") :].lstrip("= "))
            phrases.append(Phrase(PLATFORM, token[0].rstrip(" "), value))
        elif kind in ("link", "option"):
            written = token[0].rstrip(",;")
            phrases.append(Phrase(LINK if kind == "link" else OPTION, written, fold(written)))
    return phrases


def _chain_end(tokens: list[re.Match[str]], at: int) -> int:
    """Return where `IMAGE -> TARGET -> …` ends; it may begin with an arrow."""
    at += tokens[at].lastgroup == "image"
    while at < len(tokens) and tokens[at].lastgroup == "arrow":
        at += 1
        at += at < len(tokens) and tokens[at].lastgroup == "image"
    return at


def _image(line: str, tokens: list[re.Match[str]], first: int, end: int) -> Phrase:
    chain = tokens[first:end]
    value = fold(chain[0][0]) if chain[0].lastgroup == "image" else ""
    targets = tuple(
        fold(after[0]) if after is not None and after.lastgroup == "image" else ""
        for token, after in zip(chain, [*chain[1:], None])
        if token.lastgroup == "arrow"
    )
    before, after = tokens[first - 1 : first] if first else [], tokens[end : end + 1]
    is_beside = any(token.lastgroup in ("image", "link") for token in [*before, *after])
    return Phrase(IMAGE, line[chain[0].start() : chain[-1].end()], value, targets, is_beside)


def _asks(phrase: Phrase) -> bool:
    return (phrase.kind != IMAGE and phrase.written.startswith("--")) or any(c in ":/" for c in fold(phrase.written))

"""Parse image references; knows the grammar, not the registry. Floor: jobs, pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from wxsync.errors import MemberError
from wxsync.jobs.reasons import REASONS

DOCKER_HUB = "docker.io"
MAX_PATH = 255

# Each pattern reads a character in one way only, so that a match takes time in proportion to the text.
PATH_PART = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_CHARACTERS = re.compile(r"[A-Za-z0-9._/:@-]+")
_HOST = re.compile(r"[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*(?:\.[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*)*")
_MAX_HOST = 253  # RFC 1035 section 2.3.4, in text form
_PORT = re.compile(r"[0-9]{1,5}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HEX_OF_SOME_LENGTH = re.compile(r"sha256:[0-9a-f]*")
_QUOTES = "\"'`“”‘’*"
_MAX_NEARBY = 512  # nothing longer is a slip of the pen, and NFKC may make a text 18 times as long


@dataclass(frozen=True)
class Reference:
    """An image reference in its normal form; only `parse` builds it."""

    registry: str
    path: str
    tag: str | None
    digest: str | None

    @property
    def source(self) -> str:
        """HOST/PATH: which repository it is, whatever the tag."""
        return f"{self.registry}/{self.path}"

    @property
    def full(self) -> str:
        """Return what is copied: HOST/PATH@DIGEST where there is a digest, HOST/PATH:TAG otherwise."""
        return f"{self.source}@{self.digest}" if self.digest else f"{self.source}:{self.tag}"

    @property
    def short(self) -> str:
        """Return what a member is shown: Docker Hub's host and its `library/` dropped; it parses to the same."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self._short_name()}{tag}{digest}"

    def _short_name(self) -> str:
        if self.registry != DOCKER_HUB:
            return self.source
        first, _, rest = self.path.partition("/")
        if first == "library" and "/" not in rest:
            return rest
        return self.source if _is_host(first) else self.path  # docker.io/a.b/c is not the registry a.b


class BadReference(MemberError):
    """Not an image reference; `suggestion` is the corrected text where one is near."""

    def __init__(self, code: str, suggestion: str | None = None) -> None:
        super().__init__(REASONS[code])
        self.code = code
        self.suggestion = suggestion


def parse(text: str) -> Reference:
    """Return the reference that a text is: [HOST[:PORT]/]PATH[:TAG][@sha256:64HEX].

    Blanks and full-width forms are the caller's to remove. Raises BadReference.
    """
    try:
        return _read(text)
    except BadReference as error:
        raise BadReference(error.code, None if error.code == "host-only" else _nearby(text)) from None


def is_destination(text: str) -> bool:
    """Tell whether a text is NAME:TAG, one level below the namespace: no host, no slash, no digest."""
    name, _, tag = text.partition(":")
    return bool(PATH_PART.fullmatch(name) and TAG.fullmatch(tag)) and len(name) <= MAX_PATH


def nearby_destination(text: str, source: Reference) -> str | None:
    """Return the destination that was meant: the name in lower case, and the source's tag where none was given."""
    name, _, tag = text.strip(".。").partition(":")
    mended = f"{name.lower()}:{tag or source.tag}"
    return mended if is_destination(mended) else None


def _read(text: str) -> Reference:
    if "://" in text:
        raise BadReference("scheme")
    if text and not _CHARACTERS.fullmatch(text):
        raise BadReference("characters")
    head, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise BadReference("digest-length" if _HEX_OF_SOME_LENGTH.fullmatch(digest) else "digest-format")
    name, colon, tag = _split_tag(head)
    if colon and not TAG.fullmatch(tag):
        raise BadReference("tag")
    registry, path = _split_host(name)
    _check_path(path)
    if registry == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    return Reference(registry, path, tag or (None if digest else "latest"), digest or None)


def _split_tag(head: str) -> tuple[str, str, str]:
    last = head.rpartition("/")[2]  # a colon before the last slash belongs to a port
    before, colon, tag = last.partition(":")
    return head[: len(head) - len(last)] + before, colon, tag


def _is_host(first: str) -> bool:
    return "." in first or ":" in first or first.lower() == "localhost"


def _split_host(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not _is_host(first):
        return DOCKER_HUB, name
    registry = _host(first)
    if not rest:
        raise BadReference("host-only")
    return (DOCKER_HUB if registry == "index.docker.io" else registry), rest


def _host(text: str) -> str:
    name, colon, port = text.partition(":")
    if not _HOST.fullmatch(name) or len(name) > _MAX_HOST:
        raise BadReference("host")
    if not colon:
        return name.lower()
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise BadReference("host")
    return f"{name.lower()}:{int(port)}"


def _check_path(path: str) -> None:
    if not _is_path(path):
        raise BadReference("uppercase" if _is_path(path.lower()) else "name")
    if len(path) > MAX_PATH:
        raise BadReference("length")


def _is_path(path: str) -> bool:
    return all(PATH_PART.fullmatch(part) for part in path.split("/"))


def _nearby(text: str) -> str | None:
    """Return the reference that was most likely meant, in its short form: every change here is of form only."""
    if len(text) > _MAX_NEARBY:
        return None
    text = unicodedata.normalize("NFKC", text).lstrip(_QUOTES).rstrip(_QUOTES + "。.,!?:")
    text = text[len("docker://") :] if text.lower().startswith("docker://") else text
    text = re.sub(r"/+", "/", re.sub(r":+", ":", text)).strip("/")
    head, sign, digest = text.partition("@")
    if not sign:
        head, sign, digest = _digest_after_colon(head)
    if digest and not digest.lower().startswith("sha"):
        head, sign, digest = f"{head}:{digest}", "", ""  # nginx@1.27
    name, colon, tag = _split_tag(head)
    try:
        return _read(f"{name.lower()}{colon}{tag}{sign}{digest.lower()}").short
    except BadReference:
        return None


def _digest_after_colon(head: str) -> tuple[str, str, str]:
    name, colon, digest = head.rpartition(":sha256:")
    return (name, "@", f"sha256:{digest}") if colon else (head, "", "")

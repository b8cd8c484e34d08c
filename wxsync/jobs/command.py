"""Read a member's message: what it asks for, or what is wrong with it. Floor: jobs, pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Union

from wxsync.jobs import links, platform, reasons, reference, words
from wxsync.jobs.reference import BadReference, Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wxsync.jobs.words import Line, Phrase

MAX_TEXT_BYTES = 16 * 1024
MAX_IMAGES = 100
_QUOTED_OF_TOO_LONG = 60  # characters that remind the member which message it was

_COMMANDS = {
    **{"帮助": "help", "状态": "status", "历史": "history", "取消": "cancel", "重试": "retry"},
    **{name: name for name in ("help", "status", "history", "cancel", "retry")},
}
_NUMBER = re.compile(r"[0-9]{1,3}")
_DIGITS_ONLY = re.compile(r"[0-9]+(?:[:@][^/]*)?")  # 80:80, 123@sha256:…, but not 8080:80/x


@dataclass(frozen=True)
class ImageRequest:
    """One image to mirror.

    platforms: as given, each once; none means all that there are. destination: `NAME:TAG` when the member named one,
    the bot's own registry and namespace dropped. written: what the member wrote.
    """

    reference: Reference
    platforms: tuple[str, ...]
    destination: str | None
    written: str


@dataclass(frozen=True)
class SyncImages:
    """Mirror these images, each wanted once."""

    images: tuple[ImageRequest, ...]


@dataclass(frozen=True)
class UploadFiles:
    """Upload what these links lead to, each named once. A link may hold a password."""

    urls: tuple[str, ...]


@dataclass(frozen=True)
class Help:
    """Nothing that we know; `suggestion` is the message that may have been meant."""

    suggestion: str | None = None


@dataclass(frozen=True)
class ChatCommand:
    """A command by its English name: help, status, history, cancel or retry."""

    name: str


@dataclass(frozen=True)
class BadItem:
    """One item that refuses the message: its code (see `reasons`), the reason and, where one is near, the mend."""

    written: str
    code: str
    reason: str
    suggestion: str | None = None

    @property
    def shown(self) -> str:
        """The item as written, fit for chat and log: the password of a link is struck out."""
        return links.masked(self.written)


@dataclass(frozen=True)
class Refusal:
    """Nothing starts: each bad item once, in the order of the text."""

    items: tuple[BadItem, ...]


Command = Union[SyncImages, UploadFiles, Help, ChatCommand, Refusal]


def parse(text: str, *, own_prefix: str = "") -> Command:
    """Return what a message means. Never raises; time and memory are in proportion to the text, at most 16 KiB.

    own_prefix: `REGISTRY/NAMESPACE/`, dropped from a destination that the member named.
    """
    if len(text) > MAX_TEXT_BYTES or len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
        quoted = " ".join(words.clean(text[:_QUOTED_OF_TOO_LONG]).split())
        return Refusal((_bad(f"{quoted}…", "length", reason=reasons.TOO_LONG),))
    text = words.clean(text).strip(" \n")
    name = _command_name(text)
    if name:
        return ChatCommand(name)
    if links.begins(text):
        return _uploads([line.strip(" ") for line in text.split("\n") if line.strip(" ")])
    lines = [words.read(_without_number(line, own_prefix)) for line in text.split("\n")]
    if any(line.is_request() for line in lines):
        return _request(lines, own_prefix)
    return _without_mark([phrase for line in lines for phrase in line.phrases])


def _bad(written: str, code: str, suggestion: str | None = None, *, reason: str = "") -> BadItem:
    return BadItem(written, code, reason or reasons.REASONS[code], suggestion)


def _command_name(text: str) -> str | None:
    word = text[:-1].rstrip(" \n") if text.endswith("。") else text
    return _COMMANDS.get(word.lower())


def _without_number(line: str, own_prefix: str) -> str:
    """Drop the number of a line of our own first answer that is pasted back: `1. nginx:1 → REGISTRY/NAMESPACE/…`."""
    number, dot, rest = line.strip(" ").partition(". ")
    is_own = bool(own_prefix and dot) and f" → {own_prefix}" in rest
    return rest if is_own and _NUMBER.fullmatch(number) else line


def _uploads(lines: Sequence[str]) -> Command:
    found = [(line, links.parse(line)) for line in lines]
    pages = [link for _, link in found if link is not None and links.is_docker_hub(link)]
    if pages:
        images = dict.fromkeys(image for image in map(_sendable, map(links.image_shown, pages)) if image)
        return Help(", ".join(images) or None)
    bad = [_bad_link(line) for line, link in found if link is None]
    if bad:
        return _refusal(bad)
    return UploadFiles(tuple(dict.fromkeys(link for _, link in found if link is not None)))


def _bad_link(line: str) -> BadItem:
    if links.begins(line):
        are_links = all(part == links.masked(part) and links.parse(part) for part in line.split(" "))
        return _bad(line, "url", line.replace(" ", "\n") if are_links and " " in line else None)
    try:
        reference.parse(words.fold(line))
    except BadReference as error:
        return _bad(line, "scheme" if error.code == "scheme" else "url")
    return _bad(line, "mixed")


def _without_mark(phrases: Sequence[Phrase]) -> Command:
    """Judge a message without colon, slash and option: several valid names are a request, one is nearly one."""
    if len(phrases) == 1 and not phrases[0].targets:
        return Help(_proposal(phrases[0].value))
    images = [_image(phrase, (), "") for phrase in phrases]
    found = [image for image in images if isinstance(image, ImageRequest)]
    return _sync(found) if found and len(found) == len(phrases) else Help()


def _proposal(word: str) -> str | None:
    word = word.rstrip("。").lower()
    try:
        return None if word in _COMMANDS else _sendable(reference.parse(word).short)
    except BadReference:
        return None


def _sendable(suggestion: str | None) -> str | None:
    """Keep back a proposal that we would refuse in turn: a name of digits only."""
    return None if suggestion and _DIGITS_ONLY.fullmatch(suggestion) else suggestion


def _request(lines: Sequence[Line], own_prefix: str) -> Command:
    judged = [result for line in lines for result in _judge(line, own_prefix)]
    bad = [each for each in judged if isinstance(each, BadItem)]
    synced = _sync(each for each in judged if isinstance(each, ImageRequest))
    if isinstance(synced, Refusal):
        bad += synced.items
    return _refusal(bad) if bad else synced


def _sync(images: Iterable[ImageRequest]) -> SyncImages | Refusal:
    """Merge what is wanted twice: the same source, platforms and destination, however written."""
    merged: dict[object, ImageRequest] = {}
    for image in images:
        tag = image.reference.tag if image.destination is None else None  # with a digest the tag is the destination's
        platforms = frozenset(map(platform.normal, image.platforms))
        merged.setdefault((image.reference.full, tag, platforms, image.destination), image)
    kept = tuple(merged.values())
    if len(kept) > MAX_IMAGES:
        return Refusal((_bad(kept[MAX_IMAGES].written, "too-many"),))
    return SyncImages(kept)


def _refusal(bad: Iterable[BadItem]) -> Refusal:
    named: dict[tuple[str, str], BadItem] = {}
    for item in bad:
        named.setdefault((item.written, item.code), item)
    return Refusal(tuple(named.values()))


def _judge(line: Line, own_prefix: str) -> list[ImageRequest | BadItem]:
    if line.command:
        return [_bad(line.command, "command-line")]
    results: list[ImageRequest | BadItem] = []
    platforms: tuple[str, ...] = ()
    waiting: list[str] = []  # options that no reference has followed yet
    for phrase in line.phrases:
        if phrase.kind == words.PLATFORM:
            chosen = platform.parse(phrase.value)
            platforms = chosen or ()
            if chosen:
                waiting.append(phrase.written)
            else:
                results.append(_bad(phrase.written, "platform", platform.nearby_option(phrase.written)))
        elif phrase.kind == words.OPTION:
            results.append(_bad(phrase.written, "option", platform.nearby_option(phrase.written)))
        elif phrase.kind == words.LINK:
            waiting.clear()
            link = links.parse(phrase.written)
            is_page = link is not None and links.is_docker_hub(link)
            near = _sendable(links.image_shown(link)) if link and is_page else None
            results.append(_bad(phrase.written, "mixed", near))
        else:
            waiting.clear()
            results.append(_image(phrase, platforms, own_prefix))
    results += [_bad(option, "no-image") for option in waiting]
    return _with_proposals(results)


def _with_proposals(results: list[ImageRequest | BadItem]) -> list[ImageRequest | BadItem]:
    """Propose the images of a line in place of the words around them, at the first word that can be no image."""
    images = ", ".join(map(_rendered, (result for result in results if isinstance(result, ImageRequest))))
    for at, result in enumerate(results):
        if isinstance(result, BadItem) and result.reason == reasons.NO_WORD:
            mended = replace(result, suggestion=images or None)
            return [*results[:at], mended, *results[at + 1 :]]
    return results


def _rendered(image: ImageRequest) -> str:
    return f"--platform={','.join(image.platforms)} {image.written}" if image.platforms else image.written


def _image(phrase: Phrase, platforms: tuple[str, ...], own_prefix: str) -> ImageRequest | BadItem:
    source, written = phrase.value, phrase.written
    if not source:
        return _bad(written, "destination")
    if platforms and source in platform.KNOWN:
        return _bad(written, "platform", reason=reasons.PLATFORM_APART)
    if phrase.is_beside and not any(mark in source for mark in ":/@"):
        return _lone_word(written, source)
    try:
        found = reference.parse(source)
    except BadReference as error:
        return _bad(written, error.code, _with_targets(_sendable(error.suggestion), phrase))
    if _DIGITS_ONLY.fullmatch(source):
        return _bad(written, "name", reason=reasons.DIGITS_ONLY)
    return _destined(ImageRequest(found, platforms, None, written), phrase.targets, own_prefix)


def _destined(image: ImageRequest, targets: tuple[str, ...], own_prefix: str) -> ImageRequest | BadItem:
    if not targets:
        return image
    target = targets[0]
    if own_prefix and target[: len(own_prefix)].lower() == own_prefix.lower():
        target = target[len(own_prefix) :]
    if len(targets) == 1 and reference.is_destination(target):
        return replace(image, destination=target)
    near = reference.nearby_destination(target, image.reference) if len(targets) == 1 else None
    return _bad(image.written, "destination", f"{image.reference.short} -> {near}" if near else None)


def _lone_word(written: str, word: str) -> BadItem:
    if word.lower() == "to":
        return _bad(written, "destination", reason=reasons.NO_ARROW)
    try:
        reference.parse(word)
    except BadReference as error:
        if error.code == "characters":
            return _bad(written, error.code, reason=reasons.NO_WORD)
    return _bad(written, "name", reason=reasons.LONE_WORD)


def _with_targets(suggestion: str | None, phrase: Phrase) -> str | None:
    return " -> ".join([suggestion, *phrase.targets]) if suggestion else None

"""Give each image its destination NAME:TAG, so that none silently changes its meaning. Floor: jobs, pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

from wxsync.jobs import platform, reasons, reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wxsync.jobs.command import ImageRequest
    from wxsync.jobs.reference import Reference

_DIGEST_DIGITS = 12


@dataclass(frozen=True)
class Owner:
    """Who fills a NAME: a source (HOST/PATH) with certain platforms (normal ones; none means as they come)."""

    source: str
    platforms: frozenset[str]

    def __str__(self) -> str:
        return f"{self.source} ({','.join(sorted(self.platforms))})" if self.platforms else self.source


@dataclass(frozen=True)
class Planned:
    """An image and where it goes: NAME:TAG below the configured registry and namespace."""

    request: ImageRequest
    name: str
    tag: str


@dataclass(frozen=True)
class Clash:
    """An image that has no destination: `clash` (it is another's) or `length`, and the reason in Chinese."""

    request: ImageRequest
    code: str
    reason: str


Outcome = Union[Planned, Clash]


def normal_platforms(platforms: Iterable[str]) -> frozenset[str]:
    """Return platforms as a set that can be compared: each has one name."""
    return frozenset(map(platform.normal, platforms))


def plan(
    images: Sequence[ImageRequest], owned: Mapping[str, Owner], written: Mapping[tuple[str, str], Owner]
) -> tuple[Outcome, ...]:
    """Return one outcome for each image in order, but none for what an earlier one already is.

    owned: NAME -> who owns it, from earlier days and running jobs; written: (NAME, TAG) -> who wrote it. An image that
    is refused leaves no trace for those after it.
    """
    names = dict(owned)
    taken: dict[tuple[str, str], tuple[str, Owner]] = {}
    outcomes: list[Outcome] = []
    for image in images:
        owner = Owner(image.reference.source, normal_platforms(image.platforms))
        outcome = _named(image, owner, names, written) if image.destination else _unnamed(image, owner, names)
        if isinstance(outcome, Planned):
            place, copy = (outcome.name, outcome.tag), (image.reference.full, owner)
            if taken.get(place) == copy:
                continue
            if place in taken:
                outcome = _clash(image, reasons.TWICE_IN_MESSAGE, name=outcome.name, tag=outcome.tag)
            else:
                taken[place] = copy
                names.setdefault(outcome.name, owner)
        outcomes.append(outcome)
    return tuple(outcomes)


def _named(
    image: ImageRequest, owner: Owner, names: Mapping[str, Owner], written: Mapping[tuple[str, str], Owner]
) -> Outcome:
    """Judge the destination that the member named: another tag of the same source may have other platforms."""
    name, _, tag = (image.destination or "").partition(":")
    holder, writer = names.get(name, owner), written.get((name, tag), owner)
    if holder.source != owner.source:
        return _clash(image, reasons.NAME_TAKEN, name=name, holder=holder)
    if writer != owner:
        return _clash(image, reasons.WRITTEN_BY_OTHER, name=name, tag=tag, holder=writer)
    return Planned(image, name, tag)


def _unnamed(image: ImageRequest, owner: Owner, names: Mapping[str, Owner]) -> Outcome:
    """Take the first name that is free or the image's own; beside its own source under a tag that tells platforms."""
    tag = _tag(image.reference)
    for name in _names(image.reference):
        holder = names.get(name, owner)
        if holder.source != owner.source:
            continue
        if holder != owner:
            tag = f"{tag}-{_suffix(owner.platforms)}"
        if reference.is_destination(f"{name}:{tag}"):
            return Planned(image, name, tag)
        return Clash(image, "length", reasons.DESTINATION_TOO_LONG)
    return _clash(image, reasons.NO_NAME_LEFT)


def _names(image: Reference) -> Iterator[str]:
    yield image.path.rpartition("/")[2]
    whole = image.path.replace("/", "_")
    yield whole
    yield f"{image.registry.replace(':', '-')}_{whole}"


def _tag(image: Reference) -> str:
    if image.tag:
        return image.tag
    algorithm, _, digits = (image.digest or "").partition(":")
    return f"{algorithm}-{digits[:_DIGEST_DIGITS]}"


def _suffix(platforms: frozenset[str]) -> str:
    return "_".join(sorted(each.replace("/", "-") for each in platforms)) or "all"


def _clash(image: ImageRequest, reason: str, **about: object) -> Clash:
    return Clash(image, "clash", reason.format(**about))

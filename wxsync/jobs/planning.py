"""Give the images of a request their destinations, with what earlier days and running jobs own. Floor: jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wxsync.errors import Bug
from wxsync.jobs import command, destination, reference
from wxsync.jobs.command import ImageRequest
from wxsync.jobs.destination import Owner, Planned
from wxsync.jobs.job import Job, from_record
from wxsync.jobs.results import FAILED, SKIPPED, SUCCEEDED, Item
from wxsync.store.records import Ownership
from wxsync.store.store import Store


class Refused(Exception):
    """Some images have no destination: (image as written, reason) each."""

    def __init__(self, lines: Sequence[tuple[str, str]]) -> None:
        super().__init__(lines)
        self.lines = tuple(lines)


def requested(store: Store, job: Job, *, own_prefix: str) -> Sequence[ImageRequest]:
    """Return the images that a sync job is for: its message's, or what the job that it repeats did not mirror."""
    repeated = store.job(job.retry_of) if job.retry_of else None
    source = from_record(repeated) if repeated else job
    if source.id != job.id and source.items:
        return [_again(item) for item in source.items if not item.is_mirrored]
    parsed = command.parse(source.text, own_prefix=own_prefix)  # a repeated job without items never started
    if not isinstance(parsed, command.SyncImages):
        raise Bug("the message is no sync any more", where=f"job {source.id}")
    return parsed.images


def repeated_by_retry(job: Job) -> int:
    """Return the number of the job whose images or files a retry of this one repeats."""
    # One that never started repeats what it was to repeat itself.
    return job.retry_of if job.retry_of and not (job.items or job.files) else job.id


def plan(
    store: Store, job: Job, images: Sequence[ImageRequest], absent: Mapping[ImageRequest, str]
) -> tuple[Item, ...]:
    """Return the images with their destinations. Raises Refused, naming every image that has none, and StoreFault.

    absent: images that are not at their source, and why. They have failed already and take no destination away from
    others; a destination that the member named is kept, so that a retry can use it.
    """
    claims = [each for other in store.open_jobs() if other.id != job.id for each in owned_by(from_record(other), ())]
    owners: dict[str, Owner] = {}
    for each in [*store.owners(), *claims]:  # what the store remembers comes first, then the earlier claim
        owners.setdefault(each.name, Owner(each.source, each.platforms))
    names = sorted({image.destination.partition(":")[0] for image in images if image.destination})
    written: dict[tuple[str, str], Owner] = {}
    for each in [*(store.written(names) if names else ()), *claims]:
        written.setdefault((each.name, each.tag), Owner(each.source, each.platforms))
    planned = destination.plan([image for image in images if image not in absent], owners, written)
    refused = [(clash.request.written, clash.reason) for clash in planned if not isinstance(clash, Planned)]
    if refused:
        raise Refused(refused)
    items = {each.request: _item(each) for each in planned if isinstance(each, Planned)}
    items.update({image: _absent(image, reason) for image, reason in absent.items()})
    return tuple(items[image] for image in dict.fromkeys(images) if image in items)


def owned_by(job: Job, results: Iterable[str]) -> list[Ownership]:
    """Return the destinations of a job's images with one of these results; with none given, of all that may succeed."""
    wanted = frozenset(results or ("", SUCCEEDED, SKIPPED))
    return [
        Ownership(name, tag, item.repository, destination.normal_platforms(item.platforms))
        for item in job.items
        if item.result in wanted
        for name, _, tag in [item.destination.partition(":")]
    ]


def _item(planned: Planned) -> Item:
    image = planned.request.reference
    place = f"{planned.name}:{planned.tag}"
    is_named = planned.request.destination is not None
    return Item(image.short, image.source, place, planned.request.platforms, is_named=is_named)


def _absent(image: ImageRequest, reason: str) -> Item:
    is_named = image.destination is not None
    place = image.destination or ""
    return Item(
        image.reference.short, image.reference.source, place, image.platforms, FAILED, reason, is_named=is_named
    )


def _again(item: Item) -> ImageRequest:
    place = item.destination if item.is_named else None
    return ImageRequest(reference.parse(item.source), item.platforms, place, item.source)

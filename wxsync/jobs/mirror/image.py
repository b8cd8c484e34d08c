"""Mirror one image: resolve, skip when it is there, copy blobs, write manifests, read back. Floor: jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from wxsync.clock import Clock
from wxsync.errors import RemoteFault
from wxsync.jobs import reference
from wxsync.jobs.mirror import tree
from wxsync.jobs.mirror.blob import BlobCopy
from wxsync.jobs.mirror.crew import Crew
from wxsync.jobs.mirror.failure import DESTINATION, SOURCE, Failure, SourceBroke, failure_of
from wxsync.jobs.mirror.holders import Holders
from wxsync.jobs.mirror.lane import Lane
from wxsync.jobs.mirror.patience import Patience
from wxsync.jobs.mirror.stream import Stream
from wxsync.jobs.mirror.tally import Abandoned, Tally
from wxsync.jobs.nearby import near
from wxsync.jobs.replies import absences
from wxsync.jobs.results import Item
from wxsync.remote.registry.faults import Kind, RegistryFault
from wxsync.remote.registry.manifest import Descriptor, Document, Manifest, platform
from wxsync.remote.registry.repository import Repository
from wxsync.remote.stop import check

CALL_S = 60.0  # for a call without a blob
MAX_CONFIG_BYTES = 8 << 20
T = TypeVar("T")


@dataclass(frozen=True)
class Copied:
    """An image is at its destination. is_new: it was not there before, by this very digest."""

    digest: str
    is_new: bool
    size: int


class ImageMirror:
    """Mirrors one item; made by the thread that does it, which other threads help with the blobs."""

    def __init__(
        self, item: Item, holders: Holders, tally: Tally, clock: Clock, *, stop: threading.Event, deadline: float
    ) -> None:
        """deadline: instant of the clock's monotonic time."""
        self._item = item
        self._image = reference.parse(item.source)
        self._name, _, self._tag = item.destination.partition(":")
        self._holders = holders
        self._tally = tally
        self._clock = clock
        self._stop = stop
        self._deadline = deadline

    def run(self, crew: Crew[Lane], lane: Lane) -> Copied:
        """Bring the image to its destination. Raises Failure, and Stopped."""
        source = self._source(lane)

        def fetch(which: str) -> Manifest:
            return self._asked(SOURCE, lambda: source.manifest(which, deadline=self._soon()))

        try:
            found = fetch(self._image.digest or self._image.tag or "latest")
        except Failure as failure:
            raise self._with_near_tags(source, failure) from failure
        wanted = {platform(each) for each in self._item.platforms}
        top = tree.choose_top(found, wanted, fetch, lambda config: self._config(lane, config))
        digest = top.document.digest
        if self._digest_there(lane) == digest:
            return Copied(digest, False, 0)
        whole = tree.gather(top, fetch)
        self._tally.expect(whole.size)
        try:
            crew.copy_all(lane, whole.blobs, self._copy_blob)
        except Abandoned as abandoned:
            raise self._tally.fault or abandoned from abandoned
        for document in whole.documents:
            self._write(lane, document, self._tag if document.digest == digest else document.digest)
        self._read_back(lane, digest)
        return Copied(digest, True, whole.size)

    def _with_near_tags(self, source: Repository, failure: Failure) -> Failure:
        """Return the failure with what tags may have been meant, when the tag is what lacks."""
        tag = self._image.tag or ""
        if failure.kind != "not-found" or self._image.digest:
            return failure
        try:
            tags = near(tag, source.tags(deadline=self._soon()))
        except RemoteFault:
            return failure
        return Failure(failure.kind, absences.no_tag(tag, tags)) if tags else failure

    def _copy_blob(self, lane: Lane, blob: Descriptor) -> None:
        """Bring one blob to the destination, unless it is there; one thread at a time, whatever images share it."""
        try:
            with self._holders.claim(blob.digest, lambda: check(self._stop, blob.digest)):
                destination = lane.destination(self._name)
                if not self._asked(
                    DESTINATION, lambda: destination.has_blob(blob.digest, deadline=self._soon())
                ):
                    holder = self._holders.repository(blob.digest)
                    copy = BlobCopy(
                        blob,
                        destination,
                        read=lambda each: self._stream(lane, each),
                        patience=self._patience(),
                        seconds=self._clock.monotonic,
                        deadline=self._deadline,
                    )
                    copy.run(holder if holder != destination.name else "")
                self._holders.note(blob.digest, destination.name)
            self._tally.at(blob.digest, blob.size, 0)
        except BaseException as fault:
            self._tally.abandon(fault)
            raise

    def _write(self, lane: Lane, document: Document, to: str) -> None:
        destination = lane.destination(self._name)
        self._asked(DESTINATION, lambda: destination.put_manifest(to, document, deadline=self._soon()))
        self._tally.at(document.digest, len(document.content), len(document.content))

    def _config(self, lane: Lane, config: Descriptor) -> bytes:
        if config.size > MAX_CONFIG_BYTES:
            raise Failure("too-large", "the image's configuration is too large")
        stream = self._stream(lane, config)
        content = bytearray()
        try:
            for piece in stream:
                content += piece
        except SourceBroke as broke:
            raise failure_of(broke.fault, SOURCE) from broke
        if not stream.is_sound:
            raise Failure("digest-mismatch", "the image's configuration has another digest")
        return bytes(content)

    def _digest_there(self, lane: Lane) -> str:
        """Return the digest at the destination; empty when nothing is there, or when it may not be read."""
        destination = lane.destination(self._name)
        try:
            found = self._asked_plainly(lambda: destination.head(self._tag, deadline=self._soon()))
            if found.digest:
                return found.digest
            return self._asked_plainly(lambda: destination.manifest(self._tag, deadline=self._soon())).document.digest
        except RegistryFault as fault:
            if fault.kind in {Kind.NOT_FOUND, Kind.DENIED, Kind.BAD_ANSWER, Kind.SCHEMA_1}:
                return ""
            raise failure_of(fault, DESTINATION) from fault

    def _read_back(self, lane: Lane, digest: str) -> None:
        destination = lane.destination(self._name)
        there = self._asked(DESTINATION, lambda: destination.manifest(self._tag, deadline=self._soon()))
        if there.document.digest != digest:
            raise Failure("digest-mismatch", f"{self._item.destination} at the destination is not {digest}")

    def _source(self, lane: Lane) -> Repository:
        try:
            return lane.source(self._image)
        except RemoteFault as fault:
            raise failure_of(fault, SOURCE) from fault

    def _stream(self, lane: Lane, blob: Descriptor) -> Stream:
        return Stream(
            self._source(lane),
            blob,
            patience=self._patience(),
            tally=self._tally,
            buffer=lane.buffer,
            deadline=self._deadline,
        )

    def _asked(self, side: str, call: Callable[[], T]) -> T:
        """Return what a call returns, tried again as long as that is worth it. Raises Failure."""
        try:
            return self._asked_plainly(call)
        except RemoteFault as fault:
            raise failure_of(fault, side) from fault

    def _asked_plainly(self, call: Callable[[], T]) -> T:
        patience = self._patience()
        while True:
            try:
                return call()
            except RemoteFault as fault:
                patience.wait_out(fault)

    def _patience(self) -> Patience:
        return Patience(self._clock, self._stop, self._deadline)

    def _soon(self) -> float:
        return min(self._deadline, self._clock.monotonic() + CALL_S)

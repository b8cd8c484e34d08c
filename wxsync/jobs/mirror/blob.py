"""Copy one blob: straight through, and committed only when its digest is right. Floor: jobs."""

from __future__ import annotations

from collections.abc import Callable

from wxsync.errors import RemoteFault
from wxsync.jobs.mirror.failure import DESTINATION, SOURCE, Failure, SourceBroke, failure_of
from wxsync.jobs.mirror.patience import Patience
from wxsync.jobs.mirror.stream import Stream
from wxsync.log.logger import logger
from wxsync.remote.registry.faults import Kind, RegistryFault
from wxsync.remote.registry.manifest import Descriptor
from wxsync.remote.registry.repository import Repository
from wxsync.remote.registry.uploads import Upload, Uploads

LOG = logger("jobs.mirror.blob")
SMALL_BYTES = 1 << 20  # up to here a blob is held whole, checked, and sent with two calls
CLEAN_UP_S = 5.0


class BlobCopy:
    """Copies one blob into one repository of the destination; used by one thread."""

    def __init__(
        self,
        blob: Descriptor,
        destination: Repository,
        *,
        read: Callable[[Descriptor], Stream],
        patience: Patience,
        seconds: Callable[[], float],
        deadline: float,
    ) -> None:
        """read: opens the blob at its source, from its first byte. patience: for the destination's tries."""
        self._blob = blob
        self._destination = destination
        self._uploads = Uploads(destination)
        self._read = read
        self._patience = patience
        self._seconds = seconds
        self._deadline = deadline

    def run(self, mount_from: str) -> None:
        """Bring the blob there, linked from another repository when there it is. Raises Failure, Stopped, Abandoned."""
        is_second = False
        while True:
            try:
                self._send(mount_from)
            except SourceBroke as broke:
                # Wrong bytes may be a broken cache on the way: they are asked for once more, from the beginning.
                if is_second or not _is_wrong(broke.fault):
                    raise failure_of(broke.fault, SOURCE) from broke
                LOG.warning("blob came wrong", why=str(broke.fault))
                is_second = True
            except RegistryFault as fault:
                if self._is_there(fault):
                    return
                # A repository that is remembered as the blob's holder may be closed to us by now.
                if not mount_from or fault.temporary:
                    self._wait_out(fault)
            else:
                return
            mount_from = ""

    def _send(self, mount_from: str) -> None:
        """Send the blob once, from its beginning."""
        upload = self._start(mount_from)
        if upload is None:
            return
        try:
            if self._blob.size <= SMALL_BYTES:
                content = self._whole()
            else:
                upload, content = self._sent_through(upload), bytearray()
        except (SourceBroke, Failure):
            self._drop(upload)
            raise
        self._finish(upload, content)

    def _whole(self) -> bytearray:
        stream = self._read(self._blob)
        content = bytearray()
        for piece in stream:
            content += piece
        self._check(stream)
        return content

    def _sent_through(self, upload: Upload) -> Upload:
        """Send all bytes while they are read; return the upload, which waits for its digest."""
        stream = self._read(self._blob)
        while upload.offset < self._blob.size:
            stream.seek(upload.offset)
            try:
                upload = self._uploads.append(upload, stream, deadline=self._deadline)
            except RegistryFault as fault:
                self._wait_out(fault)
                before, upload = upload.offset, self._uploads.state(upload, deadline=self._deadline)
                if upload.offset > before:
                    self._patience.progressed()
        self._check(stream)
        return upload

    def _finish(self, upload: Upload, content: bytearray) -> None:
        """Name the whole. What is held is sent again if need be: the source is not asked twice for it."""
        while True:
            try:
                self._uploads.finish(upload, self._blob.digest, content, deadline=self._deadline)
            except RegistryFault as fault:
                if self._is_there(fault):
                    return
                if fault.kind is Kind.UPLOAD_LOST and not content:
                    raise
                self._wait_out(fault)
                if content:  # how much of it the registry has taken is not known
                    self._drop(upload)
                    upload = self._start("") or upload
            else:
                return

    def _wait_out(self, fault: RegistryFault) -> None:
        """Wait until the destination is worth another try. Raises Failure when it is not."""
        try:
            self._patience.wait_out(_mendable(fault))
        except RemoteFault:
            raise failure_of(fault, DESTINATION) from fault

    def _start(self, mount_from: str) -> Upload | None:
        return self._uploads.start(
            deadline=self._deadline, mount=self._blob.digest if mount_from else "", source=mount_from
        )

    def _check(self, stream: Stream) -> None:
        if not stream.is_sound:
            where = self._destination.where("copy", self._blob.digest)
            raise SourceBroke(RegistryFault(Kind.DIGEST_MISMATCH, "the bytes have another digest", where=where))

    def _is_there(self, fault: RegistryFault) -> bool:
        """Tell whether the blob arrived though its answer was lost or was an error."""
        if not fault.maybe_done and fault.kind is not Kind.UPLOAD_LOST:  # lost may mean finished
            return False
        try:
            return self._destination.has_blob(self._blob.digest, deadline=self._deadline)
        except RegistryFault:
            return False

    def _drop(self, upload: Upload) -> None:
        """Have the destination forget a broken upload; one that it keeps costs it room for some days, no more."""
        try:
            self._uploads.cancel(upload, deadline=min(self._deadline, self._seconds() + CLEAN_UP_S))
        except RegistryFault as fault:
            LOG.info("upload stays open", why=str(fault))


def _is_wrong(fault: RemoteFault) -> bool:
    return isinstance(fault, RegistryFault) and fault.kind is Kind.DIGEST_MISMATCH


def _mendable(fault: RegistryFault) -> RegistryFault:
    """Return a lost upload as something that another try, a new upload, may mend; other faults as they are."""
    if fault.kind is not Kind.UPLOAD_LOST:
        return fault
    return RegistryFault(
        fault.kind, fault.what, where=fault.where, mend=fault.mend, status=fault.status, temporary=True
    )

"""What an upload may have left at QingStor, and how it is taken away. Floor: jobs."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from wxsync.jobs.upload.asking import Asker
from wxsync.remote.qingstor.bucket import Bucket
from wxsync.remote.qingstor.faults import Kind, QingStorFault


class Trace(enum.Enum):
    """Something that may be there."""

    UPLOAD = "upload"  # a multipart upload whose id nobody told us
    OBJECT = "object"


@dataclass
class Traces:
    """Of one key. upload_id: the open multipart upload, "" without one. Used by one thread."""

    key: str
    upload_id: str = ""
    maybe: set[Trace] = field(default_factory=set)

    @property
    def has_upload(self) -> bool:
        """Tell whether a multipart upload may be open."""
        return bool(self.upload_id) or Trace.UPLOAD in self.maybe

    def sweep(self, bucket: Bucket, asker: Asker) -> None:
        """Take all of it away; what is not there is fine. Raises QingStorFault, Stopped."""
        if self.upload_id:
            abort(bucket, asker, self.key, self.upload_id)
            self.upload_id = ""
        if Trace.UPLOAD in self.maybe:
            for each in asker.ask(bucket.open_uploads(self.key)):
                abort(bucket, asker, self.key, each)
            self.maybe.discard(Trace.UPLOAD)
        if Trace.OBJECT in self.maybe:
            asker.ask(bucket.delete(self.key))
            self.maybe.discard(Trace.OBJECT)


def abort(bucket: Bucket, asker: Asker, key: str, upload_id: str) -> None:
    """Drop a multipart upload; one that is not there (any more) is fine. Raises QingStorFault, Stopped."""
    try:
        asker.ask(bucket.abort(key, upload_id))
    except QingStorFault as fault:
        if fault.kind is not Kind.UPLOAD_MISSING:
            raise

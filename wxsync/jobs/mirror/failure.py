"""Why one image is not mirrored: faults of registries in the classes of the workflow. Floor: jobs, pure."""

from __future__ import annotations

from wxsync.errors import RemoteFault
from wxsync.remote.address import AddressRefused
from wxsync.remote.registry.faults import Kind, RegistryFault

SOURCE, DESTINATION = "source", "destination"
_CLASSES = {
    Kind.NOT_FOUND: "not-found",
    Kind.NO_PLATFORM: "no-platform",
    Kind.RATE_LIMITED: "rate-limited",
    Kind.QUOTA: "quota",
    Kind.SCHEMA_1: "old-format",
    Kind.DIGEST_MISMATCH: "digest-mismatch",
}


class Failure(Exception):
    """The image was not copied. kind: a class of `replies.syncs`; reason: short, for the member, without secrets.

    after_s: how long the registry wants to be left alone.
    """

    def __init__(self, kind: str, reason: str, after_s: float | None = None) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason
        self.after_s = after_s


class SourceBroke(Exception):
    """The source failed while its bytes were already on their way to the destination; fault tells how."""

    def __init__(self, fault: RemoteFault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def failure_of(fault: RemoteFault, side: str) -> Failure:
    """Return what a fault means for the image; side: SOURCE or DESTINATION, whose fault it is."""
    if isinstance(fault, RegistryFault):
        kind = fault.kind
    else:
        kind = Kind.ADDRESS_REFUSED if isinstance(fault, AddressRefused) else Kind.NETWORK
    if kind in {Kind.DENIED, Kind.REFUSED, Kind.UNSUPPORTED} or (kind is Kind.NOT_FOUND and side == DESTINATION):
        return Failure(f"{side}-denied", fault.what)
    if kind is Kind.ADDRESS_REFUSED:
        return Failure("address-refused", fault.mend)
    if kind in _CLASSES:
        return Failure(_CLASSES[kind], fault.what, fault.retry_after_s)
    if fault.mend:  # no answer came: it names the host, the cause and what to look at
        return Failure(f"{side}-network", fault.mend, fault.retry_after_s)
    said = f"HTTP {fault.status}" if fault.status else fault.what
    return Failure(f"{side}-trouble", f"{said}，{fault.where}", fault.retry_after_s)

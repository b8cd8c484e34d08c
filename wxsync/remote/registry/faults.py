"""Tell a registry's refusals apart: what happened, whether trying again helps. Floor: remote, pure.

Sources: OCI distribution specification v1.1 (error codes), docs.docker.com (rate limit), and what Aliyun's, Harbor's
and Docker's own registry really say.
"""

from __future__ import annotations

import enum
import json
from typing import Protocol

from wxsync.errors import RemoteFault
from wxsync.remote.address import AddressRefused
from wxsync.remote.retryafter import retry_after_s

WORDS_CHARACTERS = 200


class Kind(enum.Enum):
    """What a failure is; the values that the sync workflow has too are its classes."""

    NOT_FOUND = "not-found"  # no such repository, tag, digest or blob
    NO_PLATFORM = "no-platform"
    DENIED = "denied"  # whether by the source or by the destination, the caller knows
    RATE_LIMITED = "rate-limited"
    QUOTA = "quota"  # the registry has no room left
    NETWORK = "network"  # no answer, a broken one, or 5xx
    UNSUPPORTED = "unsupported"  # the registry cannot do this, or wants something that is not spoken here
    SCHEMA_1 = "schema-1"  # an image of before 2016, which no index can hold
    DIGEST_MISMATCH = "digest-mismatch"  # the bytes are not those that were asked for or promised
    ADDRESS_REFUSED = "address-refused"  # nothing was sent there
    REFUSED = "refused"  # the registry does not take this content
    UPLOAD_LOST = "upload-lost"  # the upload is not there, or is elsewhere than we think: ask its state or start again
    BAD_ANSWER = "bad-answer"  # what came is not what the specification promises


class RegistryFault(RemoteFault):
    """A call that failed. code: the registry's own error code where it gave one; words: its own message, one line."""

    def __init__(
        self,
        kind: Kind,
        what: str,
        *,
        where: str,
        mend: str = "",
        status: int | None = None,
        code: str = "",
        words: str = "",
        temporary: bool = False,
        retry_after_s: float | None = None,
        maybe_done: bool = False,
    ) -> None:
        super().__init__(
            what,
            where=where,
            mend=mend,
            status=status,
            temporary=temporary,
            retry_after_s=retry_after_s,
            maybe_done=maybe_done,
        )
        self.kind = kind
        self.code = code
        self.words = words


class Head(Protocol):
    """Status and fields of an answer."""

    status: int

    def header(self, name: str) -> str | None:
        """Return the first value of the field, or None."""


def fault_of(head: Head, body: bytes, *, method: str, where: str) -> RegistryFault:
    """Return what an answer other than success means."""
    status = head.status
    code, words = _error_in(body)
    kind = _kind(status, code, words.lower(), body[: 4 << 10].lower())
    if status == 416 and method == "GET":
        kind = Kind.BAD_ANSWER  # a blob that ends before it should
    temporary = kind in {Kind.NETWORK, Kind.RATE_LIMITED}
    said = f": {code} {words}".rstrip() if code or words else ""
    return RegistryFault(
        kind,
        f"registry answered {status}{said}",
        where=where,
        status=status,
        code=code,
        words=words,
        temporary=temporary,
        retry_after_s=retry_after_s(head.header("Retry-After"), date=head.header("Date")) if temporary else None,
        maybe_done=kind is Kind.NETWORK and method not in {"GET", "HEAD"},
    )


def of_transport(fault: RemoteFault, where: str) -> RegistryFault:
    """Return the fault of a call that got no answer."""
    kind = Kind.ADDRESS_REFUSED if isinstance(fault, AddressRefused) else Kind.NETWORK
    return RegistryFault(
        kind,
        fault.what,
        where=where,
        mend=fault.mend,
        temporary=fault.temporary,
        maybe_done=fault.maybe_done,
        retry_after_s=fault.retry_after_s,
    )


def bad_answer(what: str, where: str) -> RegistryFault:
    """Return the fault of an answer that breaks the specification."""
    return RegistryFault(Kind.BAD_ANSWER, what, where=where)


def _error_in(body: bytes) -> tuple[str, str]:
    """Return code and message of the first error that a body tells, both printable and bounded."""
    try:
        data = json.loads(body[: 64 << 10])
    except (ValueError, RecursionError):
        return "", ""
    listed = data.get("errors") if isinstance(data, dict) else None
    first = listed[0] if isinstance(listed, list) and listed else data
    if not isinstance(first, dict):
        return "", ""
    code, words = first.get("code"), first.get("message") or first.get("details") or ""
    return (_line(code) if isinstance(code, str) else ""), (_line(words) if isinstance(words, str) else "")


def _line(text: str) -> str:
    flat = " ".join(text[: 4 * WORDS_CHARACTERS].split())
    return "".join(each if each.isprintable() else "?" for each in flat)[:WORDS_CHARACTERS]


def _kind(status: int, code: str, words: str, body: bytes) -> Kind:
    if status == 429 or code.upper() == "TOOMANYREQUESTS":
        return Kind.RATE_LIMITED
    if _is_full(status, words, body):
        return Kind.QUOTA
    if "unknown manifest class" in words:  # Aliyun's word for an attestation: "denied", though the login is fine
        return Kind.REFUSED
    by_hundred = {2: Kind.BAD_ANSWER, 3: Kind.UNSUPPORTED, 4: Kind.REFUSED, 5: Kind.NETWORK}
    return _BY_CODE.get(code) or _BY_STATUS.get(status) or by_hundred.get(status // 100, Kind.BAD_ANSWER)


def _is_full(status: int, words: str, body: bytes) -> bool:
    """Tell of a full disk (docker-registry answers 500) and of a project's quota (Harbor answers 403 or 412).

    A message may quote the name of an image, and that may be "a/quota".
    """
    own = " ".join(word for word in words.split() if "/" not in word)
    is_quota = "quota" in own or "exceed the configured upper limit" in own
    return status == 507 or (status >= 500 and b"no space left" in body) or (status in {403, 412, 413} and is_quota)


_BY_CODE = {
    "BLOB_UPLOAD_UNKNOWN": Kind.UPLOAD_LOST,
    "BLOB_UPLOAD_INVALID": Kind.UPLOAD_LOST,
    "DIGEST_INVALID": Kind.DIGEST_MISMATCH,
    "UNSUPPORTED": Kind.UNSUPPORTED,
}
_BY_STATUS = {
    401: Kind.DENIED,
    403: Kind.DENIED,
    404: Kind.NOT_FOUND,
    405: Kind.UNSUPPORTED,
    408: Kind.NETWORK,
    416: Kind.UPLOAD_LOST,
}

"""Tell QingStor's refusals apart: what happened and whether trying again helps. Floor: remote, pure.

Source: docs.qingcloud.com/qingstor/api/common/error_code. The codes for a used-up quota are documented nowhere, so
they are known by their wording.
"""

from __future__ import annotations

import enum
import json
import re
from datetime import datetime

from wxsync.errors import RemoteFault
from wxsync.remote.exchange import Response
from wxsync.remote.retryafter import instant_of, retry_after_s

MAX_SKEW_S = 900.0  # the service refuses a date that is further off
MESSAGE_CHARACTERS = 300
_CODE = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)


class Kind(enum.Enum):
    """What is wrong; the value goes to logs."""

    KEY_WRONG = "key-wrong"  # no such access key, or its secret is another
    CLOCK = "clock"  # this machine's clock is wrong: skew_s
    BUCKET_MISSING = "bucket-missing"
    BUCKET_INACTIVE = "bucket-inactive"  # suspended, or not paid for
    DENIED = "denied"
    QUOTA = "quota"
    TOO_LARGE = "too-large"
    CORRUPT = "corrupt"  # what arrived is not what was sent
    OBJECT_MISSING = "object-missing"
    UPLOAD_MISSING = "upload-missing"
    UNAVAILABLE = "unavailable"  # it answers, but cannot serve now
    UNREACHABLE = "unreachable"  # no connection, or no whole answer
    BAD_ANSWER = "bad-answer"
    OTHER = "other"


class QingStorFault(RemoteFault):
    """A call that failed. code: QingStor's own word, "" without one. skew_s: how far this clock is ahead (CLOCK)."""

    def __init__(
        self,
        kind: Kind,
        what: str,
        *,
        where: str,
        mend: str = "",
        code: str = "",
        skew_s: float | None = None,
        status: int | None = None,
        temporary: bool = False,
        retry_after_s: float | None = None,
        maybe_done: bool = False,
    ) -> None:
        super().__init__(what, where=where, mend=mend, status=status, temporary=temporary,
                         retry_after_s=retry_after_s, maybe_done=maybe_done)
        self.kind = kind
        self.code = code
        self.skew_s = skew_s


_KINDS = {
    "invalid_access_key_id": Kind.KEY_WRONG, "signature_not_matched": Kind.KEY_WRONG, "request_expired": Kind.CLOCK,
    "bucket_not_exists": Kind.BUCKET_MISSING, "bucket_not_active": Kind.BUCKET_INACTIVE,
    "lease_not_ready": Kind.BUCKET_INACTIVE, "permission_denied": Kind.DENIED, "entity_too_large": Kind.TOO_LARGE,
    "bad_digest": Kind.CORRUPT, "object_not_exists": Kind.OBJECT_MISSING, "upload_not_exists": Kind.UPLOAD_MISSING,
}
# HEAD has no body, so the status must do.
_BY_STATUS = {401: Kind.KEY_WRONG, 403: Kind.DENIED, 404: Kind.OBJECT_MISSING, 413: Kind.TOO_LARGE, 507: Kind.QUOTA}


def fault_of(response: Response, *, where: str, now: datetime) -> QingStorFault:
    """Return what an answer other than success means; now: when it came, by this machine's clock."""
    status = response.status
    code, message = _told(response)
    skew_s = _skew_s(response, now)
    if status == 429 or (status >= 500 and status != 507):
        return QingStorFault(
            Kind.UNAVAILABLE, f"QingStor cannot serve now ({status})", where=where, code=code, status=status,
            temporary=True, maybe_done=status != 429,
            retry_after_s=retry_after_s(response.header("Retry-After"), date=response.header("Date"), now=now))
    kind = _kind(code, status)
    if not code and status == 403 and skew_s is not None and abs(skew_s) > MAX_SKEW_S:
        kind = Kind.CLOCK
    what = f"QingStor refused ({status} {code or kind.value})" + (f": {message}" if message else "")
    return QingStorFault(kind, what, where=where, code=code, status=status,
                         skew_s=skew_s if kind is Kind.CLOCK else None)


def unreachable(fault: RemoteFault, *, where: str) -> QingStorFault:
    """Return the fault of a call for which no whole answer came; its mend is the transport's."""
    return QingStorFault(Kind.UNREACHABLE, f"QingStor is not reached: {fault.what}", where=where, mend=fault.mend,
                         temporary=fault.temporary, maybe_done=fault.maybe_done)


def bad_answer(what: str, *, where: str, kind: Kind = Kind.BAD_ANSWER) -> QingStorFault:
    """Return the fault of a success that lacks what the documentation promises; the same call may go well later."""
    return QingStorFault(kind, what, where=where, temporary=True, maybe_done=True)


def _kind(code: str, status: int) -> Kind:
    if code in _KINDS:
        return _KINDS[code]
    if "quota" in code or "insufficient" in code:
        return Kind.QUOTA
    return Kind.OTHER if code else _BY_STATUS.get(status, Kind.OTHER)


def _told(response: Response) -> tuple[str, str]:
    """Return the error's code and one short line of its message, both "" when the body tells none."""
    try:
        data = json.loads(response.body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(data, dict):
        return "", ""
    code, message = str(data.get("code", "")), str(data.get("message", ""))
    short = " ".join(message[: 4 * MESSAGE_CHARACTERS].split())[:MESSAGE_CHARACTERS]
    return (code if _CODE.fullmatch(code) else ""), short


def _skew_s(response: Response, now: datetime) -> float | None:
    theirs = instant_of(response.header("Date"))
    return None if theirs is None else (now - theirs).total_seconds()

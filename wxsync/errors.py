"""The exceptions: each says what went wrong, where, and what to do. Floor: ground, pure."""

from __future__ import annotations


class WxsyncError(Exception):
    """What went wrong, where it happened, and the mend; no text here may hold a secret."""

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(what, where, mend)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} ({self.mend})" if self.mend else text


class ConfigError(WxsyncError):
    """One problem of the configuration; the operator mends it (Chinese)."""


class InputMissing(WxsyncError):
    """A file that a command's arguments name cannot be read (Chinese)."""


class MemberError(WxsyncError):
    """The member can mend it: what and mend go to the chat (Chinese)."""


class RemoteFault(WxsyncError):
    """A remote service failed or refused.

    status: HTTP status, None when no answer came. temporary: the same call may work later.
    retry_after_s: how long the service asked to wait. maybe_done: the request may have reached
    the service, so a call that is not idempotent must be looked up before it is repeated.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        mend: str = "",
        status: int | None = None,
        temporary: bool = False,
        retry_after_s: float | None = None,
        maybe_done: bool = False,
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.status = status
        self.temporary = temporary
        self.retry_after_s = retry_after_s
        self.maybe_done = maybe_done


class Bug(WxsyncError):
    """A rule of the program itself was broken; never caused by input alone."""

"""The refusal of a callback: which check failed. Floor: wecom, pure."""

from __future__ import annotations

from wxsync.errors import WxsyncError


class CallbackRefused(WxsyncError):
    """A callback failed a check; the caller gets one fixed answer, only the log learns which check it was.

    check: the stable short name of the check. what: the detail, without secrets and without the message's text.
    """

    def __init__(self, check: str, what: str) -> None:
        super().__init__(what, where=f"callback, {check}")
        self.check = check

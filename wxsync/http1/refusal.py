"""The error of every HTTP rule that a peer broke. Floor: http1, pure."""

from __future__ import annotations

from wxsync.errors import WxsyncError


class Refusal(WxsyncError):
    """The peer broke a rule of HTTP or a limit; status is what a server answers to it.

    fields go into the answer (Allow, Retry-After). closes: the connection cannot be used any further, since nobody
    knows where the next request would begin. A gateway that sees it about its upstream's answer says 502 itself.
    """

    def __init__(
        self, status: int, what: str, *, fields: tuple[tuple[str, str], ...] = (), closes: bool = True
    ) -> None:
        super().__init__(what)
        self.status = status
        self.fields = fields
        self.closes = closes

"""The fault of an exchange that began and did not end as it should, with its named cause. Floor: remote, pure."""

from __future__ import annotations

import enum

from wxsync.errors import RemoteFault


class Break(enum.Enum):
    """Why an exchange ended before its time; the value is what the member or operator reads beside the place."""

    TIMED_OUT = "对方没有在时限内答复，请稍后重试"
    SILENT = "对方长时间没有发来数据，请稍后重试"
    ENDED = "连接中断，请稍后重试"
    UNSOUND = "对方的答复不合规范或过大，请检查地址是否正确、中间是否有代理改写"
    HANDSHAKE = "TLS 握手失败：请稍后重试；一直如此请检查网络设备和端口"
    CERTIFICATE = "TLS 证书无效：请检查本机时间和对方证书；自签证书请写入 [egress] ca_file"


class BrokenExchange(RemoteFault):
    """A RemoteFault after the connection stood; only an invalid certificate is lasting.

    maybe_done is true once any of the request was, or could have been, sent: not in the causes of TLS.
    """

    def __init__(self, cause: Break, what: str, *, where: str) -> None:
        super().__init__(
            what,
            where=where,
            mend=f"{where}：{cause.value}",
            temporary=cause is not Break.CERTIFICATE,
            maybe_done=cause not in (Break.HANDSHAKE, Break.CERTIFICATE),
        )
        self.cause = cause

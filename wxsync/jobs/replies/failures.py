"""Say in Chinese why a file was not uploaded and what mends it. Floor: jobs, pure."""

from __future__ import annotations

from typing import NamedTuple

from wxsync.errors import RemoteFault
from wxsync.jobs.replies import layout
from wxsync.remote.download.fault import DownloadFault
from wxsync.remote.download.fault import Kind as Download
from wxsync.remote.qingstor.faults import Kind as QingStor
from wxsync.remote.qingstor.faults import QingStorFault


class Why(NamedTuple):
    """The reason of a failure, and one next step."""

    reason: str
    mend: str


AGAIN, AGAIN_LOCALLY = "发送「重试」", "重新执行 wxsyncd upload"  # a local file leaves the spool with its job
# {again}: how to repeat it; {status}: the HTTP status in brackets; {host}, {limit}: of the fault; {mend}: what the
# lower floor advises.
DOWNLOAD = {
    Download.NOT_FOUND: Why("源站没有这个文件{status}", "请检查链接是否正确、是否已过期"),
    Download.DENIED: Why("源站拒绝下载{status}", "请换成不用登录就能打开的链接，或检查链接是否已过期"),
    Download.STATUS: Why("源站没有给出文件{status}", "请在浏览器里确认链接能下载"),
    Download.BUSY: Why("源站繁忙，多次尝试都没有下载到{status}", "请稍后{again}"),
    Download.UNREACHABLE: Why("连不上源站 {host}", "{mend}"),
    Download.TLS: Why(
        "源站 {host} 的 TLS 证书无效，出于安全没有下载", "请换一个链接，或请管理员把自签证书写入 [egress] ca_file"
    ),
    Download.ADDRESS_REFUSED: Why("不能访问 {host}", "{mend}"),
    Download.BAD_REDIRECT: Why("链接的跳转不正确（没有目标、退回明文或次数过多）", "请换成最终的下载链接"),
    Download.TOO_LARGE: Why("文件超过上限 {limit}", "请拆小，或请管理员调大 [upload] max_bytes"),
    Download.SLOW: Why("源站太慢（每秒不到 {limit}）", "请稍后{again}，或请管理员调小 [upload] min_rate"),
    Download.TIMED_OUT: Why("没有在总时限内下载完", "请稍后{again}，或请管理员调大 [upload] deadline"),
    Download.CUT_SHORT: Why("下载多次中断，没有收到完整的文件", "请稍后{again}"),
    Download.CHANGED: Why("文件在下载期间被改动", "请等文件不再变化后{again}"),
    Download.BAD_ANSWER: Why("源站的答复不合规范，得不到完整的文件", "请换一个下载链接"),
}
# {code}: QingStor's own word for it.
QINGSTOR = {
    QingStor.KEY_WRONG: Why(
        "QingStor 不接受访问密钥", "请管理员检查 [qingstor] access_key_id 和 secret_access_key"
    ),
    QingStor.CLOCK: Why("本机时钟不准{skew}", "请管理员校准本机时间（例如启用 chrony），再{again}"),
    QingStor.BUCKET_MISSING: Why(
        "存储桶不存在", "请管理员在 QingStor 控制台新建存储桶，或检查 [qingstor] bucket 和 zone"
    ),
    QingStor.BUCKET_INACTIVE: Why("存储桶已停用（可能欠费）", "请管理员在 QingStor 控制台检查"),
    QingStor.DENIED: Why("访问密钥没有写这个存储桶的权限", "请管理员在 QingStor 控制台授权"),
    QingStor.QUOTA: Why("QingStor 的配额或空间已满", "请管理员清理或扩容后{again}"),
    QingStor.TOO_LARGE: Why("文件超过 QingStor 的上限", "请把文件拆小后发送"),
    QingStor.CORRUPT: Why("传到 QingStor 的数据校验不一致", "请稍后{again}"),
    QingStor.OBJECT_MISSING: Why("上传后在 QingStor 上找不到文件", "请稍后{again}"),
    QingStor.UPLOAD_MISSING: Why("上传在 QingStor 上被中途取消", "请稍后{again}"),
    QingStor.UNAVAILABLE: Why("QingStor 暂时不能服务{status}", "请稍后{again}"),
    QingStor.UNREACHABLE: Why("连不上 QingStor", "{mend}"),
    QingStor.BAD_ANSWER: Why("QingStor 的答复不合规范", "请管理员检查 [qingstor] endpoint 和日志"),
    QingStor.OTHER: Why("QingStor 拒绝了请求 {code}", "请管理员查看日志"),
}


def explain(fault: RemoteFault, *, is_local: bool = False) -> Why:
    """Return reason and mend of what ended a file's upload. is_local: the file came from the command line."""
    again = AGAIN_LOCALLY if is_local else AGAIN
    known = {"again": again, "mend": fault.mend or f"请稍后{again}"}
    known["status"] = f"（HTTP {fault.status}）" if fault.status else ""
    if isinstance(fault, DownloadFault):
        why = DOWNLOAD[fault.kind]
        known.update(host=fault.host, limit=layout.size(fault.limit))
    elif isinstance(fault, QingStorFault):
        why = QINGSTOR[fault.kind]
        known.update(code=fault.code, skew=_skew(fault.skew_s))
    else:
        return Why(fault.what, known["mend"])
    return Why(*(text.format_map(known).strip() for text in why))


def too_late(deadline_s: float, *, is_local: bool = False) -> Why:
    """Return that the whole upload took longer than it may."""
    again = AGAIN_LOCALLY if is_local else AGAIN
    return Why(f"没有在总时限 {layout.duration(deadline_s)} 内完成", f"请稍后{again}，或请管理员调大 [upload] deadline")


def _skew(skew_s: float | None) -> str:
    """Return how far the clock is off; to the minute, since the answer was under way for a while."""
    minutes = round(abs(skew_s or 0.0) / 60)
    return f"，比 QingStor {'快' if (skew_s or 0) > 0 else '慢'} {layout.duration(60 * minutes)}" if minutes else ""

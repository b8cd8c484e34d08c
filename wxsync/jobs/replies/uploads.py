"""What a member reads of an upload: its start, its course, its end. Floor: jobs, pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from wxsync.jobs import results
from wxsync.jobs.job import Job
from wxsync.jobs.replies import layout
from wxsync.jobs.results import File
from wxsync.wecom.splitting import fits


def started(job: Job) -> str:
    """Tell that the download has begun."""
    what = f"{len(job.files)} 个链接" if len(job.files) > 1 else job.files[0].source
    return f"📥 正在下载并上传：{layout.cut(what, 300)}"


def under_way(file: File, done: int, total: int | None, rate: float) -> str:
    """Tell how far a long one is. done, total: bytes, total None: not announced; rate: bytes a second."""
    name = layout.cut(file.name or file.source, 200)
    speed = f"{layout.size(rate)}/秒"
    if total is None:
        return f"⏳ 文件上传仍在进行\n{name}：已下载 {layout.size(done)}，{speed}（对方没有告知大小）"
    share = 100 * done // max(1, total)
    rest = f"，大约还要 {layout.duration((total - done) / rate)}" if rate > 0 else ""
    return f"⏳ 文件上传仍在进行\n{name}：{share}%（{layout.size(done)} / {layout.size(total)}），{speed}{rest}"


def ended(job: Job, bucket: str, local: Callable[[datetime], datetime]) -> str:
    """Return the final answer: a block for each file, successes cut before a failure would be."""
    there = [file for file in job.files if file.result == results.SUCCEEDED]
    missed = [file for file in job.files if file.result != results.SUCCEEDED]
    head = [_first_line(job, len(there), len(missed))]
    if job.reason:
        head.append(f"原因：{layout.cut(job.reason, 400)}")
    blocks = ["\n".join(["", *_block(file, bucket, local)]) for file in (*missed, *there)]
    text = "\n".join([*head, *blocks])
    if fits(text, job.id):
        return text
    failures = [layout.Line(file.source, file.source, _why(file)) for file in missed]
    head += layout.shortened(job.id, failures, layout.FAILURE_STEPS, len("\n".join(head).encode()))
    lines = [f"{layout.cut(file.name, 200)} {file.destination}" for file in there]
    return layout.within_bounds(job.id, head, lines, [])


def _first_line(job: Job, there: int, missed: int) -> str:
    if job.result == results.CANCELLED:
        return f"⚠️ 已取消\n取消前已上传 {there} 个，未上传 {missed} 个" if there + missed > 1 else "⚠️ 已取消"
    if not missed:
        return "✅ 文件上传成功！" + (f"共 {there} 个" if there > 1 else "")
    return "❌ 文件上传失败" + (f"：成功 {there} 个，失败 {missed} 个" if there + missed > 1 else "")


def _block(file: File, bucket: str, local: Callable[[datetime], datetime]) -> list[str]:
    if file.result != results.SUCCEEDED:
        lines = [f"链接: {file.source}", f"原因: {file.reason}", f"处理: {file.mend}"]
        return [line for line in lines if not line.endswith(": ")]
    until = datetime.fromisoformat(file.valid_until) if file.valid_until else None
    return [
        f"文件名: {file.name}",
        f"文件大小: {file.size} 字节",
        f"存储桶: {bucket}",
        f"下载链接: {file.destination}",
        f"链接有效期: {f'到 {local(until):%Y-%m-%d %H:%M}' if until else '长期有效（公开存储桶）'}",
        f"SHA256: {file.sha256}",
    ]


def _why(file: File) -> str:
    return f"{file.reason}；{file.mend}" if file.mend else file.reason

"""What a member reads beside the course of a job: stopping one, repeating one, the token's end. Floor: jobs, pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from wxsync.jobs import results
from wxsync.jobs.job import Job


def why_cancelled(job: Job) -> str:
    """Return who cancelled a job, empty when it was its own member."""
    if not job.cancelled_by:
        return "工作流运行在 GitHub 页面上被取消"
    return "" if job.cancelled_by == job.member else f"由 {job.cancelled_by} 取消"


def cancelled_unstarted(job: Job) -> str:
    """Return the final answer of a job that was cancelled before anything of it began."""
    why = why_cancelled(job)
    nothing = "没有上传任何文件" if job.kind == "upload" else "没有同步任何镜像"
    return f"⚠️ 已取消\n还没有开始，{nothing}。" + (f"\n原因：{why}" if why else "")


def cancelling(job: Job, others: int) -> str:
    """Tell that a job is being stopped; its own final answer tells what was done until then."""
    what = f"，{len(job.items)} 个镜像" if job.items else f"，{len(job.files)} 个文件" if job.files else ""
    done = "已经上传的文件" if job.kind == "upload" else "已经同步的镜像"
    more = f"\n另有 {others} 个任务还在进行，再发送「取消」可继续取消。" if others else ""
    return f"ℹ️ 正在取消任务 #{job.id}（{job.member}{what}）\n停下后会通知结果和{done}。{more}"


def nothing_to_cancel(jobs: Sequence[Job]) -> str:
    """Tell why nothing was cancelled. jobs: open ones, the member's own when there are any, else those of others."""
    if not jobs:
        return "ℹ️ 没有可以取消的任务"
    job = jobs[-1]
    if job.cancelled_by:
        return f"ℹ️ 任务 #{job.id} 已经在取消中\n停下后会通知结果。"
    return f"ℹ️ 没有可以取消的任务\n进行中的任务 #{job.id} 属于 {job.member}，只有本人和管理员能取消。"


def nothing_to_retry(last: Job | None) -> str:
    """Tell why nothing is repeated; last: the member's last sync or upload."""
    if last is None:
        return "ℹ️ 没有可以重试的任务\n你还没有同步过镜像或上传过文件。"
    if last.ended_at is None:
        return f"ℹ️ 任务 #{last.id} 还没有结束\n收到它的结果后再发送「重试」；发送「取消」可停止它。"
    if last.spooled and last.result != results.SUCCEEDED:
        return f"ℹ️ 任务 #{last.id} 上传的是本地文件，不能重试\n请重新执行 wxsyncd upload。"
    if last.kind == "upload":
        return f"ℹ️ 没有需要重试的文件\n上一次上传（任务 #{last.id}）的文件都已上传。"
    return f"ℹ️ 没有需要重试的镜像\n上一次同步（任务 #{last.id}）的镜像都已成功。"


def token_expires(at_local: datetime, left: timedelta) -> str:
    """Warn an administrator; it belongs to no job, and no first character of an answer stands there."""
    days = left.total_seconds() / 86400
    when = "已经到期" if days <= 0 else "一天之内到期" if days <= 1 else f"{math.ceil(days)} 天后到期"
    return (
        f"⏰ GitHub 令牌{when}（{at_local:%Y-%m-%d %H:%M}）\n"
        "到期后镜像同步会失败。请新建令牌，写进 [github] token（GITHUB_TOKEN），再执行 systemctl reload wxsyncd。"
    )

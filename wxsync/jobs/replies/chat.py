"""What a member reads who asks: help, status, history. Floor: jobs, pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from wxsync.jobs import results
from wxsync.jobs.job import Job
from wxsync.jobs.replies import layout

RESULT_WORDS = {
    results.SUCCEEDED: "成功",
    results.SKIPPED: "已存在",
    results.PARTLY: "部分成功",
    results.FAILED: "失败",
    results.TIMED_OUT: "超时",
    results.CANCELLED: "已取消",
    results.REFUSED: "未开始",
    "": "进行中",
}
STATE_WORDS = {
    "accepted": "等待处理",
    "announced": "正在写入 images.txt",
    "committed": "正在启动工作流",
    "dispatched": "等待工作流开始",
    "running": "工作流运行中",
    "copying": "正在复制镜像",
    "concluded": "正在汇总结果",
    "fetching": "正在获取文件",
    "uploading": "正在上传",
    "stored": "文件已存好",
    "ended": "已结束",
}
KIND_WORDS = {"sync": "镜像同步", "upload": "文件上传"}
HELP = """ℹ️ 使用帮助

同步镜像：发送镜像名，逗号或换行分隔（带标签的也可以用空格）
  nginx:latest, redis:7.0
  --platform=linux/arm64 mysql:8.0
  nginx:1.27 -> web:v3（指定目标名称）
上传文件：发送 http:// 或 https:// 开头的链接，每行一个
查询：状态、历史、帮助
取消：停止自己还在进行的任务
重试：只重做上一个任务中没有成功的部分"""


def help_text(suggestion: str | None) -> str:
    """Return the help, with the proposal first when one word looks like an image."""
    return f"ℹ️ 你是不是想发送：{suggestion}\n\n{HELP}" if suggestion else HELP


def status(jobs: Sequence[Job], now: datetime, local: Callable[[datetime], datetime]) -> str:
    """Tell what is under way, oldest first."""
    if not jobs:
        return "ℹ️ 当前没有进行中的任务"
    lines = [f"ℹ️ 进行中的任务：{len(jobs)} 个"]
    for job in jobs[:20]:
        began = job.started_at or job.created_at
        entries = job.items or job.files
        done = sum(bool(entry.result) for entry in entries)
        count = f"，{len(entries)} 个{'镜像' if job.items else '文件'}" if entries else ""
        known = f"（已有结果 {done} 个）" if done else ""
        lines.append(
            f"#{job.id} {KIND_WORDS.get(job.kind, job.kind)}（{job.member}{count}{known}）："
            f"{_state(job)}，"
            f"{local(began):%H:%M:%S} 开始，已 {layout.duration((now - began).total_seconds())}{layout.link(job)}"
        )
    return "\n".join(lines)


def history(jobs: Sequence[Job], local: Callable[[datetime], datetime]) -> str:
    """List the newest jobs first: number, time, member, images, result."""
    if not jobs:
        return "ℹ️ 还没有历史任务"
    lines = [f"ℹ️ 最近 {len(jobs)} 个任务"]
    for job in jobs:
        # A link may hold a password, so an upload never shows the member's text.
        shown = [layout.shown(item) for item in job.items] or [file.name or file.source for file in job.files]
        named = "、".join(layout.cut(each, 80) for each in shown[:3])
        names = named or (layout.cut(job.text, 40) if job.kind == "sync" else KIND_WORDS.get(job.kind, job.kind))
        more = f" 等 {len(shown)} 个" if len(shown) > 3 else ""
        lines.append(
            f"#{job.id} {local(job.created_at):%m-%d %H:%M} {job.member} {names}{more}："
            f"{RESULT_WORDS.get(job.result, job.result)}"
        )
    return "\n".join(lines)


def _state(job: Job) -> str:
    if job.cancelled_by:
        return "正在取消"
    return "排队中" if job.is_queued and job.state == "accepted" else STATE_WORDS.get(job.state, job.state)

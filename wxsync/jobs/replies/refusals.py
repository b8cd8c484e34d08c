"""What a member reads when nothing was started, or not yet. Floor: jobs, pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from wxsync.jobs.command import BadItem
from wxsync.jobs.job import Job
from wxsync.jobs.replies import layout

BUSY = "⚠️ 已有任务正在处理中"  # the first line of every refusal that waiting mends


def queued(ahead: int) -> str:
    """Tell that the request waits for its turn."""
    return f"📥 已加入队列，前面还有 {ahead} 个任务\n轮到时会自动开始，无需重新发送。"


def busy(running: Job, now: datetime, started_local: datetime) -> str:
    """Refuse because another sync holds the slot: what runs, since when, what to do."""
    since = (now - (running.started_at or running.created_at)).total_seconds()
    return (
        f"{BUSY}\n"
        f"任务 #{running.id}（{running.member}，{len(running.items)} 个镜像）开始于 {started_local:%H:%M:%S}，"
        f"已进行 {layout.duration(since)}。\n"
        f"请等它完成后重新发送；发送「状态」可查看进度。{layout.link(running)}"
    )


def busy_elsewhere() -> str:
    """Refuse because another process holds the sync slot."""
    return f"{BUSY}\n另一个进程正在执行同步，请几分钟后重新发送。"


def queue_full(most: int) -> str:
    """Refuse because the queue has no room."""
    return f"{BUSY}\n排队的任务已有 {most} 个，请稍后重新发送。"


def refused(items: Sequence[BadItem], job_number: int) -> str:
    """Name each bad item with its reason and the near correction; nothing was started."""
    head = ["⚠️ 没有开始", "以下内容有问题，请改正后重新发送："]
    near, below = zip(*(_corrected(item.suggestion or "") for item in items))
    lines = [layout.Line(f"- {item.shown}", f"- {item.shown}", item.reason + more) for item, more in zip(items, near)]
    shown = [line + more for line, more in zip(layout.shortened(job_number, lines, layout.REFUSAL_STEPS), below)]
    return layout.within_bounds(job_number, head, shown, [], "…其余 {} 项有问题的内容没有列出")


def _corrected(suggestion: str) -> tuple[str, str]:
    """Return what stands beside the reason and what below it: where the line ends are the mend, they must show."""
    if "\n" in suggestion:
        return "，可改为：", f"\n{suggestion}"
    return f"，可改为：{suggestion}" if suggestion else "", ""


def clashes(lines: Sequence[tuple[str, str]], job_number: int) -> str:
    """Refuse because of destination names: (image as written, reason) each."""
    entries = [layout.Line(f"- {written}", f"- {written}", reason) for written, reason in lines]
    shown = layout.shortened(job_number, entries, layout.REFUSAL_STEPS)
    return layout.within_bounds(job_number, ["⚠️ 没有开始"], shown, [], "…其余 {} 项没有列出")


def not_allowed() -> str:
    """Refuse a member who is not on the list."""
    return "⚠️ 没有开始\n你不在允许使用的成员名单中，请联系管理员（[wecom] allow_users）。"


def part_missing(what: str, missing: Sequence[str]) -> str:
    """Refuse because a part is not configured: name the settings that are missing."""
    return f"⚠️ 没有开始\n{what}没有启用，请联系管理员补上配置：{'、'.join(missing)}。"


def internal_error(job: Job) -> str:
    """Return the final answer when the program itself failed."""
    title = {"sync": "❌ 镜像同步失败", "upload": "❌ 文件上传失败"}.get(job.kind, "❌ 处理失败")
    return f"{title}\n程序内部错误，已写入日志，请联系管理员（任务 #{job.id}）。{layout.link(job)}"

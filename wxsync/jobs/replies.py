"""Every text that a member sees, in one place; the first character tells whether it is final. Floor: jobs, pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from wxsync.jobs import job as lives
from wxsync.jobs.command import BadItem
from wxsync.jobs.job import Item, Job
from wxsync.wecom.splitting import fits

REASON_CLASSES = {  # the workflow's classes of failure: what it means for the member, and one next step
    "not-found": "镜像或标签不存在（或是私有镜像），请检查名称和标签",
    "no-platform": "该镜像没有所要的平台，请去掉 --platform 或换一个平台",
    "source-denied": "源仓库拒绝访问（私有镜像或需要登录），请让管理员配置源仓库凭据",
    "destination-denied": "目标仓库拒绝写入，请让管理员检查 DOCKER_USERNAME / DOCKER_PASSWORD 和命名空间",
    "rate-limited": "源仓库限制拉取次数，请过一会儿再发送",
    "quota": "目标仓库配额已满，请让管理员清理后再发送",
    "network": "连接仓库失败，请稍后再发送",
    "disk": "运行器磁盘空间不足，请分开发送大镜像",
    "bad-line": "images.txt 中的这一行无法识别",
    "clash": "目标名称与本次的另一个镜像冲突，请用「镜像 -> 名称:标签」另起名称",
    "digest-mismatch": "复制后摘要不一致，请重新发送",
    "unset-secret": "GitHub Secrets 没有配置完整，请让管理员检查 DOCKER_USERNAME 等四项",
}
RESULT_WORDS = {
    lives.SUCCEEDED: "成功",
    lives.SKIPPED: "已存在",
    lives.PARTLY: "部分成功",
    lives.FAILED: "失败",
    lives.TIMED_OUT: "超时",
    lives.CANCELLED: "已取消",
    lives.REFUSED: "未开始",
    "": "进行中",
}
STATE_WORDS = {
    "accepted": "等待处理",
    "announced": "正在提交 images.txt",
    "committed": "正在启动工作流",
    "dispatched": "等待工作流开始",
    "running": "工作流运行中",
    "concluded": "正在汇总结果",
    "ended": "已结束",
}
KIND_WORDS = {"sync": "镜像同步", "upload": "文件上传"}
HELP = """ℹ️ 使用帮助

同步镜像：发送镜像名，逗号或换行分隔（带标签的也可以用空格）
  nginx:latest, redis:7.0
  --platform=linux/arm64 mysql:8.0
  nginx:1.27 -> web:v3（指定目标名称）
查询：状态、历史、帮助
取消：停止自己还在进行的同步
重试：只同步上一次没有成功的镜像"""
RETRY_HINT = "发送「重试」可只同步没有成功的镜像"
TIMES_A_LINE = 5


def reason_text(reason_class: str, reason: str) -> str:
    """Return why an image failed: the class in Chinese with its next step, and the workflow's own words if any."""
    words = REASON_CLASSES.get(reason_class, "")
    return f"{words}（{_cut(reason, 160)}）" if words and reason else words or _cut(reason, 200)


def announced(job: Job) -> str:
    """Tell which images go where."""
    head = ["🔄 正在处理镜像同步请求...", f"共 {len(job.items)} 个镜像："]
    lines = [f"{n}. {_name(item)} → {job.prefix}{item.destination}" for n, item in enumerate(job.items, 1)]
    tail = [f"（任务 #{job.retry_of} 中没有成功的镜像）"] if job.retry_of else []
    return _within_bounds(job.id, head, lines, tail)


def queued(ahead: int) -> str:
    """Tell that the request waits for its turn."""
    return f"📥 已加入队列，前面还有 {ahead} 个任务\n轮到时会自动开始，无需重新发送。"


def still_running(job: Job, waited_s: float) -> str:
    """Tell that it takes longer than expected; the final answer still comes."""
    return f"⏳ 同步仍在进行\n已等待 {duration(waited_s)}，完成后会再通知结果。{_link(job)}"


def concluded(job: Job, took_s: float) -> str:
    """Return the final answer of a sync job whose images all have a result."""
    mirrored = [item for item in job.items if item.is_mirrored]
    missed = [(n, item) for n, item in enumerate(job.items, 1) if not item.is_mirrored]
    pulls = [f"docker pull {job.prefix}{item.destination}" for item in mirrored]
    tail = [f"用时 {duration(took_s)}"]
    skipped = sum(item.result == lives.SKIPPED for item in mirrored)
    if skipped:
        tail.insert(0, f"其中 {skipped} 个目标已是同一摘要，未重复复制")
    if job.cancelled_by and job.result != lives.CANCELLED:
        tail.insert(0, "收到了取消，但工作流没有来得及停下")
    if job.result == lives.SUCCEEDED:
        return _with_times(job, _within_bounds(job.id, [f"✅ 镜像同步完成！成功 {len(mirrored)} 个"], pulls, tail))
    unknown = sum(item.result == lives.TIMED_OUT for _, item in missed)
    if job.result == lives.TIMED_OUT:
        counts = f"已确认成功 {len(mirrored)} 个，失败 {len(missed) - unknown} 个，没有结果 {unknown} 个"
        head = ["❌ 镜像同步超时", counts]
    elif job.result == lives.CANCELLED:
        head = ["⚠️ 已取消", f"取消前已同步 {len(mirrored)} 个，未同步 {len(missed)} 个"]
    else:
        head = [f"❌ 镜像同步失败：成功 {len(mirrored)} 个，失败 {len(missed)} 个"]
    if job.reason:
        head.append(f"原因：{_cut(job.reason, 400)}")
    failures = [
        _Line(f"{n}. {_name(item)}", item.source, "" if item.reason == job.reason else item.reason)
        for n, item in missed
    ]
    after = [_link(job).strip(), RETRY_HINT] if job.run_url else [RETRY_HINT]
    head += _shortened(job.id, failures, FAILURE_STEPS, len("\n".join([*head, *after, *tail]).encode()))
    return _with_times(job, _within_bounds(job.id, head + after, ["已成功：", *pulls] if pulls else [], tail))


def internal_error(job: Job) -> str:
    """Return the final answer when the program itself failed."""
    title = "❌ 镜像同步失败" if job.kind == "sync" else "❌ 处理失败"
    return f"{title}\n程序内部错误，已写入日志，请联系管理员（任务 #{job.id}）。{_link(job)}"


def busy(running: Job, now: datetime, started_local: datetime) -> str:
    """Refuse because another sync holds the slot: what runs, since when, what to do."""
    since = (now - (running.started_at or running.created_at)).total_seconds()
    return (
        "⚠️ 已有任务正在处理中\n"
        f"任务 #{running.id}（{running.member}，{len(running.items)} 个镜像）开始于 {started_local:%H:%M:%S}，"
        f"已进行 {duration(since)}。\n"
        f"请等它完成后重新发送；发送「状态」可查看进度。{_link(running)}"
    )


def busy_elsewhere() -> str:
    """Refuse because another process holds the sync slot."""
    return "⚠️ 已有任务正在处理中\n另一个进程正在执行同步，请几分钟后重新发送。"


def queue_full(most: int) -> str:
    """Refuse because the queue has no room."""
    return f"⚠️ 已有任务正在处理中\n排队的任务已有 {most} 个，请稍后重新发送。"


def refused(items: Sequence[BadItem], job_number: int) -> str:
    """Name each bad item with its reason and the near correction; nothing was started."""
    head = ["⚠️ 没有开始", "以下内容有问题，请改正后重新发送："]
    nearby = [f"，可改为：{item.suggestion}" if item.suggestion else "" for item in items]
    lines = [
        _Line(f"- {item.shown}", f"- {item.shown}", item.reason + near) for item, near in zip(items, nearby)
    ]
    shown = _shortened(job_number, lines, REFUSAL_STEPS)
    return _within_bounds(job_number, head, shown, [], "…其余 {} 项有问题的内容没有列出")


def clashes(lines: Sequence[tuple[str, str]], job_number: int) -> str:
    """Refuse because of destination names: (image as written, reason) each."""
    entries = [_Line(f"- {written}", f"- {written}", reason) for written, reason in lines]
    shown = _shortened(job_number, entries, REFUSAL_STEPS)
    return _within_bounds(job_number, ["⚠️ 没有开始"], shown, [], "…其余 {} 项没有列出")


def not_allowed() -> str:
    """Refuse a member who is not on the list."""
    return "⚠️ 没有开始\n你不在允许使用的成员名单中，请联系管理员（[wecom] allow_users）。"


def part_missing(what: str, missing: Sequence[str]) -> str:
    """Refuse because a part is not configured: name the settings that are missing."""
    return f"⚠️ 没有开始\n{what}没有启用，请联系管理员补上配置：{'、'.join(missing)}。"


def uploads_not_there() -> str:
    """Refuse a link while this version has no uploads."""
    return "⚠️ 没有开始\n收到链接。本版本还不支持文件上传，请等待后续版本。"


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
        done = sum(bool(item.result) for item in job.items)
        images = f"，{len(job.items)} 个镜像" + (f"（已有结果 {done} 个）" if done else "") if job.items else ""
        lines.append(
            f"#{job.id} {KIND_WORDS.get(job.kind, job.kind)}（{job.member}{images}）："
            f"{_state(job)}，"
            f"{local(began):%H:%M:%S} 开始，已 {duration((now - began).total_seconds())}{_link(job)}"
        )
    return "\n".join(lines)


def history(jobs: Sequence[Job], local: Callable[[datetime], datetime]) -> str:
    """List the newest jobs first: number, time, member, images, result."""
    if not jobs:
        return "ℹ️ 还没有历史任务"
    lines = [f"ℹ️ 最近 {len(jobs)} 个任务"]
    for job in jobs:
        # A link may hold a password, so an upload shows no text of the member's.
        named = "、".join(_name(item) for item in job.items[:3])
        names = named or (_cut(job.text, 40) if job.kind == "sync" else KIND_WORDS.get(job.kind, job.kind))
        more = f" 等 {len(job.items)} 个" if len(job.items) > 3 else ""
        lines.append(
            f"#{job.id} {local(job.created_at):%m-%d %H:%M} {job.member} {names}{more}："
            f"{RESULT_WORDS.get(job.result, job.result)}"
        )
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Return a time span in Chinese: 0.4 s is shown as 1 秒, since nothing takes no time."""
    whole = max(1, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{hours} 小时" if hours else "", f"{minutes} 分" if minutes else "", f"{left} 秒" if left else ""]
    return " ".join(part for part in parts if part)


def _name(item: Item) -> str:
    return f"{item.source}（{','.join(item.platforms)}）" if item.platforms else item.source


def _state(job: Job) -> str:
    if job.cancelled_by:
        return "正在取消"
    return "排队中" if job.is_queued and job.state == "accepted" else STATE_WORDS.get(job.state, job.state)


def _with_times(job: Job, text: str) -> str:
    """Add, before the last line, how long each image took; a single image's time is the whole time. Only if it fits."""
    timed = [f"{_name(item)} {duration(item.seconds)}" for item in job.items if item.seconds is not None]
    rows = ["，".join(timed[at : at + TIMES_A_LINE]) for at in range(0, len(timed), TIMES_A_LINE)]
    first, _, last = text.rpartition("\n")
    longer = "\n".join([first, "各镜像用时：" + "\n".join(rows), last])
    return longer if len(timed) > 1 and fits(longer, job.id) else text


def _link(job: Job) -> str:
    return f"\n详情：{job.run_url}" if job.run_url else ""


def _cut(text: str, most: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def _within_bounds(
    job_number: int, head: list[str], lines: list[str], tail: list[str], rest: str = "…其余 {} 个见历史"
) -> str:
    """Join; as many of lines as ten parts hold, the rest counted."""
    kept = len(lines)
    while True:
        cut = [rest.format(len(lines) - kept)] if kept < len(lines) else []
        text = "\n".join(head + lines[:kept] + cut + tail)
        if kept == 0 or fits(text, job_number):
            return text
        kept -= max(1, kept // 20)


class _Line(NamedTuple):
    """One image that failed or was refused: its name, a shorter one, and why."""

    name: str
    short: str
    reason: str


# How many characters of name and reason to show, the first that fits: a failed image is always named (name 0: its
# short form), a refused item always has its reason.
FAILURE_STEPS = ((400, 200), (400, 80), (400, 24), (400, 0), (0, 0))
REFUSAL_STEPS = ((200, 200), (80, 80), (24, 60))


def _shortened(
    job_number: int, lines: Sequence[_Line], steps: Sequence[tuple[int, int]], beside_bytes: int = 100
) -> list[str]:
    """Return a line for each; names and reasons get shorter before one of the lines would be lost."""
    room = "x" * beside_bytes
    texts: list[str] = []
    for name_most, reason_most in steps:
        texts = []
        for line in lines:
            name = _cut(line.name, name_most) if name_most else line.short
            texts.append(f"{name}：{_cut(line.reason, reason_most)}" if line.reason and reason_most else name)
        if fits("\n".join([*texts, room]), job_number):
            break
    return texts

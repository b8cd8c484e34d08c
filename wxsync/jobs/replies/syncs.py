"""What a member reads of a sync: its start, its course, its end. Floor: jobs, pure."""

from __future__ import annotations

from wxsync.jobs import results
from wxsync.jobs.job import Job
from wxsync.jobs.replies import absences, layout
from wxsync.jobs.results import Item

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
LOCAL_CLASSES = {  # the same of a copy by this process
    **REASON_CLASSES,
    "source-denied": "源仓库拒绝访问（私有镜像或需要登录），请让管理员在 [registry] source_auth 配置源仓库凭据",
    "destination-denied": "目标仓库拒绝写入，请让管理员检查 [registry] username / password 和命名空间",
    "source-network": "连接源仓库失败",
    "destination-network": "连接目标仓库失败",
    "source-trouble": "源仓库的答复不正常，请稍后再发送",
    "destination-trouble": "目标仓库的答复不正常，请稍后再发送",
    "old-format": "镜像只有 2016 年以前的旧格式（schema 1），不能复制；请换一个较新的标签",
    "too-large": "镜像索引里的平台太多，请用 --platform 只要其中几个",
    "address-refused": "源仓库的地址不能访问",
}
RETRY_HINT = "发送「重试」可只同步没有成功的镜像"


def reason_text(reason_class: str, reason: str) -> str:
    """Return why an image failed: the class in Chinese with its next step, and the workflow's own words if any."""
    words = REASON_CLASSES.get(reason_class, "")
    return f"{words}（{layout.cut(reason, 160)}）" if words and reason else words or layout.cut(reason, 200)


def local_reason(reason_class: str, reason: str, after_s: float | None = None) -> str:
    """Return why this process could not copy an image: the class, its next step, and what the registry said.

    Where no answer came, the next step is in the reason. after_s: how long the registry wants to be left alone.
    """
    words = LOCAL_CLASSES[reason_class]
    if after_s:
        words = f"{words}；对方要求 {layout.duration(after_s)}后再试"
    return f"{words}（{layout.cut(reason, 160)}）" if reason else words


def announced(job: Job) -> str:
    """Tell which images go where."""
    head = ["🔄 正在处理镜像同步请求...", f"共 {len(job.items)} 个镜像："]
    tail = [f"（任务 #{job.retry_of} 中没有成功的镜像）"] if job.retry_of else []
    numbered = list(enumerate(job.items, 1))
    absent = [
        layout.Line(f"{n}. {absences.MARK} {layout.shown(item)}", f"{n}. {absences.MARK} {item.source}", item.reason)
        for n, item in numbered
        if item.result
    ]
    if not absent:
        return layout.within_bounds(job.id, head, [_place(job, n, item) for n, item in numbered], tail)
    tail.insert(0, f"带 {absences.MARK} 的不会同步，其余照常进行")
    told = iter(layout.shortened(job.id, absent, layout.FAILURE_STEPS))
    lines = [next(told) if item.result else _place(job, n, item) for n, item in numbered]
    whole = layout.within_bounds(job.id, head, lines, tail)
    if "\n".join(lines) in whole:
        return whole
    # Too long for ten parts: what fails is told first, and the others are cut.
    first = [line for line, (_, item) in zip(lines, numbered) if item.result]
    rest = [line for line, (_, item) in zip(lines, numbered) if not item.result]
    return layout.within_bounds(job.id, head + first, rest, tail)


def _place(job: Job, n: int, item: Item) -> str:
    return f"{n}. {layout.shown(item)} → {job.prefix}{item.destination}"


def still_running(job: Job, waited_s: float) -> str:
    """Tell that it takes longer than expected; the final answer still comes."""
    return f"⏳ 同步仍在进行\n已等待 {layout.duration(waited_s)}，完成后会再通知结果。{layout.link(job)}"


def still_copying(job: Job, done: int, total: int, took_s: float) -> str:
    """Tell how far the copying is; the total is of the images that have begun."""
    ended = sum(bool(item.result) for item in job.items)
    amount = f"，已处理 {layout.size(done)}（已知共 {layout.size(total)}）" if total else ""
    return (
        f"⏳ 同步仍在进行\n已有结果 {ended}/{len(job.items)} 个镜像{amount}，"
        f"已用 {layout.duration(took_s)}。完成后会再通知结果。"
    )


def concluded(job: Job, took_s: float) -> str:
    """Return the final answer of a sync job whose images all have a result."""
    mirrored = [item for item in job.items if item.is_mirrored]
    missed = [(n, item) for n, item in enumerate(job.items, 1) if not item.is_mirrored]
    pulls = [f"docker pull {job.prefix}{item.destination}" for item in mirrored]
    tail = [f"用时 {layout.duration(took_s)}{_moved(job)}"]
    skipped = sum(item.result == results.SKIPPED for item in mirrored)
    if skipped:
        tail.insert(0, f"其中 {skipped} 个目标已是同一摘要，未重复复制")
    if job.cancelled_by and job.result != results.CANCELLED:
        tail.insert(0, f"收到了取消，但{'工作流没有来得及停下' if job.run_id else '镜像已经处理完'}")
    if job.result == results.SUCCEEDED:
        head = [f"✅ 镜像同步完成！成功 {len(mirrored)} 个"]
        return layout.with_times(job, layout.within_bounds(job.id, head, pulls, tail))
    unknown = sum(item.result == results.TIMED_OUT for _, item in missed)
    if job.result == results.TIMED_OUT:
        counts = f"已确认成功 {len(mirrored)} 个，失败 {len(missed) - unknown} 个，没有结果 {unknown} 个"
        head = ["❌ 镜像同步超时", counts]
    elif job.result == results.CANCELLED:
        head = ["⚠️ 已取消", f"取消前已同步 {len(mirrored)} 个，未同步 {len(missed)} 个"]
    else:
        head = [f"❌ 镜像同步失败：成功 {len(mirrored)} 个，失败 {len(missed)} 个"]
    if job.reason:
        head.append(f"原因：{layout.cut(job.reason, 400)}")
    failures = [
        layout.Line(f"{n}. {layout.shown(item)}", item.source, "" if item.reason == job.reason else item.reason)
        for n, item in missed
    ]
    after = [layout.link(job).strip(), RETRY_HINT] if job.run_url else [RETRY_HINT]
    head += layout.shortened(job.id, failures, layout.FAILURE_STEPS, len("\n".join([*head, *after, *tail]).encode()))
    rest = ["已成功：", *pulls] if pulls else []
    return layout.with_times(job, layout.within_bounds(job.id, head + after, rest, tail))


def _moved(job: Job) -> str:
    """Return how large the images are and how much of them had to be transferred, as far as this process did it."""
    local = [item for item in job.items if item.moved is not None]
    if not local:
        return ""
    moved, size = sum(item.moved or 0 for item in local), sum(item.size for item in local)
    whole = f"，镜像共 {layout.size(size)}" if size else ""
    return f"{whole}，实际传输 {layout.size(moved)}"

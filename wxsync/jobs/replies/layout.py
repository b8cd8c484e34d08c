"""Lay a text out within what ten parts of a message hold. Floor: jobs, pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wxsync.jobs.job import Job
from wxsync.jobs.results import Item
from wxsync.wecom.splitting import fits

TIMES_A_LINE = 5
# How many characters of name and reason to show, the first that fits: a failed image is always named (name 0: its
# short form), a refused item always has its reason.
FAILURE_STEPS = ((400, 200), (400, 80), (400, 24), (400, 0), (0, 0))
REFUSAL_STEPS = ((200, 200), (80, 80), (24, 60))


class Line(NamedTuple):
    """One image that failed or was refused: its name, a shorter one, and why."""

    name: str
    short: str
    reason: str


def duration(seconds: float) -> str:
    """Return a time span in Chinese: 0.4 s is shown as 1 秒, since nothing takes no time."""
    whole = max(1, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{hours} 小时" if hours else "", f"{minutes} 分" if minutes else "", f"{left} 秒" if left else ""]
    return " ".join(part for part in parts if part)


def size(count: float) -> str:
    """Return a number of bytes as people read it, in units of 1024."""
    value, unit = count, "字节"
    for unit_above in ("KB", "MB", "GB", "TB"):
        if value < 1024:
            break
        value, unit = value / 1024, unit_above
    return f"{value:.0f} {unit}" if unit == "字节" or value >= 100 else f"{value:.1f} {unit}"


def shown(item: Item) -> str:
    """Return an image as the member wrote it, with its platforms."""
    return f"{item.source}（{','.join(item.platforms)}）" if item.platforms else item.source


def cut(text: str, most: int) -> str:
    """Return the text on one line, at most so many characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def link(job: Job) -> str:
    """Return the line that leads to the job's run, empty when there is none."""
    return f"\n详情：{job.run_url}" if job.run_url else ""


def with_times(job: Job, text: str) -> str:
    """Add, before the last line, how long each image took; a single image's time is the whole time. Only if it fits."""
    timed = [f"{shown(item)} {duration(item.seconds)}" for item in job.items if item.seconds is not None]
    rows = ["，".join(timed[at : at + TIMES_A_LINE]) for at in range(0, len(timed), TIMES_A_LINE)]
    first, _, last = text.rpartition("\n")
    longer = "\n".join([first, "各镜像用时：" + "\n".join(rows), last])
    return longer if len(timed) > 1 and fits(longer, job.id) else text


def within_bounds(
    job_number: int, head: list[str], lines: list[str], tail: list[str], rest: str = "…其余 {} 个见历史"
) -> str:
    """Join; as many of lines as ten parts hold, the rest counted."""
    kept = len(lines)
    while True:
        left_out = [rest.format(len(lines) - kept)] if kept < len(lines) else []
        text = "\n".join(head + lines[:kept] + left_out + tail)
        if kept == 0 or fits(text, job_number):
            return text
        kept -= max(1, kept // 20)


def shortened(
    job_number: int, lines: Sequence[Line], steps: Sequence[tuple[int, int]], beside_bytes: int = 100
) -> list[str]:
    """Return a line for each; names and reasons get shorter before one of the lines would be lost."""
    room = "x" * beside_bytes
    texts: list[str] = []
    for name_most, reason_most in steps:
        texts = []
        for line in lines:
            name = cut(line.name, name_most) if name_most else line.short
            texts.append(f"{name}：{cut(line.reason, reason_most)}" if line.reason and reason_most else name)
        if fits("\n".join([*texts, room]), job_number):
            break
    return texts

"""What an operator reads of jobs: the list, one job, its result, its course. Floor: cli, pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from wxsync.jobs.replies import refusals
from wxsync.jobs.replies.chat import KIND_WORDS, RESULT_WORDS, STATE_WORDS
from wxsync.jobs.replies.layout import duration, size
from wxsync.jobs.results import PARTLY, REFUSED, SKIPPED, SUCCEEDED

Told = Mapping[str, Any]  # one job, as `jobs.listing` tells it
Local = Callable[[datetime], datetime]

OK, FAILED, PARTLY_OK, BUSY = 0, 1, 3, 75
BAR_CELLS, MOST_BARS = 20, 10
NAMED = 3  # images, in a line of the list
COMMANDS = {"help": "帮助", "status": "状态", "history": "历史", "cancel": "取消", "retry": "重试"}
KINDS = {**KIND_WORDS, **COMMANDS, "invalid": "无效"}
HEADINGS = ("任务", "开始", "类型", "成员", "结果", "内容")


def status(job: Told, kind: str = "") -> int:
    """Return the exit status for a job that has ended; kind: what it was meant to be, when that is known."""
    if job["result"] == SUCCEEDED and kind in {"", job["kind"]}:
        return OK
    if job["result"] == REFUSED and job["text"].startswith(refusals.BUSY):
        return BUSY
    return PARTLY_OK if job["result"] == PARTLY else FAILED


def together(statuses: Sequence[int]) -> int:
    """Return the exit status of several jobs: theirs when it is one, partly when some of them succeeded."""
    if len(set(statuses)) == 1:
        return statuses[0]
    return PARTLY_OK if {OK, PARTLY_OK} & set(statuses) else FAILED


def result(job: Told) -> tuple[list[str], list[str]]:
    """Return what a job that has ended brought about, a line for each image or file, and what it did not."""
    pull = "docker pull " if job["kind"] == "sync" else ""
    there = [item for item in job["items"] if item["result"] in {SUCCEEDED, SKIPPED}]
    missed = [item for item in job["items"] if item["result"] not in {SUCCEEDED, SKIPPED}]
    good = [pull + item["destination"] for item in there]
    bad = [line for item in missed for line in _failed(item)]
    bad += [f"{item['source']}：链接有效到 {item['valid_until']}" for item in there if item.get("valid_until")]
    if not job["items"]:
        (good if job["result"] == SUCCEEDED else bad).extend(job["text"].splitlines())
    elif job["result"] != SUCCEEDED:
        bad.insert(0, f"任务 #{job['id']} {RESULT_WORDS.get(job['result'], job['result'])}")
        bad += [f"原因：{job['reason']}"] if job["reason"] else []
        bad += [f"详情：{job['run_url']}"] if job["run_url"] else []
    return [plain(line) for line in good], [plain(line) for line in bad]


def table(jobs: Sequence[Told], local: Local) -> list[str]:
    """Return the list of jobs, a line for each."""
    rows = [HEADINGS, *(_row(job, local) for job in jobs)]
    widths = [max(_width(row[at]) for row in rows) for at in range(len(HEADINGS))]
    return [
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths)).rstrip() for row in rows
    ]


def one(job: Told, local: Local) -> list[str]:
    """Return all about one job."""
    ended = f"，{_clock_time(job['ended_at'], local)} 结束" if job["ended_at"] else ""
    lines = [
        f"任务 #{job['id']}：{KINDS.get(job['kind'], job['kind'])}，{job['member']}，{state(job)}",
        f"{_clock_time(job['created_at'], local)} 开始{ended}",
    ]
    if not job["items"]:
        lines += ["内容：", *(f"  {line}" for line in job["request"].splitlines())]
    lines += [line for item in job["items"] for line in (_item_line(item), *_mend(item))]
    lines += [f"原因：{job['reason']}"] if job["reason"] else []
    lines += [f"详情：{job['run_url']}"] if job["run_url"] else []
    lines += ["答复：", *(f"  {line}" for line in job["text"].splitlines())] if job["text"] else []
    return [plain(line) for line in lines]


def state(job: Told) -> str:
    """Return where a job stands, or how it ended."""
    if job["ended_at"]:
        return RESULT_WORDS.get(job["result"]) or str(job["result"])
    if job.get("cancelled_by"):
        return "正在取消"
    return "排队中" if job.get("is_queued") and job["state"] == "accepted" else STATE_WORDS.get(job["state"], "进行中")


def course(job: Told, rates: Sequence[float | None], columns: int) -> list[str]:
    """Return lines that tell how far an open job is, none wider than columns; rates: bytes a second of each item."""
    known = sum(bool(item["result"]) for item in job["items"])
    count = f"（{known}/{len(job['items'])}）" if len(job["items"]) > 1 else ""
    lines = [f"#{job['id']} {KINDS.get(job['kind'], job['kind'])}：{state(job)}{count}"]
    moving = [
        _bar(item["source"], amount, rate)
        for item, amount, rate in zip(job["items"], job["progress"], rates)
        if amount["done"] and not item["result"]
    ]
    lines += moving[:MOST_BARS] + ([f"  … 另有 {len(moving) - MOST_BARS} 个"] if len(moving) > MOST_BARS else [])
    return [_cut(plain(line), columns) for line in lines]


def plain(text: str) -> str:
    """Return a line without what a terminal would obey: members and registries chose parts of it."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _bar(name: str, amount: Told, rate: float | None) -> str:
    done, total = amount["done"], amount["total"]
    speed = f" {size(rate)}/秒" if rate is not None else ""
    if not total:
        return f"  {size(done)}{speed} {name}"
    filled = min(BAR_CELLS, BAR_CELLS * done // total)
    cells = "█" * filled + "░" * (BAR_CELLS - filled)
    return f"  {cells} {min(100, 100 * done // total):3}% {size(done)} / {size(total)}{speed} {name}"


def _row(job: Told, local: Local) -> tuple[str, ...]:
    names = [str(item["source"]) for item in job["items"]]
    more = f" 等 {len(names)} 个" if len(names) > NAMED else ""
    kind = KINDS.get(job["kind"]) or str(job["kind"])
    cells = (f"#{job['id']}", _clock_time(job["created_at"], local), kind, job["member"], state(job))
    return tuple(plain(cell) for cell in (*cells, "、".join(names[:NAMED]) + more))


def _item_line(item: Told) -> str:
    took = f"，{duration(item['seconds'])}" if item["seconds"] is not None else ""
    reason = f"：{item['reason']}" if item["reason"] else ""
    target = f" → {item['destination']}" if item["destination"] else ""
    return f"  {item['source']}{target}（{RESULT_WORDS.get(item['result'], item['result'])}{took}）{reason}"


def _failed(item: Told) -> list[str]:
    return [f"{item['source']}：{item['reason'] or RESULT_WORDS.get(item['result'], '没有结果')}", *_mend(item)]


def _mend(item: Told) -> list[str]:
    return [f"  处理：{item['mend']}"] if item.get("mend") else []


def _clock_time(instant: str, local: Local) -> str:
    return f"{local(datetime.fromisoformat(instant)):%Y-%m-%d %H:%M:%S}"


def _width(text: str) -> int:
    return sum(_columns(each) for each in text)


def _columns(character: str) -> int:
    """Return how many columns a terminal gives a character (Unicode standard annex 11)."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(text: str, columns: int) -> str:
    kept, width = "", 0
    for each in text:
        width += _columns(each)
        if width > columns:
            break
        kept += each
    return kept

"""What an operator reads of jobs: results, lists, bars, and nothing that a terminal would obey."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from wxsync.commands import shown

CHINA = timezone(timedelta(hours=8))


def local(instant: datetime) -> datetime:
    return instant.astimezone(CHINA)


def item(source: str = "nginx:latest", result: str = "succeeded", **changes: Any) -> dict[str, Any]:
    return {"source": source, "destination": f"r.io/ns/{source}", "result": result, "reason": "", "seconds": None,
            **changes}


def job(*items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    ended = "2026-01-02T03:05:05.000+00:00"
    return {"id": 12, "kind": "sync", "member": "zhangsan", "state": "ended", "result": "succeeded",
            "created_at": "2026-01-02T03:04:05.000+00:00", "ended_at": ended, "run_url": "", "items": list(items),
            "request": "nginx:latest", "reason": "", "cancelled_by": "", "is_queued": False, "text": "",
            "progress": [], **changes}


@pytest.mark.parametrize(("told", "kind", "wanted"), [
    (job(), "sync", 0), (job(kind="help"), "sync", 1), (job(kind="help"), "", 0), (job(result="partly"), "sync", 3),
    (job(result="failed"), "sync", 1), (job(result="cancelled"), "sync", 1), (job(result="timed_out"), "", 1),
    (job(result="refused", text="⚠️ 没有开始"), "sync", 1),
    (job(result="refused", text="⚠️ 已有任务正在处理中\n请稍后"), "sync", 75)])
def test_the_exit_status_follows_the_result(told, kind, wanted):
    assert shown.status(told, kind) == wanted


@pytest.mark.parametrize(("statuses", "wanted"), [
    ([0], 0), ([75], 75), ([0, 0], 0), ([1, 1], 1), ([0, 1], 3), ([3, 1], 3), ([75, 1], 1), ([0, 75], 3)])
def test_several_jobs_have_one_exit_status(statuses, wanted):
    assert shown.together(statuses) == wanted


class TestResult:
    def test_a_sync_is_pull_commands_and_what_failed_with_its_reason(self):
        told = job(item(), item("redis:7", "skipped"), item("x:1", "failed", reason="没有"), item("y:1", "cancelled"),
                   result="partly", reason="被取消", run_url="https://g/1")
        assert shown.result(told) == (
            ["docker pull r.io/ns/nginx:latest", "docker pull r.io/ns/redis:7"],
            ["任务 #12 部分成功", "x:1：没有", "y:1：已取消", "原因：被取消", "详情：https://g/1"])

    def test_an_upload_is_its_links_and_how_long_they_open(self):
        told = job(item("a.bin", destination="https://b/k", valid_until="2026-01-09"), kind="upload")
        assert shown.result(told) == (["https://b/k"], ["a.bin：链接有效到 2026-01-09"])

    def test_an_upload_that_failed_has_its_reason_and_mend(self):
        told = job(item("a.bin", "failed", reason="连不上 QingStor", mend="请稍后再试"), kind="upload", result="failed")
        lines = ["a.bin：连不上 QingStor", "  处理：请稍后再试"]
        assert shown.result(told) == ([], ["任务 #12 失败", *lines])
        assert lines[1] in shown.one(told, local)

    def test_without_items_it_is_the_answer(self):
        assert shown.result(job(text="ℹ️ 帮助\n第二行")) == (["ℹ️ 帮助", "第二行"], [])
        assert shown.result(job(text="⚠️ 没有开始", result="refused")) == ([], ["⚠️ 没有开始"])

    def test_control_characters_never_reach_the_terminal(self):
        good, bad = shown.result(job(item("a\x1b]0;x\x07"), item("b", "failed", reason="\x1b[2J"), result="partly"))
        assert not any(character < " " for line in good + bad for character in line)


def test_the_list_stands_in_columns_though_chinese_is_wide():
    lines = shown.table([job(item(), item("a:1"), item("b:1"), item("c:1")),
                         job(id=3, kind="invalid", member="赵", result="refused", items=[])], local)
    assert lines == [
        "任务  开始                 类型      成员      结果    内容",
        "#12   2026-01-02 11:04:05  镜像同步  zhangsan  成功    nginx:latest、a:1、b:1 等 4 个",
        "#3    2026-01-02 11:04:05  无效      赵        未开始"]


def test_one_job_is_told_whole():
    told = job(item(seconds=2.0), item("x:1", "failed", reason="没有", destination=""), result="partly", reason="因",
               run_url="https://g/1", text="❌ 答复")
    assert shown.one(told, local) == [
        "任务 #12：镜像同步，zhangsan，部分成功", "2026-01-02 11:04:05 开始，2026-01-02 11:05:05 结束",
        "  nginx:latest → r.io/ns/nginx:latest（成功，2 秒）", "  x:1（失败）：没有", "原因：因", "详情：https://g/1",
        "答复：", "  ❌ 答复"]
    assert shown.one(job(request="a\nb", ended_at=None, result="", state="accepted"), local)[1:] == [
        "2026-01-02 11:04:05 开始", "内容：", "  a", "  b"]


@pytest.mark.parametrize(("changes", "wanted"), [
    ({}, "成功"), ({"result": "strange"}, "strange"), ({"ended_at": None, "state": "running"}, "工作流运行中"),
    ({"ended_at": None, "state": "new"}, "进行中"), ({"ended_at": None, "cancelled_by": "x"}, "正在取消"),
    ({"ended_at": None, "state": "accepted", "is_queued": True}, "排队中")])
def test_the_state_is_told_in_words(changes, wanted):
    assert shown.state(job(**changes)) == wanted


class TestCourse:
    def open(self, *amounts: tuple[int, int | None], **changes: Any) -> dict[str, Any]:
        names = [f"image{n}" for n in range(len(amounts))]
        progress = [{"done": done, "total": total} for done, total in amounts]
        return job(*(item(name, "") for name in names), ended_at=None, result="", state="running", progress=progress,
                   **changes)

    def test_a_message_that_is_none_is_named_in_chinese(self):
        assert shown.course(job(kind="invalid", ended_at=None, state="accepted"), [], 200) == ["#12 无效：等待处理"]

    def test_what_moves_has_a_bar(self):
        assert shown.course(self.open((512, 1024), (0, None), (2048, None)), [100.0, None, None], 200) == [
            "#12 镜像同步：工作流运行中（0/3）",
            "  ██████████░░░░░░░░░░  50% 512 字节 / 1.0 KB 100 字节/秒 image0",
            "  2.0 KB image2"]

    def test_more_than_was_announced_is_no_more_than_all(self):
        assert "█" * 20 + " 100%" in shown.course(self.open((2048, 1024)), [None], 200)[1]

    def test_only_some_bars_are_drawn_and_none_is_wider_than_the_terminal(self):
        lines = shown.course(self.open(*[(1, 10)] * 30), [None] * 30, 21)
        assert len(lines) == 12
        assert lines[-1] == "  … 另有 20 个"
        assert all(sum(2 if each > "\u2e80" else 1 for each in line) <= 21 for line in lines)

"""What members read: the fixed first lines, nothing lost, ten parts at most."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from wxsync.jobs.command import BadItem, Refusal, parse
from wxsync.jobs.job import Job
from wxsync.jobs.replies import chat, layout, refusals, syncs
from wxsync.jobs.results import Item
from wxsync.wecom.splitting import split

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
PREFIX = "registry.cn-hangzhou.aliyuncs.com/ns/"
NGINX = Item("nginx:latest", "docker.io/library/nginx", "nginx:latest")
REDIS = Item("redis:7.0", "docker.io/library/redis", "redis:7.0", ("linux/arm64",))
SYNC = Job(12, "sync", "zhangsan", "nginx:latest", NOW, state="running", started_at=NOW, items=(NGINX, REDIS),
           prefix=PREFIX, run_url="https://github.com/o/r/actions/runs/7")


def local(instant: datetime) -> datetime:
    return instant.astimezone(timezone(timedelta(hours=8)))


def done(*results: str, **changes: object) -> Job:
    items = tuple(replace(item, result=result, reason="镜像不存在" if result == "failed" else "")
                  for item, result in zip(SYNC.items, results))
    return replace(SYNC, items=items, **changes)


def test_the_first_message_names_every_image_and_where_it_goes():
    assert syncs.announced(SYNC) == (
        "🔄 正在处理镜像同步请求...\n"
        "共 2 个镜像：\n"
        "1. nginx:latest → registry.cn-hangzhou.aliyuncs.com/ns/nginx:latest\n"
        "2. redis:7.0（linux/arm64） → registry.cn-hangzhou.aliyuncs.com/ns/redis:7.0"
    )


def test_success_gives_copyable_pull_lines_and_the_time():
    assert syncs.concluded(done("succeeded", "succeeded", result="succeeded"), 65) == (
        "✅ 镜像同步完成！成功 2 个\n"
        "docker pull registry.cn-hangzhou.aliyuncs.com/ns/nginx:latest\n"
        "docker pull registry.cn-hangzhou.aliyuncs.com/ns/redis:7.0\n"
        "用时 1 分 5 秒"
    )


def test_the_time_of_each_image_is_told_some_a_line():
    items = tuple(Item(f"a{n}:1", f"docker.io/library/a{n}", f"a{n}:1", result="succeeded", seconds=60.0 + n)
                  for n in range(7))
    lines = syncs.concluded(replace(SYNC, items=items, result="succeeded"), 70).splitlines()
    assert lines[8:] == [
        "各镜像用时：a0:1 1 分，a1:1 1 分 1 秒，a2:1 1 分 2 秒，a3:1 1 分 3 秒，a4:1 1 分 4 秒",
        "a5:1 1 分 5 秒，a6:1 1 分 6 秒", "用时 1 分 10 秒"]


def test_a_repetition_says_of_which_job():
    assert syncs.announced(replace(SYNC, retry_of=9)).endswith("\n（任务 #9 中没有成功的镜像）")


def test_a_sync_that_is_being_cancelled_shows_so():
    assert "：正在取消，" in chat.status([replace(SYNC, cancelled_by="zhangsan")], NOW, local)


def test_images_that_were_there_already_are_said():
    text = syncs.concluded(done("succeeded", "skipped", result="succeeded"), 1)
    assert "其中 1 个目标已是同一摘要，未重复复制" in text


def test_a_partial_failure_names_the_image_its_reason_and_the_run():
    assert syncs.concluded(done("succeeded", "failed", result="partly"), 3) == (
        "❌ 镜像同步失败：成功 1 个，失败 1 个\n"
        "2. redis:7.0（linux/arm64）：镜像不存在\n"
        "详情：https://github.com/o/r/actions/runs/7\n"
        "发送「重试」可只同步没有成功的镜像\n"
        "已成功：\n"
        "docker pull registry.cn-hangzhou.aliyuncs.com/ns/nginx:latest\n"
        "用时 3 秒"
    )


def test_a_reason_of_the_whole_job_is_said_once():
    job = done("failed", "failed", result="failed", reason="镜像不存在", run_url="")
    assert syncs.concluded(job, 3).splitlines()[:4] == [
        "❌ 镜像同步失败：成功 0 个，失败 2 个", "原因：镜像不存在", "1. nginx:latest", "2. redis:7.0（linux/arm64）"]


@pytest.mark.parametrize(
    ("result", "first"), [("timed_out", "❌ 镜像同步超时"), ("cancelled", "⚠️ 已取消")])
def test_late_and_cancelled_syncs_tell_what_was_mirrored(result, first):
    text = syncs.concluded(done("succeeded", result, result=result), 3)
    assert text.startswith(first + "\n")
    assert "docker pull registry.cn-hangzhou.aliyuncs.com/ns/nginx:latest" in text
    assert "redis:7.0" in text


def many(count: int, result: str) -> Job:
    items = tuple(Item(f"host{n}.example.com/{'p' * 150}/image{n}:1", f"host{n}.example.com/x", f"{'d' * 180}{n}:1",
                       result=result, reason="x" * 200) for n in range(count))
    return replace(SYNC, items=items, result="succeeded" if result == "succeeded" else "failed")


def test_successes_beyond_ten_parts_are_counted_failures_never_cut():
    text = syncs.concluded(many(100, "succeeded"), 3)
    assert "个见历史" in text
    assert len(split(text, 12)) <= 10
    assert text.endswith("用时 3 秒")
    failures = many(80, "failed")
    text = syncs.concluded(failures, 3)
    parts = split(text, 12)
    assert len(parts) <= 10
    assert all(item.source in "".join(parts) for item in failures.items)
    assert SYNC.run_url in text


def test_a_hundred_failures_with_every_platform_are_all_named():
    platforms = tuple(f"linux/{name}" for name in ("386", "amd64", "arm", "arm64", "loong64", "ppc64le", "riscv64"))
    items = tuple(Item(f"quay.io/{'g' * 60}/application{n}:1.0", "quay.io/g", f"application{n}:1.0", platforms,
                       result="failed", reason="x" * 200) for n in range(100))
    text = syncs.concluded(replace(SYNC, items=items, result="failed"), 3)
    assert all(item.source in text for item in items)
    assert len(split(text, 12)) <= 10
    assert SYNC.run_url in text
    assert text.endswith("用时 3 秒")
    refused = refusals.clashes([(f"{item.source} -> {item.destination}", "目标被占用" * 9) for item in items], 12)
    assert refused.count("目标被占用") >= 100
    assert len(split(refused, 12)) <= 10


def test_the_late_notice_promises_the_final_answer():
    text = syncs.still_running(SYNC, 300)
    assert text.startswith("⏳ 同步仍在进行\n")
    assert "5 分" in text
    assert SYNC.run_url in text


def test_busy_tells_what_runs_since_when_and_what_to_do():
    text = refusals.busy(SYNC, NOW + timedelta(seconds=90), local(NOW))
    assert text.startswith("⚠️ 已有任务正在处理中\n任务 #12（zhangsan，2 个镜像）开始于 11:04:05，已进行 1 分 30 秒")
    assert "状态" in text
    assert refusals.busy_elsewhere().startswith("⚠️ 已有任务正在处理中")
    assert refusals.queue_full(20).startswith("⚠️ 已有任务正在处理中")
    assert refusals.queued(2).startswith("📥")


def test_refusals_quote_each_item_with_reason_and_correction():
    items = [BadItem("nginx:", "tag", "标签是空的", None), BadItem("Redis:7", "uppercase", "不能有大写", "redis:7")]
    assert refusals.refused(items, 12) == (
        "⚠️ 没有开始\n以下内容有问题，请改正后重新发送：\n- nginx:：标签是空的\n- Redis:7：不能有大写，可改为：redis:7")
    long = [BadItem("x" * 160 + str(n), "tag", "标签不对", None) for n in range(100)]
    parts = split(refusals.refused(long, 12), 12)
    assert len(parts) <= 10
    assert sum(part.count("- x") for part in parts) == 100
    endless = [BadItem("x", "tag", "标签不对" * 9, None) for _ in range(4000)]
    text = refusals.refused(endless, 12)
    assert len(split(text, 12)) <= 10
    assert text.splitlines()[-1].startswith("…其余 ")


def test_two_links_of_one_line_are_proposed_on_two():
    refusal = parse("https://a.example/x https://b.example/y")
    assert isinstance(refusal, Refusal)
    text = refusals.refused(refusal.items, 12)
    assert text.endswith("，可改为：\nhttps://a.example/x\nhttps://b.example/y")
    assert len(split(refusals.refused(refusal.items * 3000, 12), 12)) <= 10


def test_other_refusals_name_what_is_missing():
    assert "github.token" in refusals.part_missing("镜像同步", ["github.token"])
    assert refusals.not_allowed().startswith("⚠️ 没有开始")
    assert refusals.clashes([("redis:7", "目标被占用")], 12) == "⚠️ 没有开始\n- redis:7：目标被占用"


def test_help_leads_with_the_proposal():
    assert chat.help_text("nginx:latest").startswith("ℹ️ 你是不是想发送：nginx:latest\n")
    assert chat.help_text(None).startswith("ℹ️ 使用帮助")


def test_status_and_history_tell_what_the_store_knows():
    assert chat.status([], NOW, local) == "ℹ️ 当前没有进行中的任务"
    text = chat.status([SYNC, replace(SYNC, id=13, state="accepted", is_queued=True, items=(), run_url="")],
                          NOW + timedelta(seconds=10), local)
    assert "#12 镜像同步（zhangsan，2 个镜像）：工作流运行中，11:04:05 开始，已 10 秒\n详情：" in text
    assert "#13 镜像同步（zhangsan）：排队中" in text
    assert chat.history([], local) == "ℹ️ 还没有历史任务"
    upload = Job(14, "upload", "lisi", "https://user:pw@example.com/?sig=1", NOW, result="refused")
    text = chat.history([done("succeeded", "failed", result="partly"), upload], local)
    assert "#12 01-02 11:04 zhangsan nginx:latest、redis:7.0（linux/arm64）：部分成功" in text
    assert "#14 01-02 11:04 lisi 文件上传：未开始" in text
    assert "pw" not in text


def test_reasons_are_chinese_with_a_next_step():
    assert syncs.reason_text("not-found", "") == "镜像或标签不存在（或是私有镜像），请检查名称和标签"
    assert syncs.reason_text("no-platform", "linux/s390x") == (
        "该镜像没有所要的平台，请去掉 --platform 或换一个平台（linux/s390x）")
    assert syncs.reason_text("", "boom") == "boom"


def test_an_inner_fault_ends_in_an_answer_too():
    assert refusals.internal_error(SYNC).startswith("❌ 镜像同步失败")
    assert "#12" in refusals.internal_error(replace(SYNC, kind="help"))


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 秒"), (60, "1 分"), (3725, "1 小时 2 分 5 秒")])
def test_durations_read_well(seconds, text):
    assert layout.duration(seconds) == text

"""What members read about stopping a sync and repeating one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from wxsync.jobs.job import Job
from wxsync.jobs.replies import followups
from wxsync.jobs.results import Item

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
NGINX = Item("nginx:latest", "docker.io/library/nginx", "nginx:latest")
SYNC = Job(12, "sync", "zhangsan", "nginx:latest", NOW, state="running", started_at=NOW, items=(NGINX,))


def test_who_cancelled_is_said_unless_it_was_the_member():
    assert "GitHub" in followups.why_cancelled(SYNC)
    assert followups.why_cancelled(replace(SYNC, cancelled_by="zhangsan")) == ""
    assert followups.why_cancelled(replace(SYNC, cancelled_by="boss")) == "由 boss 取消"


def test_a_sync_cancelled_before_its_start_mirrored_nothing():
    own = followups.cancelled_unstarted(replace(SYNC, cancelled_by="zhangsan"))
    assert own == "⚠️ 已取消\n还没有开始，没有同步任何镜像。"
    assert followups.cancelled_unstarted(replace(SYNC, cancelled_by="boss")).endswith("\n原因：由 boss 取消")


def test_every_reason_for_doing_nothing_is_told_apart():
    cancelled = replace(SYNC, cancelled_by="zhangsan")
    ended = replace(SYNC, ended_at=NOW, result="succeeded")
    texts = [followups.nothing_to_cancel([]), followups.nothing_to_cancel([cancelled]),
             followups.nothing_to_cancel([SYNC]), followups.nothing_to_retry(None), followups.nothing_to_retry(SYNC),
             followups.nothing_to_retry(ended)]
    assert len(set(texts)) == 6
    assert all(text.startswith("ℹ️ ") for text in texts)

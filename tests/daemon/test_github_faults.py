"""GitHub misbehaves in each known way: exactly one right answer, and never two runs for one request."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from tests.daemon.conftest import ask, final_answers, is_final, join
from tests.support.daemon import ROOT, DaemonProcess, wait_for
from wxsync.sandbox.github.runs import Pace
from wxsync.sandbox.stand_ins import StandIns

MEMBER = "zhangsan"
WATCHED = str(ROOT / "tests" / "support" / "watched_daemon.py")
SPEED = 20.0  # a minute takes three seconds, for the daemon and for GitHub
ENDLESS = Pace(image=36000)


@pytest.fixture
def fast(tmp_path):
    """The stand-ins and a daemon whose clocks run fast together."""
    since = time.time()
    with StandIns(now=lambda: since + (time.time() - since) * SPEED, pause_s=0.2) as sandbox:
        settings = sandbox.settings()
        settings["github"]["poll"] = "2"
        command = (WATCHED, "--since", str(since), "--speed", str(SPEED))
        daemon = join(sandbox, DaemonProcess(tmp_path, settings, command=command).start())
        yield sandbox
        daemon.stop()


def assert_one_success(sandbox) -> None:
    """The request is mirrored by one run from one commit, and the member was told once."""
    assert [text[0] for text in sandbox.wecom.answers(MEMBER)] == ["🔄", "✅"]
    assert len(sandbox.github.dispatches) == len(sandbox.github.actions.runs) == 1
    assert len([commit for commit in sandbox.github.commits() if commit.message.startswith("sync #")]) == 1


def refusal(sandbox, text: str = "nginx:latest, redis:7.0") -> str:
    """Return the one answer to a request that starts nothing."""
    answer = ask(sandbox, text)
    assert answer.startswith("❌ 镜像同步失败：成功 0 个，失败 2 个\n原因：")
    assert sandbox.github.dispatches == []
    assert len(final_answers(sandbox, MEMBER)) == 1
    return answer


def test_a_sha_that_is_stale_three_times_is_read_again(fast):
    fast.github.rival_commits(3)
    assert ask(fast, "nginx:latest").startswith("✅")
    assert_one_success(fast)
    assert len(fast.github.server.seen("PUT", "/contents/")) == 4


@pytest.mark.parametrize("what", [500, 502, "reset", "close"])
def test_a_dispatch_whose_answer_is_a_fault_after_it_was_taken_is_found_not_repeated(fast, what):
    fast.github.server.fail_next("/dispatches", what, after=True)
    assert ask(fast, "nginx:latest").startswith("✅")
    assert_one_success(fast)
    assert len(fast.github.server.seen("POST", "/dispatches")) == 1


def test_a_dispatch_that_was_never_taken_is_reported_after_a_minute_not_repeated(fast):
    fast.github.server.fail_next("/dispatches", 500)
    answer = refusal(fast)
    assert "GitHub 没有确认启动工作流" in answer
    assert len(fast.github.server.seen("POST", "/dispatches")) == 1


@pytest.mark.parametrize("details", ["answer", "ignore", "refuse"])
def test_a_run_that_shows_after_twenty_seconds_is_waited_for(fast, details):
    """With the run's number from the dispatch, without it, and with an older server that refuses to be asked."""
    fast.github.pace = Pace(visible=20)
    fast.github.dispatching.details = details
    assert ask(fast, "nginx:latest").startswith("✅")
    assert_one_success(fast)


@pytest.mark.parametrize(
    ("status", "method", "path"), [(403, "GET", "/contents/"), (429, "PUT", "/contents/"), (403, "POST", "/dispatches"),
                                   (429, "GET", "/runs/"), (403, "GET", "/jobs[?]")])
def test_a_rate_limit_is_waited_for_as_long_as_it_asks(fast, status, method, path):
    fast.github.server.fail_next(path, status, method=method, headers=(("Retry-After", "20"),))
    assert ask(fast, "nginx:latest").startswith("✅")
    assert_one_success(fast)
    first, second, *_ = fast.github.server.seen(method, path)
    assert (second.at - first.at) * SPEED >= 20


def test_a_rate_limit_longer_than_anyone_waits_is_told_with_its_end(fast):
    fast.github.server.fail_next("/contents/", 403, times=9, headers=(("Retry-After", "3000"),))
    assert "GitHub 限制了调用次数，50 分钟后恢复" in refusal(fast)


def test_without_the_right_to_annotations_the_log_gives_the_reason_and_its_host_sees_no_token(fast):
    fast.github.actions.can_annotate = False
    answer = ask(fast, "nginx:latest, no-such:1")
    assert answer.startswith("❌ 镜像同步失败：成功 1 个，失败 1 个\n2. no-such:1：镜像或标签不存在")
    assert fast.github.logs.server.seen("GET")
    assert fast.github.logs.leaks == []
    assert len(fast.github.server.seen("GET", "/annotations")) == 1


def test_a_run_cancelled_by_hand_tells_what_was_mirrored(fast):
    fast.github.pace = Pace(image=30, parallel=1)
    fast.wecom.send_text(MEMBER, "nginx:latest, redis:7.0")
    wait_for(lambda: fast.github.dispatches, "the dispatch")
    run_id = fast.github.dispatches[0].run_id
    wait_for(lambda: [job.conclusion for job in fast.github.run(run_id).jobs][1:2] == ["success"], "the first image")
    fast.github.cancel(run_id)
    answer = fast.wecom.wait_for(MEMBER, is_final, within_s=20).text
    assert answer.splitlines()[:4] == [
        "⚠️ 已取消", "取消前已同步 1 个，未同步 1 个", "原因：工作流运行在 GitHub 页面上被取消", "2. redis:7.0"]
    assert [text[0] for text in fast.wecom.answers(MEMBER)] == ["🔄", "⚠"]


def test_a_deleted_run_is_told_as_such(fast):
    fast.github.pace = ENDLESS
    fast.wecom.send_text(MEMBER, "nginx:latest")
    wait_for(lambda: fast.github.dispatches, "the dispatch")
    fast.github.server.wait_seen("GET", "/actions/runs/[0-9]")
    fast.github.delete(fast.github.dispatches[0].run_id)
    answer = fast.wecom.wait_for(MEMBER, is_final, within_s=20).text
    assert answer.startswith("❌ 镜像同步失败：成功 0 个，失败 1 个\n原因：GitHub 上找不到这次工作流运行")
    assert len(final_answers(fast, MEMBER)) == len(fast.github.dispatches) == 1


@pytest.mark.parametrize("switch", ["actions_enabled", "is_enabled"])
def test_disabled_actions_are_named_with_the_mend(fast, switch):
    setattr(fast.github.dispatching, switch, False)
    answer = refusal(fast)
    assert "被停用" in answer
    assert "启用" in answer


@pytest.mark.parametrize("inputs", [None, frozenset()])
def test_the_replaced_programs_workflow_file_is_named_with_how_to_replace_it(fast, inputs):
    """Its trigger is a push: the commit of the list starts it once, and nothing else is started or committed."""
    fast.github.dispatching.inputs = inputs
    answer = refusal(fast)
    assert "旧版本" in answer
    assert "docker-image-sync.yml 替换" in answer
    assert len(fast.github.commits()) == len(fast.github.server.seen("POST", "/dispatches")) == 1


def test_a_missing_workflow_file_a_wrong_branch_and_a_wrong_token_are_told_apart(fast):
    fast.github.dispatching.is_there = False
    assert "默认分支上没有这个工作流" in ask(fast, "nginx:latest")
    fast.github.gate.token = "another"
    assert "GitHub 不接受令牌（401）" in ask(fast, "nginx:latest")
    assert fast.github.dispatches == []


def test_administrators_are_warned_once_before_the_token_ends(sandbox, start):
    ends = datetime.now(timezone.utc) + timedelta(days=6, hours=12)
    sandbox.github.gate.expires = ends.strftime("%Y-%m-%d %H:%M:%S UTC")
    daemon = start(wecom={"admin_users": "boss"})
    ask(sandbox, "nginx:latest")
    for _ in range(2):  # the timer looks when the daemon starts, and every ten seconds
        join(sandbox, daemon)
        daemon.stop()
        join(sandbox, daemon.start())
        ask(sandbox, "nginx:latest")
    sandbox.wecom.wait_for("boss", lambda entry: entry.text.startswith("⏰ GitHub 令牌7 天后到期"), within_s=20)
    assert len(sandbox.wecom.answers("boss")) == 1

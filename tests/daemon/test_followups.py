"""取消 and 重试: one answer to the command, one to the sync, and what is told is what GitHub then shows."""

from __future__ import annotations

import pytest

from tests.daemon.conftest import ask, final_answers, is_final, join
from tests.support.daemon import ROOT, DaemonProcess, wait_for
from wxsync.jobs import imagelist
from wxsync.sandbox.github.runs import Pace
from wxsync.sandbox.github.workflow import NO_SUCH, Verdict

MEMBER, OTHER = "zhangsan", "lisi"
WATCHED = str(ROOT / "tests" / "support" / "watched_daemon.py")
ENDLESS = Pace(queued=0.02, plan=0.02, image=3600)


def running(sandbox) -> int:
    """Return the number of the newest run once the images are being copied."""
    wait_for(lambda: sandbox.github.dispatches, "the dispatch")
    run_id = sandbox.github.dispatches[-1].run_id
    wait_for(lambda: len(sandbox.github.run(run_id).jobs) > 1, "the matrix")
    return run_id


def images_of(sandbox) -> list[list[tuple[str, str]]]:
    """Return source and destination of each image, by block."""
    return [[(line.source, line.destination) for line in block.lines]
            for block in imagelist.parse(sandbox.github.text("images.txt"))]


class TestCancel:
    def test_the_run_is_stopped_and_what_was_mirrored_is_told(self, sandbox, start):
        sandbox.github.pace = Pace(queued=0.02, plan=0.02, image=0.6, parallel=1)
        start()
        sandbox.wecom.send_text(MEMBER, "nginx:latest, redis:7.0, mysql:8.0")
        run_id = running(sandbox)
        wait_for(lambda: sandbox.github.run(run_id).jobs[1].conclusion == "success", "the first image")
        first = ask(sandbox, "取消")
        assert first == "ℹ️ 正在取消任务 #1（zhangsan，3 个镜像）\n停下后会通知结果和已经同步的镜像。\n#2"
        wait_for(lambda: len(final_answers(sandbox, MEMBER)) == 2, "the sync's own answer")
        lines = final_answers(sandbox, MEMBER)[1].splitlines()
        assert lines[:4] == ["⚠️ 已取消", "取消前已同步 1 个，未同步 2 个", "2. redis:7.0", "3. mysql:8.0"]
        assert any(line.startswith("docker pull ") and line.endswith("/nginx:latest") for line in lines)
        assert sandbox.github.run(run_id).conclusion == "cancelled"
        assert ask(sandbox, "取消").startswith("ℹ️ 没有可以取消的任务\n")
        assert "#1 " in (history := ask(sandbox, "历史"))
        assert "已取消" in history
        sandbox.github.pace = Pace(image=0.05)
        assert ask(sandbox, "重试").startswith("✅ 镜像同步完成！成功 2 个\n")

    def test_others_may_not_and_admins_may(self, sandbox, start):
        sandbox.github.pace = ENDLESS
        start(wecom={"admin_users": "Boss"})
        sandbox.wecom.send_text(MEMBER, "nginx:latest")
        run_id = running(sandbox)
        refused = ask(sandbox, "取消", member=OTHER)
        assert refused.startswith("ℹ️ 没有可以取消的任务\n进行中的任务 #1 属于 zhangsan，只有本人和管理员能取消。")
        assert sandbox.github.run(run_id).status == "in_progress"
        assert ask(sandbox, "cancel", member="boss").startswith("ℹ️ 正在取消任务 #1（zhangsan，1 个镜像）")
        answer = sandbox.wecom.wait_for(MEMBER, is_final, within_s=20).text
        assert answer.startswith("⚠️ 已取消\n取消前已同步 0 个，未同步 1 个\n原因：由 boss 取消\n1. nginx:latest\n")
        assert len(final_answers(sandbox, "boss")) == 1

    def test_a_waiting_sync_ends_at_once_and_the_running_one_goes_on(self, sandbox, start):
        sandbox.github.pace = ENDLESS
        start(jobs={"when_busy": "queue"})
        sandbox.wecom.send_text(MEMBER, "nginx:latest")
        run_id = running(sandbox)
        sandbox.wecom.send_text(MEMBER, "redis:7.0")
        sandbox.wecom.wait_for(MEMBER, lambda entry: entry.text.startswith("📥"))
        answer = ask(sandbox, "取消")
        assert answer.startswith("ℹ️ 正在取消任务 #2（zhangsan）\n")
        assert "另有 1 个任务还在进行" in answer
        wait_for(lambda: len(final_answers(sandbox, MEMBER)) == 2, "the waiting one's own answer")
        assert final_answers(sandbox, MEMBER)[1] == "⚠️ 已取消\n还没有开始，没有同步任何镜像。\n#2"
        sandbox.github.finish(run_id)
        wait_for(lambda: len(final_answers(sandbox, MEMBER)) == 3, "the running one's own answer")
        assert final_answers(sandbox, MEMBER)[2].startswith("✅")
        assert len(sandbox.github.dispatches) == 1

    def test_before_the_dispatch_nothing_is_started(self, sandbox, start):
        start()
        sandbox.github.server.fail_next("/contents/", "hang", times=99)
        sandbox.wecom.send_text(MEMBER, "nginx:latest")
        sandbox.github.server.wait_seen("GET", "/contents/")
        assert ask(sandbox, "取消").startswith("ℹ️ 正在取消任务 #1")  # though the sync thread hangs in a call
        assert "正在取消，" in ask(sandbox, "状态")
        assert ask(sandbox, "取消").startswith("ℹ️ 任务 #1 已经在取消中\n")
        sandbox.github.server.faults.clear()
        wait_for(lambda: len(final_answers(sandbox, MEMBER)) == 4, "the sync's own answer")
        assert final_answers(sandbox, MEMBER)[3].splitlines()[:3] == [
            "⚠️ 已取消", "取消前已同步 0 个，未同步 1 个", "1. nginx:latest"]
        assert sandbox.github.dispatches == []

    def test_a_dispatch_whose_answer_was_lost_is_found_and_stopped(self, sandbox, start):
        sandbox.github.pace = ENDLESS
        start()
        sandbox.github.server.fail_next("/dispatches", "hang", after=True)
        sandbox.wecom.send_text(MEMBER, "nginx:latest")
        sandbox.github.server.wait_seen("POST", "/dispatches")
        ask(sandbox, "取消")
        sandbox.github.server.faults.clear()
        wait_for(lambda: len(final_answers(sandbox, MEMBER)) == 2, "the sync's own answer")
        assert final_answers(sandbox, MEMBER)[1].startswith("⚠️ 已取消\n")
        (dispatch,) = sandbox.github.dispatches
        assert sandbox.github.run(dispatch.run_id).conclusion == "cancelled"

    @pytest.mark.parametrize("fault", ["late", "refused"])
    def test_a_run_that_cannot_be_stopped_any_more_is_told_as_it_ended(self, sandbox, start, fault):
        sandbox.github.pace = ENDLESS
        start(github={"poll": "5"})
        sandbox.wecom.send_text(MEMBER, "nginx:latest")
        run_id = running(sandbox)
        if fault == "late":
            sandbox.github.finish(run_id)
        else:
            sandbox.github.server.fail_next("/cancel$", 403)
        ask(sandbox, "取消")
        if fault == "refused":
            sandbox.github.server.wait_seen("POST", "/cancel$")
            sandbox.github.finish(run_id)
        wait_for(lambda: len(final_answers(sandbox, MEMBER)) == 2, "the sync's own answer")
        assert final_answers(sandbox, MEMBER)[1].startswith("✅ 镜像同步完成！成功 1 个\n")
        assert "收到了取消，但工作流没有来得及停下" in final_answers(sandbox, MEMBER)[1]

    @pytest.mark.parametrize("moment", ["cancelling", "concluded"])
    def test_a_daemon_killed_meanwhile_stops_it_once(self, sandbox, tmp_path, moment):
        sandbox.github.pace = ENDLESS
        settings = sandbox.settings()
        settings["github"]["poll"] = "0.05"
        dying = DaemonProcess(tmp_path, settings, command=(WATCHED, "--die-after", moment))
        join(sandbox, dying.start())
        sandbox.wecom.send_text(MEMBER, "nginx:latest, redis:7.0")
        run_id = running(sandbox)
        sandbox.wecom.send_text(MEMBER, "取消")
        wait_for(lambda: dying.process.poll() is not None, f"the death when {moment}")
        daemon = join(sandbox, DaemonProcess(tmp_path, settings).start())
        try:
            wait_for(lambda: len(final_answers(sandbox, MEMBER)) == 2, "both answers")
            assert sandbox.github.run(run_id).conclusion == "cancelled"
            assert ask(sandbox, "状态").startswith("ℹ️ 当前没有进行中的任务")
            assert sorted(text.splitlines()[0] for text in final_answers(sandbox, MEMBER)) == [
                "ℹ️ 当前没有进行中的任务", "ℹ️ 正在取消任务 #1（zhangsan，2 个镜像）", "⚠️ 已取消"]
        finally:
            daemon.stop()


class TestRetry:
    def test_only_what_failed_is_repeated_as_it_was_asked_for(self, sandbox, start):
        no = Verdict("flaky", "network", "connection reset")
        sandbox.github.dispatching.verdicts = (no, NO_SUCH)
        start()
        answer = ask(sandbox, "nginx:latest, --platform=linux/arm64 flaky:1, flaky/tool:2 -> web:v3\nredis:7.0")
        assert answer.startswith("❌ 镜像同步失败：成功 2 个，失败 2 个\n")
        assert "发送「重试」可只同步没有成功的镜像" in answer
        sandbox.github.dispatching.verdicts = (NO_SUCH,)
        again = ask(sandbox, "重试")
        assert again.startswith("✅ 镜像同步完成！成功 2 个\n")
        announced = [text for text in sandbox.wecom.answers(MEMBER) if text[0] == "🔄"][1].splitlines()
        assert announced[1] == "共 2 个镜像："
        assert announced[2].startswith("1. flaky:1（linux/arm64） → ")
        assert announced[2].endswith("/flaky:1")
        assert announced[3].endswith("/web:v3")
        assert announced[4:] == ["（任务 #1 中没有成功的镜像）", "#2"]
        assert images_of(sandbox)[1] == [("flaky:1", "flaky:1"), ("flaky/tool:2", "web:v3")]
        assert ask(sandbox, "重试。") == "ℹ️ 没有需要重试的镜像\n上一次同步（任务 #2）的镜像都已成功。\n#3"
        assert len(sandbox.github.dispatches) == 2

    def test_there_may_be_nothing_to_repeat(self, sandbox, start):
        sandbox.github.pace = ENDLESS
        start()
        assert ask(sandbox, "retry").startswith("ℹ️ 没有可以重试的任务\n")
        sandbox.wecom.send_text(MEMBER, "no-such:1")
        run_id = running(sandbox)
        assert ask(sandbox, "重试").startswith("ℹ️ 任务 #2 还没有结束\n")
        assert ask(sandbox, "重试", member=OTHER).startswith("ℹ️ 没有可以重试的任务\n")
        sandbox.github.finish(run_id)
        wait_for(lambda: any(text[0] == "❌" for text in sandbox.wecom.answers(MEMBER)), "the sync's answer")

    def test_one_that_was_refused_for_being_busy_is_started_whole(self, sandbox, start):
        sandbox.github.pace = ENDLESS
        start()
        sandbox.wecom.send_text(OTHER, "nginx:latest")
        run_id = running(sandbox)
        for text in ("redis:7.0, mysql:8.0", "重试"):
            assert ask(sandbox, text).startswith("⚠️ 已有任务正在处理中\n")
        sandbox.github.pace = Pace(image=0.05)
        sandbox.github.finish(run_id)
        sandbox.wecom.wait_for(OTHER, is_final, within_s=20)
        assert ask(sandbox, "重试").startswith("✅ 镜像同步完成！成功 2 个\n")

    def test_it_waits_in_the_queue_and_survives_a_restart_there(self, sandbox, start):
        daemon = start(jobs={"when_busy": "queue"})
        ask(sandbox, "nginx:latest, no-such:1")
        sandbox.github.pace = ENDLESS
        sandbox.wecom.send_text(OTHER, "redis:7.0")
        wait_for(lambda: len(sandbox.github.dispatches) == 2, "the second dispatch")
        sandbox.wecom.send_text(MEMBER, "重试")
        sandbox.wecom.wait_for(MEMBER, lambda entry: entry.text.startswith("📥"))
        daemon.kill()
        join(sandbox, daemon.start())
        sandbox.github.pace = Pace(image=0.05)
        sandbox.github.finish(sandbox.github.dispatches[1].run_id)
        wait_for(lambda: len(final_answers(sandbox, MEMBER)) == 2, "the repetition's answer")
        assert final_answers(sandbox, MEMBER)[1].startswith("❌ 镜像同步失败：成功 0 个，失败 1 个\n1. no-such:1")

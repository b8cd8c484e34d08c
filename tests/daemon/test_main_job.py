"""The main job end to end: from the encrypted callback to the last chat message, over real HTTP and processes."""

from __future__ import annotations

import threading
import time

from tests.daemon.conftest import ask, final_answers, is_final
from tests.support.daemon import wait_for
from wxsync.jobs import imagelist
from wxsync.sandbox.github.runs import Pace

MEMBER = "zhangsan"


def test_images_are_announced_mirrored_and_answered(sandbox, start):
    start()
    sandbox.wecom.verify()
    answer = ask(sandbox, "nginx:latest, redis:7.0, mysql:8.0")
    prefix = "{registry}/{namespace}/".format(**sandbox.settings()["registry"])
    first, last = sandbox.wecom.answers(MEMBER)
    assert first == (
        "🔄 正在处理镜像同步请求...\n共 3 个镜像：\n"
        f"1. nginx:latest → {prefix}nginx:latest\n"
        f"2. redis:7.0 → {prefix}redis:7.0\n"
        f"3. mysql:8.0 → {prefix}mysql:8.0\n#1"
    )
    assert last == answer
    lines = answer.splitlines()
    assert lines[:4] == [
        "✅ 镜像同步完成！成功 3 个",
        f"docker pull {prefix}nginx:latest",
        f"docker pull {prefix}redis:7.0",
        f"docker pull {prefix}mysql:8.0",
    ]
    assert lines[-1] == "#1"
    (commit,) = sandbox.github.commits()
    (dispatch,) = sandbox.github.dispatches
    assert commit.message == f"sync #1: 3 images by {MEMBER} [{dispatch.request_id}]"
    assert dispatch.inputs["commit"] == commit.sha


def test_one_missing_image_is_named_with_its_reason_and_the_others_succeed(sandbox, start):
    start()
    lines = ask(sandbox, "nginx:latest, no-such:1").splitlines()
    assert lines[0] == "❌ 镜像同步失败：成功 1 个，失败 1 个"
    assert lines[1].startswith("2. no-such:1：镜像或标签不存在")
    assert lines[2].startswith("详情：http")
    assert lines[5].startswith("docker pull ")


def test_a_hundred_images_are_one_run_one_commit_and_answers_in_numbered_parts(sandbox, start):
    sandbox.github.pace = Pace(queued=0.02, plan=0.02, image=0.05, parallel=100)
    start()
    names = [f"registry.example.com/department/team/image-{n}:1.0.{n}" for n in range(100)]
    sandbox.wecom.send_text(MEMBER, "\n".join(names))
    wait_for(lambda: any(text.endswith(f"#1 ({n}/{n})") and text[0] != "🔄" for n in range(2, 11)
                         for text in sandbox.wecom.answers(MEMBER)[1:] if "用时" in text), "the last part")
    texts = sandbox.wecom.answers(MEMBER)
    assert all(len(text.encode()) <= 2048 for text in texts)
    (final,) = [n for n, text in enumerate(texts) if text[0] in "✅❌"]
    assert texts[final].startswith("✅ 镜像同步完成！成功 100 个\n")
    for parts, wanted in ((texts[:final], "→ "), (texts[final:], "docker pull ")):
        assert [text.splitlines()[-1] for text in parts] == [f"#1 ({n}/{len(parts)})" for n in range(1, len(parts) + 1)]
        assert sum(text.count(wanted) for text in parts) == 100
    assert "各镜像用时：" in "".join(texts[final:])
    assert len(sandbox.github.dispatches) == len(sandbox.github.commits()) == 1


def test_a_redelivered_message_makes_no_second_job(sandbox, start):
    start()
    delivery = sandbox.wecom.send_text(MEMBER, "nginx:latest")
    assert sandbox.wecom.deliver(delivery.push).is_accepted
    sandbox.wecom.wait_for(MEMBER, is_final, within_s=20)
    assert sandbox.wecom.deliver(delivery.push).is_accepted
    assert ask(sandbox, "历史").splitlines()[0] == "ℹ️ 最近 1 个任务"
    assert len(sandbox.github.dispatches) == 1


def test_while_a_sync_runs_others_are_told_and_questions_are_answered(sandbox, start):
    sandbox.github.pace = Pace(image=3600)
    start()
    sandbox.wecom.send_text(MEMBER, "nginx:latest")
    wait_for(lambda: sandbox.github.dispatches, "the dispatch")
    busy = ask(sandbox, "redis:7.0", member="lisi")
    assert busy.startswith(f"⚠️ 已有任务正在处理中\n任务 #1（{MEMBER}，1 个镜像）开始于 ")
    assert "#1 镜像同步（zhangsan，1 个镜像）：" in ask(sandbox, "状态", member="lisi")
    assert ask(sandbox, "hello world", member="lisi").startswith("ℹ️ 使用帮助")
    assert ask(sandbox, "nginx", member="lisi").startswith("ℹ️ 你是不是想发送：nginx:latest")
    sandbox.github.finish(sandbox.github.dispatches[0].run_id)
    sandbox.wecom.wait_for(MEMBER, is_final, within_s=20)
    history = ask(sandbox, "history", member="lisi")
    assert "#1 " in history
    assert "成功" in history
    assert "#2 " in history


def test_with_a_queue_requests_wait_for_their_turn(sandbox, start):
    sandbox.github.pace = Pace(image=3600)
    start(jobs={"when_busy": "queue", "max_queue": "1"})
    sandbox.wecom.send_text(MEMBER, "nginx:latest")
    wait_for(lambda: sandbox.github.dispatches, "the first dispatch")
    sandbox.wecom.send_text("lisi", "redis:7.0")
    sandbox.wecom.wait_for("lisi", lambda entry: entry.text.startswith("📥 已加入队列，前面还有 1 个任务"))
    assert ask(sandbox, "mysql:8", member="wangwu").startswith("⚠️ 已有任务正在处理中\n排队的任务已有 1 个")
    sandbox.github.pace = Pace(image=0.05)
    sandbox.github.finish(sandbox.github.dispatches[0].run_id)
    sandbox.wecom.wait_for(MEMBER, is_final, within_s=20)
    answer = sandbox.wecom.wait_for("lisi", is_final, within_s=20).text
    assert answer.startswith("✅ 镜像同步完成！成功 1 个")


def test_after_the_wait_a_notice_frees_the_slot_and_the_result_still_comes(sandbox, start):
    sandbox.github.pace = Pace(image=3600)
    start(github={"wait": "0.3"})
    sandbox.wecom.send_text(MEMBER, "nginx:latest")
    notice = sandbox.wecom.wait_for(MEMBER, lambda entry: entry.text.startswith("⏳ 同步仍在进行"), within_s=20).text
    assert "详情：http" in notice
    sandbox.github.pace = Pace(image=0.05)
    assert ask(sandbox, "redis:7.0", member="lisi").startswith("✅")
    sandbox.github.finish(sandbox.github.dispatches[0].run_id)
    assert sandbox.wecom.wait_for(MEMBER, is_final, within_s=20).text.startswith("✅ 镜像同步完成！成功 1 个")
    assert sum(text.startswith("⏳") for text in sandbox.wecom.answers(MEMBER)) == 1


def test_a_run_that_never_ends_is_told_as_timed_out(sandbox, start):
    sandbox.github.pace = Pace(image=3600)
    start(github={"wait": "0.2", "follow": "0.6"})
    answer = ask(sandbox, "nginx:latest")
    assert answer.startswith("❌ 镜像同步超时\n")
    assert "nginx:latest" in answer


def test_a_bad_item_stops_the_message_and_a_link_is_recognised(sandbox, start):
    start()
    first = "⚠️ 没有开始\n以下内容有问题，请改正后重新发送：\n- redis:7.0:1："
    assert ask(sandbox, "nginx:latest, redis:7.0:1").startswith(first)
    assert ask(sandbox, "https://nowhere.test/file.pdf").startswith("❌ 文件上传失败\n")
    assert ask(sandbox, "redis:7.0 -> web:v3, mysql:8 -> web:v4").startswith("⚠️ 没有开始\n")
    assert sandbox.github.dispatches == []


def test_members_who_are_not_on_the_list_are_refused(sandbox, start):
    start(wecom={"allow_users": "LiSi"})
    assert ask(sandbox, "nginx:latest").startswith("⚠️ 没有开始\n")
    assert ask(sandbox, "nginx:latest", member="lisi").startswith("✅")


def test_without_a_mirror_the_bot_names_the_missing_settings(sandbox, start):
    settings = {"token": "", "repo": ""}
    start(github=settings, registry={"registry": "", "namespace": ""}, qingstor={"access_key_id": "",
          "secret_access_key": ""})
    answer = ask(sandbox, "nginx:latest")
    assert answer.startswith("⚠️ 没有开始\n")
    assert "github.token" in answer
    assert "qingstor.access_key_id" in ask(sandbox, "https://example.com/a.pdf")


def test_owners_stay_so_a_second_source_gets_another_name(sandbox, start):
    daemon = start()
    ask(sandbox, "redis:7.0")
    daemon.stop()
    daemon.start()
    sandbox.wecom.call_at(f"http://127.0.0.1:{daemon.port()}/wechat/callback")
    assert "/other_redis:7.0\n" in ask(sandbox, "quay.io/other/redis:7.0")


def test_github_away_ends_in_one_answer_with_reason_and_mend(sandbox, start):
    start()
    sandbox.github.server.fail_next("/contents/", 401, times=9)
    answer = ask(sandbox, "nginx:latest")
    assert answer.startswith("❌ 镜像同步失败：成功 0 个，失败 1 个\n原因：")
    sandbox.github.server.faults.clear()
    assert ask(sandbox, "nginx:latest").startswith("✅")


def test_a_stale_sha_is_read_again_and_written_again(sandbox, start):
    start()
    sandbox.github.rival_commits(3)
    assert ask(sandbox, "nginx:latest").startswith("✅")
    blocks = imagelist.parse(sandbox.github.text("images.txt"))
    assert [block.request_id for block in blocks] == [sandbox.github.dispatches[0].request_id]


def test_verification_stays_fast_while_a_job_runs_and_github_hangs(sandbox, start):
    start()
    sandbox.github.server.fail_next("/", "hang", times=1000)
    sandbox.wecom.send_text(MEMBER, "nginx:latest")
    sandbox.github.server.wait_seen("GET", "/contents/")
    times = []
    for _ in range(300):
        began = time.monotonic()
        sandbox.wecom.verify()
        times.append(time.monotonic() - began)
    assert sorted(times)[int(len(times) * 0.99)] < 0.05


def test_answers_wait_for_wecom_and_arrive_in_order(sandbox, start):
    start()
    sandbox.wecom.server.down()
    threading.Timer(1.0, sandbox.wecom.server.up).start()
    sandbox.wecom.send_text(MEMBER, "nginx:latest")
    sandbox.wecom.wait_for(MEMBER, is_final, within_s=30)
    assert [text[0] for text in sandbox.wecom.answers(MEMBER)] == ["🔄", "✅"]
    assert len(final_answers(sandbox, MEMBER)) == 1

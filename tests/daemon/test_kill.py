"""kill -9 in every state: the member gets one final answer, GitHub sees one dispatch and one commit."""

from __future__ import annotations

import json

import pytest

from tests.daemon.conftest import final_answers, is_final, join
from tests.support.daemon import ROOT, DaemonProcess, wait_for
from wxsync.jobs.imagelist import parse
from wxsync.jobs.job import SYNC_STATES
from wxsync.sandbox.github.runs import Pace

WATCHED = str(ROOT / "tests" / "support" / "watched_daemon.py")
MESSAGE = "nginx:latest, redis:7.0"
# Between the states lie two more moments that are stored: the intent to dispatch, and the late notice.
MOMENTS = (*SYNC_STATES, "posting", "noticed")


def daemon_on(sandbox, tmp_path, *, die_after: str = "", ahead: float = 0.0) -> DaemonProcess:
    settings = sandbox.settings()
    settings["github"].update(poll="0.05", wait="0.3" if die_after == "noticed" else "300")
    command = (WATCHED, "--die-after", die_after, "--ahead", str(ahead)) if die_after or ahead else ()
    return DaemonProcess(tmp_path, settings, **({"command": command} if command else {}))


def assert_told_once(sandbox) -> None:
    texts = sandbox.wecom.answers("zhangsan")
    assert [text[0] for text in texts if text[0] == "🔄"] == ["🔄"]
    finals = final_answers(sandbox, "zhangsan")
    assert len(finals) == 1
    assert finals[0].startswith("✅ 镜像同步完成！成功 2 个\n")
    assert len(sandbox.github.dispatches) == 1
    (commit,) = sandbox.github.commits()
    (block,) = parse(commit.text("images.txt"))
    assert block.request_id == sandbox.github.dispatches[0].request_id


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_daemon_killed_in_any_state_finishes_the_job_once(sandbox, tmp_path, moment):
    sandbox.github.pace = Pace(queued=0.02, plan=0.02, image=0.8 if moment == "noticed" else 0.05)
    dying = join(sandbox, daemon_on(sandbox, tmp_path, die_after=moment).start())
    delivery = sandbox.wecom.text("zhangsan", MESSAGE)
    if moment == "accepted":
        # It dies between storing and answering: WeCom repeats to whoever listens then.
        sandbox.wecom.deliver(delivery)
    else:
        assert sandbox.wecom.deliver(delivery).is_accepted
    wait_for(lambda: dying.process.poll() is not None, f"the death after {moment}")
    # GitHub shows a run that was started within a minute; the clock is set ahead instead of waiting for it.
    daemon = daemon_on(sandbox, tmp_path, ahead=70 if moment == "posting" else 0)
    try:
        join(sandbox, daemon.start())
        sandbox.wecom.deliver(delivery)
        sandbox.wecom.wait_for("zhangsan", is_final, within_s=20)
        assert_told_once(sandbox)
    finally:
        assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", r"/contents/images\.txt"), ("POST", "/dispatches"), ("POST", "message/send")]
)
def test_a_daemon_killed_when_only_the_answer_is_missing_repeats_nothing(sandbox, tmp_path, method, path):
    server = sandbox.wecom.server if "message" in path else sandbox.github.server
    dying = join(sandbox, daemon_on(sandbox, tmp_path).start())
    server.fail_next(path, "hang", method=method, after=True)
    sandbox.wecom.send_text("zhangsan", MESSAGE)
    server.wait_seen(method, path)
    dying.kill()
    server.faults.clear()
    # The message's case may hit the sync thread anywhere, also right before it dispatches: hence the clock.
    daemon = daemon_on(sandbox, tmp_path, ahead=70 if "message" in path else 0)
    try:
        join(sandbox, daemon.start())
        sandbox.wecom.wait_for("zhangsan", is_final, within_s=20)
        assert_told_once(sandbox)
    finally:
        daemon.stop()


def test_a_second_daemon_on_the_same_state_is_refused_with_the_others_pid(sandbox, tmp_path, start):
    first = start()
    second = DaemonProcess(tmp_path, sandbox.settings())
    second.launch()
    assert second.process.wait(20) == 75
    assert str(first.process.pid) in second.log()
    assert json.loads((first.state_dir / "listeners.json").read_text())["pid"] == first.process.pid

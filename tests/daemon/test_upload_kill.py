"""kill -9 at any moment of an upload: one answer, the right bytes, nothing left at QingStor."""

from __future__ import annotations

import random
import time

import pytest

from tests.daemon.conftest import final_answers, is_final, join
from tests.daemon.test_uploads import BACKUP, opened
from tests.support.daemon import ROOT, DaemonProcess, wait_for
from wxsync.jobs.job import UPLOAD_STATES
from wxsync.sandbox.origin import noise

WATCHED = str(ROOT / "tests" / "support" / "watched_daemon.py")
KILLS_AN_UPLOAD = 5
SLOW = 1_500_000.0  # bytes a second over each connection: about two seconds for the file


def daemon_on(sandbox, tmp_path, die_after: str = "") -> DaemonProcess:
    command = (WATCHED, "--die-after", die_after) if die_after else ()
    return DaemonProcess(tmp_path, sandbox.settings(), **({"command": command} if command else {}))


def assert_there_once(sandbox) -> None:
    (text,) = final_answers(sandbox, "zhangsan")
    assert text.startswith("✅ 文件上传成功！\n")
    assert opened(text) == noise(10_000_000)
    assert sandbox.qingstor.open_uploads() == []
    assert len(sandbox.qingstor.buckets["tmp"].objects) == 1
    assert [each[0] for each in sandbox.wecom.answers("zhangsan")].count("📥") == 1


@pytest.mark.parametrize("state", UPLOAD_STATES)
def test_a_daemon_killed_in_any_state_uploads_once(sandbox, tmp_path, state):
    dying = join(sandbox, daemon_on(sandbox, tmp_path, state).start())
    delivery = sandbox.wecom.text("zhangsan", BACKUP)
    sandbox.wecom.deliver(delivery)
    wait_for(lambda: dying.process.poll() is not None, f"the death after {state}")
    daemon = daemon_on(sandbox, tmp_path)
    try:
        join(sandbox, daemon.start())
        sandbox.wecom.deliver(delivery)
        sandbox.wecom.wait_for("zhangsan", is_final, within_s=30)
        assert_there_once(sandbox)
    finally:
        assert daemon.stop() == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_daemon_killed_again_and_again_uploads_once(sandbox, tmp_path, seed):
    """Four uploads with five kills each, at moments that only the seed knows."""
    chance = random.Random(seed)
    sandbox.qingstor.server.bodies.rate = SLOW
    daemon = join(sandbox, daemon_on(sandbox, tmp_path).start())
    sandbox.wecom.send_text("zhangsan", BACKUP)
    for _ in range(KILLS_AN_UPLOAD):
        time.sleep(chance.uniform(0.0, 1.0))
        daemon.kill()
        daemon = join(sandbox, daemon_on(sandbox, tmp_path).start())
    sandbox.qingstor.server.bodies.rate = 0.0
    try:
        sandbox.wecom.wait_for("zhangsan", is_final, within_s=30)
        assert_there_once(sandbox)
    finally:
        assert daemon.stop() == 0

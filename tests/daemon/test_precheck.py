"""The pre-check of a real daemon: it asks a registry through the guarded way, and holds nothing up for long."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.daemon.conftest import ask, final_answers, is_final, join
from tests.e2e.registries import Registry as DockerRegistry
from tests.support.daemon import DaemonProcess, wait_for
from wxsync.sandbox.faults import Fault
from wxsync.sandbox.registry.images import made
from wxsync.sandbox.registry.stand_in import Registry
from wxsync.sandbox.server import Answer, Server

MEMBER = "zhangsan"


def checked(*mirrors: str) -> dict[str, str]:
    """Return the options of a daemon that asks these places."""
    return {"precheck": "on", "mirrors": ", ".join(mirrors)}


@pytest.fixture
def source():
    """Makes every image but those with `no-such` in them, and those with a tag of `absent`."""
    absent = {"lates"}
    place = Registry(maker=lambda name, tag: None if tag in absent else made(name, tag))
    place.absent = absent
    yield place
    place.close()


def mirror(source, host="docker.io"):
    return f"{host}=http://{source.address}/{host}"


def test_a_slip_is_told_at_once_and_the_others_go_on(sandbox, start, source):
    start(registry=checked(mirror(source)))
    last = ask(sandbox, "nginx:lates, redis:7.0")
    first = sandbox.wecom.answers(MEMBER)[0]
    prefix = "{registry}/{namespace}/".format(**sandbox.settings()["registry"])
    assert first == (
        "🔄 正在处理镜像同步请求...\n共 2 个镜像：\n"
        "1. ❌ nginx:lates：源仓库没有标签 lates，相近的标签：latest\n"
        f"2. redis:7.0 → {prefix}redis:7.0\n带 ❌ 的不会同步，其余照常进行\n#1"
    )
    assert last.splitlines()[:2] == [
        "❌ 镜像同步失败：成功 1 个，失败 1 个", "1. nginx:lates：源仓库没有标签 lates，相近的标签：latest"]
    assert f"docker pull {prefix}redis:7.0" in last
    (commit,) = sandbox.github.commits()
    assert "nginx" not in commit.text("images.txt")


def test_only_slips_start_nothing_and_a_retry_says_so_again(sandbox, start, source):
    start(registry=checked(mirror(source)))
    answer = ask(sandbox, "nginx:lates")
    assert answer.startswith("⚠️ 没有开始\n以下镜像在源仓库里找不到，请改正后重新发送：\n- nginx:lates：")
    assert ask(sandbox, "重试").startswith("⚠️ 没有开始\n")
    assert not sandbox.github.dispatches
    assert ask(sandbox, "nginx:latest").startswith("✅")


def test_a_retry_after_the_tag_was_pushed_succeeds(sandbox, start, source):
    start(registry=checked(mirror(source)))
    ask(sandbox, "nginx:lates, redis:7.0")
    source.absent.clear()
    assert ask(sandbox, "重试").startswith("✅ 镜像同步完成！成功 1 个\n")


@pytest.mark.skipif(not shutil.which("docker-registry"), reason="missing: docker-registry")
def test_a_real_registry_is_understood(sandbox, start, tmp_path):
    place = DockerRegistry(tmp_path / "registry")
    try:
        place.put_index("docker.io/library/app", "1.2", ["linux/amd64", "linux/arm64"], attested=True)
        start(registry=checked(f"docker.io=http://{place.address}/docker.io"))
        text = ask(sandbox, "app:1.3, none:1, app:1.2\n--platform=linux/s390x app:1.2")
        assert text.splitlines()[:4] == [
            "❌ 镜像同步失败：成功 1 个，失败 3 个",
            "1. app:1.3：源仓库没有标签 1.3，相近的标签：1.2",
            "2. none:1：源仓库没有这个镜像，请检查名称（私有镜像需要管理员配置 source_auth）",
            "4. app:1.2（linux/s390x）：该镜像没有平台 linux/s390x，已有：linux/amd64、linux/arm64",
        ]
    finally:
        place.close()


def test_sources_that_do_not_tell_stop_nothing(sandbox, start, source):
    away = Server(lambda request: Answer(200))
    away.close()
    limits = Server(lambda request: Answer(429, b"toomanyrequests"))
    start(registry=checked(f"quay.io={away.url}", f"ghcr.io={limits.url}", mirror(source)))
    try:
        images = "quay.io/a/b:1\nghcr.io/a/c:1\nnginx:latest\nlocalhost:1/a/d:1\n10.0.0.1/a/e:1"
        assert ask(sandbox, images).startswith("✅ 镜像同步完成！成功 5 个")
    finally:
        limits.close()


def test_a_source_that_hangs_costs_five_seconds_while_the_bot_answers_and_is_well(sandbox, start, source):
    source.server.faults.add(Fault("/v2/", "hang", times=100))
    daemon = start(registry=checked(mirror(source)))
    began = time.monotonic()
    sandbox.wecom.send_text(MEMBER, "nginx:latest")
    source.server.wait_seen("HEAD", "/v2/")
    assert ask(sandbox, "帮助", member="lisi").startswith("ℹ️")
    assert sandbox.wecom.answers(MEMBER) == []
    assert daemon.get("/health")[0] == 200
    assert sandbox.wecom.wait_for(MEMBER, is_final, within_s=20).text.startswith("✅")
    assert 4.5 < time.monotonic() - began < 15


def test_a_job_that_is_cancelled_while_the_source_hangs_ends_within_two_seconds(sandbox, start, source):
    source.server.faults.add(Fault("/v2/", "hang", times=100))
    start(registry=checked(mirror(source)))
    sandbox.wecom.send_text(MEMBER, "nginx:latest")
    source.server.wait_seen("HEAD", "/v2/")
    began = time.monotonic()
    sandbox.wecom.send_text(MEMBER, "取消")
    found = sandbox.wecom.wait_for(MEMBER, lambda entry: "⚠️ 已取消" in entry.text, within_s=10)
    assert time.monotonic() - began < 2
    assert "还没有开始" in found.text
    assert not any("🔄" in text for text in sandbox.wecom.answers(MEMBER))


@pytest.mark.parametrize("moment", ["while the source hangs", "after the source has answered"])
def test_a_kill_during_the_pre_check_gives_one_announcement(sandbox, tmp_path, source, moment):
    settings = sandbox.settings()
    settings["github"]["poll"] = "0.05"
    settings["registry"].update(checked(mirror(source)))
    source.server.faults.add(Fault("/v2/", "hang", after=moment.startswith("after"), times=100))
    dying = join(sandbox, DaemonProcess(tmp_path, settings).start())
    sandbox.wecom.send_text(MEMBER, "nginx:lates, redis:7.0")
    source.server.wait_seen("HEAD", "/v2/")
    dying.kill()
    assert sandbox.wecom.answers(MEMBER) == []
    source.server.faults.clear()
    daemon = DaemonProcess(tmp_path, settings)
    try:
        join(sandbox, daemon.start())
        sandbox.wecom.wait_for(MEMBER, is_final, within_s=20)
        texts = sandbox.wecom.answers(MEMBER)
        assert [text[0] for text in texts] == ["🔄", "❌"]
        assert len(final_answers(sandbox, MEMBER)) == len(sandbox.github.dispatches) == 1
    finally:
        assert daemon.stop() == 0


def test_a_stop_during_the_pre_check_is_quick_and_the_job_goes_on_later(sandbox, tmp_path, source):
    settings = sandbox.settings()
    settings["registry"].update(checked(mirror(source)))
    source.server.faults.add(Fault("/v2/", "hang", times=100))
    daemon = join(sandbox, DaemonProcess(tmp_path, settings).start())
    sandbox.wecom.send_text(MEMBER, "nginx:latest")
    source.server.wait_seen("HEAD", "/v2/")
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 9
    source.server.faults.clear()
    join(sandbox, daemon.start())
    try:
        assert sandbox.wecom.wait_for(MEMBER, is_final, within_s=20).text.startswith("✅")
        wait_for(lambda: len(final_answers(sandbox, MEMBER)) == 1, "one answer")
    finally:
        daemon.stop()

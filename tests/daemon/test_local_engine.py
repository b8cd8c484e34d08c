"""The real daemon on its own engine: from the chat to the destination registry, and through kill -9."""

from __future__ import annotations

import random
import time

import pytest

from tests.daemon.conftest import ask, final_answers, is_final, join
from tests.support.daemon import DaemonProcess, wait_for
from tests.support.shelf import Shelf, noise
from wxsync.jobs.imagelist import parse
from wxsync.sandbox.registry.images import digest_of, made
from wxsync.sandbox.stand_ins import LOCAL

NAMESPACE = "wxsync-demo"
TWELVE = [f"app{n}:1" for n in range(12)]


def daemon_on(sandbox, tmp_path, **changes) -> DaemonProcess:
    settings = sandbox.settings(LOCAL)
    settings["registry"]["precheck"] = "off"
    for section, options in changes.items():
        settings.setdefault(section, {}).update(options)
    return DaemonProcess(tmp_path, settings)


@pytest.fixture
def daemon(sandbox, tmp_path):
    started = join(sandbox, daemon_on(sandbox, tmp_path).start())
    yield started
    started.stop()


def tag(sandbox, name: str) -> str:
    path, _, wanted = name.partition(":")
    there = sandbox.destination.content.repositories.get(f"{NAMESPACE}/{path}")
    return there.tags.get(wanted, "") if there else ""


def wanted(name: str) -> str:
    path, _, version = name.partition(":")
    return digest_of(made(f"docker.io/library/{path}", version).index)


def test_images_go_from_one_registry_to_the_other(sandbox, daemon):
    text = ask(sandbox, "nginx:latest, redis:7.0, mysql:8.0")
    lines = text.splitlines()
    assert lines[0] == "✅ 镜像同步完成！成功 3 个"
    prefix = f"{sandbox.destination.address}/{NAMESPACE}/"
    assert lines[1:4] == [f"docker pull {prefix}{name}" for name in ("nginx:latest", "redis:7.0", "mysql:8.0")]
    assert "，镜像共 " in text and "，实际传输 " in text
    for name in ("nginx:latest", "redis:7.0", "mysql:8.0"):
        assert tag(sandbox, name) == wanted(name)
    again = ask(sandbox, "nginx:latest")
    assert "其中 1 个目标已是同一摘要，未重复复制" in again
    assert "实际传输 0 字节" in again
    blocks = parse((daemon.state_dir / "images.txt").read_text())
    assert [len(block.lines) for block in blocks] == [3, 1]


def test_a_partly_failed_job_names_the_reason_and_is_repeated(sandbox, daemon):
    text = ask(sandbox, "nginx:latest, redis:no-such")
    assert text.splitlines()[0] == "❌ 镜像同步失败：成功 1 个，失败 1 个"
    assert "2. redis:no-such：镜像或标签不存在" in text
    assert ask(sandbox, "重试").splitlines()[0] == "❌ 镜像同步失败：成功 0 个，失败 1 个"


def test_a_wrong_destination_password_shows_nowhere(sandbox, tmp_path):
    daemon = join(sandbox, daemon_on(sandbox, tmp_path, registry={"password": "quite-wrong-7"}).start())
    try:
        assert "目标仓库拒绝写入，请让管理员检查 [registry] username / password 和命名空间" in ask(sandbox, "nginx:1")
        assert "quite-wrong-7" not in daemon.log() + "".join(sandbox.wecom.answers("zhangsan"))
    finally:
        daemon.stop()


def test_cancelling_stops_the_copying(sandbox, daemon):
    sandbox.source.server.fail_next("/blobs/", 200, 100, delay_s=30)
    assert sandbox.wecom.send_text("zhangsan", "nginx:1, redis:1").is_accepted
    sandbox.source.server.wait_seen("GET", "/blobs/")
    began = time.monotonic()
    after = max(entry.number for entry in sandbox.wecom.chat("zhangsan"))
    assert sandbox.wecom.send_text("zhangsan", "取消").is_accepted
    found = sandbox.wecom.wait_for("zhangsan", lambda entry: "⚠️ 已取消" in entry.text, within_s=10, after=after)
    assert found.text.splitlines()[1] == "取消前已同步 0 个，未同步 2 个"
    assert time.monotonic() - began < 5
    assert sandbox.destination.content.faults() == []


def test_sigterm_in_the_middle_is_taken_up_at_the_next_start(sandbox, tmp_path, daemon):
    sandbox.source.server.fail_next("/redis/", 503, 1, delay_s=3)
    assert sandbox.wecom.send_text("zhangsan", "nginx:1, redis:1").is_accepted
    wait_for(lambda: tag(sandbox, "nginx:1"), "the first image")
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 6
    join(sandbox, daemon.start())
    assert sandbox.wecom.wait_for("zhangsan", is_final, within_s=20).text.startswith("✅ 镜像同步完成！成功 2 个")
    assert len(final_answers(sandbox, "zhangsan")) == 1


@pytest.mark.parametrize("seed", range(10))
def test_kill_9_at_a_random_moment_costs_little_and_no_answer(sandbox, tmp_path, seed):
    """One answer, every digest right, hardly a byte twice."""
    moments, base, digests = random.Random(seed), noise(200_000, "base"), {}
    for n, name in enumerate(TWELVE):
        layers = (base, noise(100_000, n), noise(50_000, -n))
        digests[name] = Shelf(sandbox.source, f"docker.io/library/app{n}").image("1", layers=layers)["digest"]
    undisturbed = len(base) + 12 * 150_000
    sandbox.source.server.delay_s = 0.02  # loopback is so fast that the job would have no middle
    daemon = join(sandbox, daemon_on(sandbox, tmp_path).start())
    assert sandbox.wecom.send_text("zhangsan", ", ".join(TWELVE)).is_accepted
    time.sleep(moments.uniform(0.02, 0.7))  # the moment itself, no synchronisation
    daemon.kill()
    join(sandbox, daemon.start())
    try:
        text = sandbox.wecom.wait_for("zhangsan", is_final, within_s=40).text
        assert text.splitlines()[0] == "✅ 镜像同步完成！成功 12 个"
        assert len(final_answers(sandbox, "zhangsan")) == 1
        assert {name: tag(sandbox, name) for name in TWELVE} == digests
        assert sandbox.destination.content.faults() == []
        assert sandbox.source.served_bytes <= 1.3 * undisturbed
    finally:
        daemon.stop()

"""A sync some of whose images are not at their source: they fail at once, the others keep their places."""

from __future__ import annotations

import pytest

from tests.jobs.test_precheck import precheck
from tests.jobs.test_sync import Bench
from wxsync.jobs import imagelist
from wxsync.jobs.job import from_record
from wxsync.sandbox.github.runs import Pace
from wxsync.sandbox.github.stand_in import GitHub as StandIn
from wxsync.sandbox.github.workflow import Verdict
from wxsync.sandbox.registry.images import made
from wxsync.sandbox.registry.stand_in import Registry


@pytest.fixture
def source():
    """Has every image but those with the tag `lates`, or with `no-such` in their name."""
    place = Registry(maker=lambda name, tag: None if tag == "lates" else made(name, tag))
    yield place
    place.close()


@pytest.fixture
def github():
    place = StandIn()
    place.pace = Pace(queued=0.01, plan=0.01, image=0.02)
    yield place
    place.close()


@pytest.fixture
def bench(tmp_path, github, source):
    made_here = Bench(tmp_path, github)
    url = f"http://{source.address}"
    made_here.restart(precheck=precheck(("docker.io", f"{url}/docker.io"), ("quay.io", f"{url}/quay.io")))
    yield made_here
    made_here.close()


def block_of(github):
    (commit,) = github.commits()
    (block,) = imagelist.parse(commit.text("images.txt"))
    return commit, block


def test_it_is_marked_in_the_first_message_and_failed_in_the_last(bench, github):
    number = bench.ask("nginx:lates, redis:7.0, no-such/x:1, mysql:8.0")
    last = bench.run()
    first = bench.texts()[0]
    assert first.splitlines() == [
        "🔄 正在处理镜像同步请求...",
        "共 4 个镜像：",
        "1. ❌ nginx:lates：源仓库没有标签 lates，相近的标签：latest",
        "2. redis:7.0 → r.io/ns/redis:7.0",
        "3. ❌ no-such/x:1：源仓库没有这个镜像，请检查名称（私有镜像需要管理员配置 source_auth）",
        "4. mysql:8.0 → r.io/ns/mysql:8.0",
        "带 ❌ 的不会同步，其余照常进行",
        "#1",
    ]
    lines = last.splitlines()
    assert lines[:3] == [
        "❌ 镜像同步失败：成功 2 个，失败 2 个",
        "1. nginx:lates：源仓库没有标签 lates，相近的标签：latest",
        "3. no-such/x:1：源仓库没有这个镜像，请检查名称（私有镜像需要管理员配置 source_auth）",
    ]
    assert "docker pull r.io/ns/redis:7.0" in lines and "docker pull r.io/ns/mysql:8.0" in lines
    assert from_record(bench.store.job(number)).result == "partly"
    commit, block = block_of(github)
    assert [line.source for line in block.lines] == ["redis:7.0", "mysql:8.0"]
    assert commit.message.startswith("sync #1: 2 images by")


def test_a_failure_in_the_run_is_given_to_the_right_image(bench, github):
    github.dispatching.verdicts = (Verdict("redis", "quota", "no room"),)
    number = bench.ask("nginx:lates, mysql:8.0, no-such/x:1, redis:7.0, nginx:latest")
    bench.run()
    items = from_record(bench.store.job(number)).items
    assert [item.result for item in items] == ["failed", "succeeded", "failed", "failed", "succeeded"]
    assert items[3].reason.endswith("（no room）")


def test_all_absent_is_refused_and_nothing_is_started(bench, github):
    number = bench.ask("nginx:lates, no-such/x:1")
    assert bench.run() == (
        "⚠️ 没有开始\n"
        "以下镜像在源仓库里找不到，请改正后重新发送：\n"
        "- nginx:lates：源仓库没有标签 lates，相近的标签：latest\n"
        "- no-such/x:1：源仓库没有这个镜像，请检查名称（私有镜像需要管理员配置 source_auth）\n#1"
    )
    assert len(bench.texts()) == 1
    assert from_record(bench.store.job(number)).result == "refused"
    assert not github.commits() and not github.dispatches


def test_an_absent_image_takes_no_name_from_others(bench, github):
    bench.ask("nginx:lates, quay.io/other/nginx:1.27")
    bench.run()
    assert "2. quay.io/other/nginx:1.27 → r.io/ns/nginx:1.27" in bench.texts()[0]
    bench.ask("nginx:1.27")
    bench.run_to("announced")
    assert "library_nginx:1.27" in bench.texts()[-1]


def test_nobody_else_is_kept_from_a_name_while_the_job_runs(bench, github):
    bench.ask("nginx:lates -> web:v3, mysql:lates, redis:7.0")
    bench.run_to("committed")
    bench.slot.give_back(1)
    bench.ask("quay.io/other/mysql:1.27, quay.io/other/app:1 -> web:v3")
    for _ in range(3):
        bench.worker.turn()
    text = bench.texts()[1]
    assert "1. quay.io/other/mysql:1.27 → r.io/ns/mysql:1.27\n2. quay.io/other/app:1 → r.io/ns/web:v3" in text


def test_a_destination_that_the_member_named_survives_to_the_retry(bench, source):
    number = bench.ask("nginx:lates -> web:v3, redis:7.0")
    bench.run()
    item = from_record(bench.store.job(number)).items[0]
    assert (item.destination, item.is_named, item.result) == ("web:v3", True, "failed")


def test_a_cancelled_job_tells_the_absent_image_too(bench, github):
    github.pace = Pace(queued=0.01, plan=0.01, image=30.0)
    number = bench.ask("nginx:lates, redis:7.0")
    bench.run_to("running")
    bench.store.cancel(number, "zhangsan")
    last = bench.run()
    assert last.startswith("⚠️ 已取消\n取消前已同步 0 个，未同步 2 个\n")
    assert "1. nginx:lates：源仓库没有标签 lates" in last


def test_a_hundred_long_lines_never_lose_an_absent_image(bench):
    names = [f"quay.io/a/b{'c' * 120}{n}:1.0" for n in range(80)]
    bench.ask("\n".join([*names, *(f"no-such/{'y' * 150}{n}:1" for n in range(10))]))
    bench.worker.turn()
    text = "\n".join(bench.texts())
    assert text.count("❌ no-such/") == 10
    assert "…其余" in text


def test_a_restart_keeps_what_was_absent(bench, github):
    number = bench.ask("nginx:lates, redis:7.0")
    bench.run_to("announced")
    bench.slot.give_back(number)
    bench.restart()
    assert "1. nginx:lates：源仓库没有标签 lates" in bench.run()
    _, block = block_of(github)
    assert [line.source for line in block.lines] == ["redis:7.0"]
    assert [text[0] for text in bench.texts()] == ["🔄", "❌"]

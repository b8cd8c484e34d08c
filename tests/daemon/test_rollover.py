"""Midnight of a real daemon: GitHub has the day's list, the local one is empty, nothing is lost when GitHub is away."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from tests.daemon.conftest import is_final, join
from tests.support.daemon import wait_for
from wxsync.jobs.imagelist import parse

SHANGHAI = timezone(timedelta(hours=8))


def in_seconds(seconds: float) -> dict[str, str]:
    return {"time": f"{datetime.now(SHANGHAI) + timedelta(seconds=seconds):%H:%M:%S}"}


def sync(sandbox, text: str) -> None:
    after = max((entry.number for entry in sandbox.wecom.chat("zhangsan")), default=0)
    sandbox.wecom.send_text("zhangsan", text)
    sandbox.wecom.wait_for("zhangsan", is_final, within_s=20, after=after)


def restart(sandbox, daemon, **changes) -> None:
    daemon.stop()
    settings = sandbox.settings()
    settings["github"]["poll"] = "0.05"
    settings.update(changes)
    daemon.configure(settings)
    join(sandbox, daemon.start())


def test_at_midnight_github_has_the_day_and_the_next_request_starts_a_clean_list(sandbox, start):
    daemon = start(rollover=in_seconds(-3600))
    local = daemon.state_dir / "images.txt"
    sync(sandbox, "nginx:latest")
    sync(sandbox, "redis:7.0")
    day = local.read_text()
    assert len(parse(day)) == 2
    # Someone edits the list on GitHub: midnight writes the day's list over it.
    sandbox.github.rival_commits(0)
    restart(sandbox, daemon, rollover=in_seconds(2))
    wait_for(lambda: local.read_text() == "", "the emptied list")
    assert sandbox.github.text("images.txt") == day
    sync(sandbox, "mysql:8.0")
    (block,) = parse(local.read_text())
    assert [line.destination for line in block.lines] == ["mysql:8.0"]
    assert sandbox.github.text("images.txt") == local.read_text()


def test_github_away_at_midnight_loses_nothing(sandbox, start):
    daemon = start(rollover=in_seconds(-3600))
    local = daemon.state_dir / "images.txt"
    sync(sandbox, "nginx:latest")
    day = local.read_text()
    sandbox.github.server.down()
    restart(sandbox, daemon, rollover=in_seconds(2))
    wait_for(lambda: "rollover failed" in daemon.log(), "the failed try")
    assert local.read_text() == day
    sandbox.github.server.up()
    wait_for(lambda: local.read_text() == "", "the second try")
    assert sandbox.github.text("images.txt") == day


def test_a_midnight_while_down_is_served_at_the_next_start(sandbox, start):
    at = in_seconds(3)
    daemon = start(rollover=at)
    local = daemon.state_dir / "images.txt"
    sync(sandbox, "nginx:latest")
    daemon.stop()
    assert local.read_text() != ""
    wait_for(lambda: f"{datetime.now(SHANGHAI):%H:%M:%S}" > at["time"], "the time of day")
    daemon.start()
    wait_for(lambda: "rollover done" in daemon.log(), "the rollover")
    assert local.read_text() == ""


def test_a_new_time_of_day_that_has_passed_already_waits_for_tomorrow(sandbox, start):
    daemon = start(rollover=in_seconds(3600))
    sync(sandbox, "nginx:latest")
    restart(sandbox, daemon, rollover=in_seconds(-2))
    assert sandbox.wecom.send_text("zhangsan", "帮助").is_accepted
    wait_for(lambda: "ℹ️" in "".join(sandbox.wecom.answers("zhangsan")), "an answer")
    assert "rollover" not in daemon.log().rpartition("ready")[2]
    assert (daemon.state_dir / "images.txt").read_text() != ""

"""The life of a job: every move is in the table, and the store gives back what it was given."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from wxsync.errors import Bug
from wxsync.jobs import job as lives
from wxsync.jobs.job import MOVES, STATES, Item, Job, advance, from_record, result_of, to_record

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
ITEM = Item("nginx:latest", "docker.io/library/nginx", "nginx:latest")
EVENTS = {
    lives.Retried: lives.Retried(11),
    lives.CancelAsked: lives.CancelAsked("lisi"),
    lives.Queued: lives.Queued(),
    lives.Announced: lives.Announced("20260102-030405-a1b2", "r.io/ns/", (ITEM,), NOW),
    lives.Committed: lives.Committed("c0ffee"),
    lives.Posting: lives.Posting(NOW),
    lives.AnswerLost: lives.AnswerLost(),
    lives.Dispatched: lives.Dispatched(),
    lives.RunSeen: lives.RunSeen(7, "http://127.0.0.1/7"),
    lives.Noticed: lives.Noticed(),
    lives.Concluded: lives.Concluded((replace(ITEM, result="succeeded", seconds=1.5),)),
    lives.Ended: lives.Ended("succeeded", NOW),
}


def job(state: str = "accepted") -> Job:
    return Job(12, "sync", "zhangsan", "nginx:latest", NOW, state=state)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(STATES, EVENTS)))
def test_only_the_moves_of_the_table_are_possible(state, event):
    wanted = MOVES.get((state, event))
    if wanted is None:
        with pytest.raises(Bug, match="job 12"):
            advance(job(state), EVENTS[event])
    else:
        assert advance(job(state), EVENTS[event]).state == wanted


def test_every_state_leads_to_the_end():
    ways = {state: {target for (source, _), target in MOVES.items() if source == state} for state in STATES}
    for state in STATES[:-1]:
        reached, front = set(), {state}
        while front:
            reached |= front
            front = set().union(*(ways[each] for each in front)) - reached
        assert "ended" in reached, state
    assert ways["ended"] == set()


def test_a_whole_life_survives_the_store_after_each_step():
    now = job()
    for event in (*list(EVENTS.values())[:10], EVENTS[lives.Concluded], EVENTS[lives.Ended]):
        now = advance(now, event)
        assert from_record(to_record(now)) == now
    assert now.result == "succeeded"
    assert now.run_url == "http://127.0.0.1/7"
    assert now.ended_at == NOW
    assert now.is_noticed
    assert (now.retry_of, now.cancelled_by) == (11, "lisi")


def test_a_dispatch_that_names_its_run_keeps_it():
    dispatched = advance(job("committed"), lives.Dispatched(7, "u"))
    assert (dispatched.run_id, dispatched.run_url) == (7, "u")


@pytest.mark.parametrize(
    ("results", "wanted"),
    [
        (["succeeded", "skipped"], "succeeded"),
        (["succeeded", "failed"], "partly"),
        (["failed", "cancelled"], "failed"),
    ],
)
def test_the_result_of_a_job_follows_from_its_images(results, wanted):
    assert result_of(tuple(replace(ITEM, result=result) for result in results)) == wanted


def test_only_open_images_are_failed_by_the_job():
    done, open_ = replace(ITEM, result="succeeded"), ITEM
    assert lives.fail_open((done, open_), "weg") == (done, replace(open_, result="failed", reason="weg"))

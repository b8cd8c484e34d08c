"""The life of a job: every move is in the table, and the store gives back what it was given."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from wxsync.errors import Bug
from wxsync.jobs import events, results
from wxsync.jobs.job import MOVES, STATES, Job, advance, from_record, to_record
from wxsync.jobs.results import File, Item, result_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
ITEM = Item("nginx:latest", "docker.io/library/nginx", "nginx:latest")
FILE = File("https://example.com/a.pdf")
EVENTS = {
    events.Retried: events.Retried(11),
    events.CancelAsked: events.CancelAsked("lisi"),
    events.Queued: events.Queued(),
    events.Announced: events.Announced("20260102-030405-a1b2", "r.io/ns/", (ITEM,), NOW),
    events.Committed: events.Committed("c0ffee"),
    events.Posting: events.Posting(NOW),
    events.AnswerLost: events.AnswerLost(),
    events.Dispatched: events.Dispatched(),
    events.RunSeen: events.RunSeen(7, "http://127.0.0.1/7"),
    events.Noticed: events.Noticed(),
    events.Concluded: events.Concluded((replace(ITEM, result="succeeded", seconds=1.5),)),
    events.Copying: events.Copying(),
    events.Copied: events.Copied((replace(ITEM, result="succeeded", size=7, moved=5),)),
    events.Progressed: events.Progressed(5, 7),
    events.Fetching: events.Fetching((FILE,), NOW),
    events.Uploading: events.Uploading((replace(FILE, key="k.pdf", upload_id="u"),)),
    events.Stored: events.Stored((replace(FILE, key="k.pdf", size=5, result="succeeded"),)),
    events.Ended: events.Ended("succeeded", NOW),
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
    for event in (*list(EVENTS.values())[:10], EVENTS[events.Concluded], EVENTS[events.Ended]):
        now = advance(now, event)
        assert from_record(to_record(now)) == now
    assert now.result == "succeeded"
    assert now.run_url == "http://127.0.0.1/7"
    assert now.ended_at == NOW
    assert now.is_noticed
    assert (now.retry_of, now.cancelled_by) == (11, "lisi")


def test_a_life_without_github_survives_the_store_after_each_step():
    now = job()
    for event in (events.Announced, events.Copying, events.Copied, events.Progressed, events.Concluded, events.Ended):
        now = advance(now, EVENTS[event])
        assert from_record(to_record(now)) == now
    assert now.result == "succeeded"


def test_the_life_of_an_upload_survives_the_store_after_each_step():
    now = replace(job(), kind="upload")
    for event in (events.Fetching, events.Uploading, events.Stored, events.Fetching):
        now = advance(now, EVENTS[event])
        assert from_record(to_record(now)) == now
    assert now.started_at == NOW
    assert advance(now, events.Ended("succeeded", NOW)).state == "ended"


def test_an_upload_that_goes_on_keeps_its_start():
    fetching = advance(job(), EVENTS[events.Fetching])
    assert advance(fetching, events.Fetching((FILE,))).started_at == NOW


def test_a_dispatch_that_names_its_run_keeps_it():
    dispatched = advance(job("committed"), events.Dispatched(7, "u"))
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
    assert results.fail_open((done, open_), "weg") == (done, replace(open_, result="failed", reason="weg"))

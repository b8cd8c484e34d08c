"""Dispatches, runs, jobs, annotations, logs and cancelling of the GitHub stand-in."""

from __future__ import annotations

import urllib.request
from urllib.parse import urlsplit

import pytest

from tests.support.github_client import Client
from tests.support.plain_client import call
from wxsync.sandbox.github.loghost import MAX_LINKS
from wxsync.sandbox.github.runs import Pace
from wxsync.sandbox.github.stand_in import GitHub, TokenLeaked
from wxsync.sandbox.github.workflow import NO_SUCH, Verdict

RUNS = "/actions/workflows/docker-image-sync.yml/runs"


@pytest.fixture
def github(now):
    made = GitHub(now=now)
    made.pace = Pace(visible=3, queued=5, plan=10, image=20, parallel=2)
    yield made
    made.close()


@pytest.fixture
def client(github):
    return Client(github)


def test_a_run_is_visible_late_and_lives_from_queued_to_completed(github, client, now):
    run_id = client.sync("nginx -> nginx:latest", "no-such:1 -> no-such:1", "redis -> redis:latest")
    path = f"/actions/runs/{run_id}"
    assert client.get(path).status == 404
    assert client.get(RUNS).json()["total_count"] == 0
    now.move(3)
    assert (client.get(path).json()["status"], client.jobs(run_id)) == ("queued", [])
    now.move(2)
    assert client.get(path).json()["status"] == "in_progress"
    assert [(job["name"], job["status"]) for job in client.jobs(run_id)] == [("plan", "in_progress")]
    now.move(10)
    assert [(job["name"], job["status"]) for job in client.jobs(run_id)] == [
        ("plan", "completed"), ("image 1 nginx", "in_progress"), ("image 2 no-such:1", "in_progress"),
        ("image 3 redis", "queued")]
    now.move(20)
    assert [job["conclusion"] for job in client.jobs(run_id)] == ["success", "success", "failure", None]
    assert client.get(path).json()["conclusion"] is None
    now.move(20)
    run = client.get(path).json()
    assert (run["status"], run["conclusion"], run["display_title"]) == ("completed", "failure", "sync r1")
    assert github.run(run_id).conclusion == "failure"


def test_a_dispatch_tells_the_run_when_asked(github, client):
    details = client.dispatch(return_run_details=True)
    assert details.status == 200
    assert set(details.json()) == {"workflow_run_id", "run_url", "html_url"}
    silent = client.dispatch("r2", return_run_details=False)
    assert (silent.status, silent.body) == (204, b"")
    assert [(dispatch.request_id, dispatch.ref) for dispatch in github.dispatches] == [("r1", "main"), ("r2", "main")]


def test_older_servers_ignore_or_refuse_the_wish_for_details(github, client):
    github.dispatching.details = "ignore"
    assert client.dispatch().status == 204
    github.dispatching.details = "refuse"
    refused = client.dispatch()
    assert (refused.status, "return_run_details" in refused.json()["message"]) == (422, True)
    assert len(github.dispatches) == 1


@pytest.mark.parametrize(("fields", "status", "word"), [
    ({"ref": "none"}, 422, "No ref found"), ({"ref": ""}, 422, "ref"), ({"ref": None}, 422, "ref"),
    ({"inputs": {"other": "x"}}, 422, 'Unexpected inputs provided: ["other"]'), ({"inputs": []}, 422, ""),
    ({"inputs": {"request_id": 7}}, 422, ""), ({"inputs": {"request_id": "x" * 65536}}, 422, "too large"),
    ({"extra": 1}, 422, "extra")])
def test_a_wrong_dispatch_is_refused_and_starts_nothing(github, client, fields, status, word):
    reply = client.dispatch(**fields)
    assert (reply.status, word in reply.json()["message"]) == (status, True)
    assert github.dispatches == []


@pytest.mark.parametrize(("attribute", "value", "status", "word"), [
    ("is_there", False, 404, "Not Found"), ("is_enabled", False, 422, "disabled workflow"),
    ("actions_enabled", False, 422, "Actions has been disabled"), ("inputs", None, 422, "workflow_dispatch")])
def test_the_workflows_own_state_refuses_a_dispatch(github, client, attribute, value, status, word):
    setattr(github.dispatching, attribute, value)
    reply = client.dispatch()
    assert (reply.status, word in reply.json()["message"]) == (status, True)
    assert github.dispatches == []


def test_the_workflow_shows_itself(github, client):
    assert client.get("/actions/workflows/docker-image-sync.yml").json()["state"] == "active"
    github.dispatching.is_enabled = False
    assert client.get("/actions/workflows/161335").json()["state"] == "disabled_manually"
    assert client.get("/actions/workflows/other.yml").status == 404


def test_the_block_is_read_at_exactly_the_given_commit(github, client, now):
    commit = client.put_list("# request r1\nnginx -> nginx:latest\n").json()["commit"]["sha"]
    client.put_list("")
    run_id = client.dispatch(inputs={"request_id": "r1", "commit": commit}).json()["workflow_run_id"]
    github.finish(run_id)
    assert [job["name"] for job in client.jobs(run_id)] == ["plan", "image 1 nginx"]
    lost = client.dispatch("r1").json()["workflow_run_id"]
    github.finish(lost)
    assert [(job["name"], job["conclusion"]) for job in client.jobs(lost)] == [
        ("plan", "failure"), ("image ${{ matrix.n }} ${{ matrix.source }}", "skipped")]
    unknown = client.dispatch(inputs={"request_id": "r1", "commit": "0" * 40}).json()["workflow_run_id"]
    github.finish(unknown)
    assert github.run(unknown).conclusion == "failure"


def test_the_reason_stands_in_annotations_and_log(github, client):
    run_id = client.sync("no-such:1 -> no-such:1")
    github.finish(run_id)
    plan, image = client.jobs(run_id)
    notes = client.get(f"/check-runs/{image['id']}/annotations").json()
    assert [(note["annotation_level"], note["title"], note["message"]) for note in notes] == [
        ("failure", "", "Process completed with exit code 1."),
        ("failure", "image 1", "not-found: image or tag not found: manifest unknown")]
    assert client.get(f"/check-runs/{plan['id']}/annotations").json() == []
    reply = client.get(f"/actions/jobs/{image['id']}/logs")
    assert (reply.status, urlsplit(reply.headers["location"]).port != github.server.port) == (302, True)
    text = urllib.request.urlopen(reply.headers["location"]).read().decode("utf-8")
    assert text.startswith("\ufeff20")
    assert "##[error]not-found: image or tag not found: manifest unknown\r\n" in text
    assert "没有真正拷贝" in text


def test_a_success_has_a_notice_and_a_second_one_is_skipped(github, client):
    copied = "nginx -> nginx:latest sha256:"
    for request_id, start in (("r1", copied), ("r2", f"skipped: {copied}")):
        run_id = client.sync("nginx -> nginx:latest", request_id=request_id)
        github.finish(run_id)
        job = client.jobs(run_id)[1]
        (note,) = client.get(f"/check-runs/{job['id']}/annotations").json()
        assert note["message"].startswith(start)
        log = client.get(f"/actions/jobs/{job['id']}/logs").headers["location"]
        assert f"##[notice]{start}".encode() in urllib.request.urlopen(log).read()


def test_a_failed_plan_says_why(github, client):
    run_id = client.dispatch("lost").json()["workflow_run_id"]
    github.finish(run_id)
    plan, skipped = client.jobs(run_id)
    notes = client.get(f"/check-runs/{plan['id']}/annotations").json()
    assert notes[1]["message"] == "request lost is not in images.txt"
    assert client.get(f"/check-runs/{skipped['id']}/annotations").json() == []
    log = client.get(f"/actions/jobs/{plan['id']}/logs").headers["location"]
    assert b"##[error]request lost is not in images.txt" in urllib.request.urlopen(log).read()
    assert client.get(f"/actions/jobs/{skipped['id']}/logs").status == 404


def test_secrets_are_masked_in_annotations_and_logs(github, client):
    github.dispatching.secrets["DOCKER_NAMESPACE"] = "nginx"
    run_id = client.sync("nginx:1 -> nginx:1")
    github.finish(run_id)
    job = client.jobs(run_id)[1]
    assert client.get(f"/check-runs/{job['id']}/annotations").json()[0]["message"].startswith("***:1 -> ***:1")
    log = urllib.request.urlopen(client.get(f"/actions/jobs/{job['id']}/logs").headers["location"]).read()
    assert b"nginx" not in log


def test_a_fine_grained_token_reads_no_annotations(github, client):
    github.actions.can_annotate = False
    run_id = client.sync("no-such:1 -> a:1")
    github.finish(run_id)
    reply = client.get(f"/check-runs/{client.jobs(run_id)[1]['id']}/annotations")
    assert (reply.status, reply.headers["x-accepted-github-permissions"]) == (403, "checks=read")


def test_tests_can_order_other_reasons(github, client):
    github.dispatching.verdicts = (Verdict("private/", "source-denied", "denied"), NO_SUCH)
    run_id = client.sync("private/x:1 -> x:1")
    github.finish(run_id)
    assert client.get(f"/check-runs/{client.jobs(run_id)[1]['id']}/annotations").json()[1]["message"] == (
        "source-denied: denied")


def test_a_log_is_not_there_while_the_job_runs_and_its_link_dies(github, client, now):
    run_id = client.sync("nginx -> a:1")
    now.move(15)
    job_id = client.jobs(run_id)[1]["id"]
    assert client.get(f"/actions/jobs/{job_id}/logs").status == 404
    assert client.get(f"/check-runs/{job_id}/annotations").json() == []
    assert client.get(f"/actions/jobs/{job_id + 5}/logs").status == 404
    now.move(20)
    link = urlsplit(client.get(f"/actions/jobs/{job_id}/logs").headers["location"])
    assert call(link.port, "GET", f"{link.path}?{link.query}").status == 200
    now.move(60)
    assert call(link.port, "GET", f"{link.path}?{link.query}").status == 403


def test_the_log_host_keeps_its_newest_links(github):
    links = [github.logs.link("text") for _ in range(MAX_LINKS + 1)]
    assert [call(github.logs.server.port, "GET", link.partition("/job")[1] + link.partition("/job")[2]).status
            for link in (links[0], links[1], links[-1])] == [403, 200, 200]


def test_a_token_at_the_log_host_fails_the_test(now):
    github = GitHub(now=now)
    assert call(github.logs.server.port, "GET", "/x", None, {"Authorization": "Bearer x"}).status == 400
    with pytest.raises(TokenLeaked, match="/x"):
        github.close()


def test_jobs_come_in_pages_with_links(github, client):
    run_id = client.sync(*(f"a{number}:1 -> a{number}:1" for number in range(60)))
    github.finish(run_id)
    first = client.get(f"/actions/runs/{run_id}/jobs")
    assert (first.json()["total_count"], len(first.json()["jobs"])) == (61, 30)
    assert 'page=2>; rel="next"' in first.headers["link"]
    assert 'page=3>; rel="last"' in first.headers["link"]
    last = client.get(f"/actions/runs/{run_id}/jobs?per_page=30&page=3")
    assert (len(last.json()["jobs"]), "link" in last.headers) == (1, False)
    assert len(client.get(f"/actions/runs/{run_id}/jobs?per_page=500&page=x").json()["jobs"]) == 61


@pytest.mark.parametrize(("query", "count"), [
    ("?event=workflow_dispatch&branch=main&created=>=2025-11-24T16:00:00Z&per_page=50", 1), ("?event=push", 0),
    ("?branch=other", 0), ("?created=>=2025-11-24T16:00:01Z", 0), ("?created=<=2025-11-24T16:00:00Z", 1),
    ("?created=%3C2025-11-24T16:00:00Z", 0), ("?created=%3E2025-11-24T15:59:59Z", 1), ("?created=2025-11-24", 1),
    ("?created=2025-11-24..2025-11-25", 1), ("?created=*..2025-11-23", 0), ("?status=queued", 0),
    ("?status=success", 1), ("?status=completed", 1), ("?head_sha=0", 0)])
def test_the_list_of_runs_is_filtered_as_asked(github, client, query, count):
    run_id = client.sync("nginx -> a:1")
    github.finish(run_id)
    found = client.get(RUNS + query).json()
    assert (found["total_count"], len(found["workflow_runs"])) == (count, count)
    assert client.get("/actions/runs" + query).json()["total_count"] == count


def test_the_newest_run_comes_first(github, client, now):
    ids = [client.dispatch(f"r{number}").json()["workflow_run_id"] for number in range(3)]
    now.move(3)
    assert [run["id"] for run in client.get(RUNS).json()["workflow_runs"]] == ids[::-1]


def test_cancelling_leaves_what_was_done_and_works_once(github, client, now):
    run_id = client.sync("nginx -> a:1", "redis -> b:1", "mysql -> c:1")
    now.move(40)
    assert client.post(f"/actions/runs/{run_id}/cancel").status == 202
    assert client.get(f"/actions/runs/{run_id}").json()["conclusion"] == "cancelled"
    assert [job["conclusion"] for job in client.jobs(run_id)] == ["success", "success", "success", "cancelled"]
    assert client.post(f"/actions/runs/{run_id}/cancel").status == 409
    job_id = client.jobs(run_id)[3]["id"]
    log = client.get(f"/actions/jobs/{job_id}/logs").headers["location"]
    assert b"The operation was canceled." in urllib.request.urlopen(log).read()
    assert client.get(f"/check-runs/{job_id}/annotations").json() == []


@pytest.mark.parametrize(("seconds", "conclusions"), [(4, []), (6, ["cancelled", "skipped"])])
def test_a_run_can_be_cancelled_by_hand_before_its_images(github, client, now, seconds, conclusions):
    run_id = client.sync("nginx -> a:1")
    now.move(seconds)
    github.cancel(run_id)
    now.move(100)
    assert github.run(run_id).conclusion == "cancelled"
    assert [job["conclusion"] for job in client.jobs(run_id)] == conclusions


def test_a_deleted_run_is_gone(github, client, now):
    first, second = client.sync("nginx -> a:1"), client.sync("nginx -> a:1", request_id="r2")
    now.move(3)
    github.delete(first)
    assert client.get(f"/actions/runs/{first}").status == 404
    path = f"{client.root}/actions/runs/{second}"
    assert call(github.server.port, "DELETE", path, None, client.headers).status == 204
    assert client.get(f"/actions/runs/{second}/jobs").status == 404


def test_the_runs_page_says_that_it_is_simulated(github, client):
    run_id = client.sync("no-such:1 -> a:1")
    github.finish(run_id)
    page = call(github.server.port, "GET", urlsplit(client.get(f"/actions/runs/{run_id}").json()["html_url"]).path)
    text = page.body.decode("utf-8")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "模拟了这次运行" in text
    assert "❌ 失败 · image 1 no-such:1" in text
    assert call(github.server.port, "GET", "/acme/mirror/actions/runs/1").status == 404


def test_the_page_of_a_young_run_has_no_jobs_yet(github, client, now):
    run_id = client.sync("nginx -> a:1")
    path = f"/acme/mirror/actions/runs/{run_id}"
    now.move(3)
    assert "还没有任务" in call(github.server.port, "GET", path).body.decode("utf-8")
    now.move(10)
    assert "进行中 · plan" in call(github.server.port, "GET", path).body.decode("utf-8")

"""The GitHub client against the stand-in and a scripted server: each call, each refusal, each trap."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from tests.support.daemon import wait_for
from tests.support.scripted_server import ScriptedServer
from wxsync.clock import SystemClock
from wxsync.errors import RemoteFault
from wxsync.jobs import imagelist
from wxsync.remote.dialer import Dialer
from wxsync.remote.github import report
from wxsync.remote.github.client import GitHub
from wxsync.remote.github.faults import Conflict, GitHubFault
from wxsync.remote.http import HttpTransport, tls_context
from wxsync.remote.resolver import SystemResolver
from wxsync.sandbox.github.runs import Pace
from wxsync.sandbox.github.stand_in import GitHub as StandIn

REQUEST = "20260102-030405-a1b2"
LIST = f"# request {REQUEST}\nnginx:latest -> nginx:latest\nno-such:1 -> no-such:1\n"
SINCE = datetime.now(timezone.utc) - timedelta(hours=1)


def client_of(url: str, repo: str, token: str = "t0ken") -> GitHub:
    clock = SystemClock()
    transport = HttpTransport(Dialer(clock, SystemResolver(clock)), clock, user_agent="wxsyncd/test",
                              tls=tls_context(""))
    return GitHub(transport, api_base=url, token=token, repo=repo, branch="main", workflow="docker-image-sync.yml")


@pytest.fixture
def stand_in():
    made = StandIn()
    made.pace = Pace(queued=0.01, plan=0.01, image=0.02)
    yield made
    made.close()


@pytest.fixture
def github(stand_in):
    return client_of(stand_in.url, stand_in.repo, stand_in.token)


def finished(github: GitHub, stand_in: StandIn, text: str = LIST):
    """Commit a list, dispatch it, and return the completed run."""
    found = github.read_list()
    commit = github.write_list(text, message="sync", sha=found.sha)
    run = github.dispatch(request_id=REQUEST, commit=commit, registry="r.example.com", namespace="ns")
    wait_for(lambda: github.run(run.id).status == "completed", "the run's end")
    return run


def test_the_list_is_read_written_and_its_commit_found(github, stand_in):
    found = github.read_list()
    assert found.text == ""
    commit = github.write_list("# ä中\n", message="sync #1", sha=found.sha)
    assert github.read_list().text == "# ä中\n"
    assert github.last_commit() == commit
    with pytest.raises(Conflict) as caught:
        github.write_list("other", message="sync #2", sha=found.sha)
    assert caught.value.temporary
    with pytest.raises(Conflict):
        github.write_list("other", message="sync #2", sha=None)


def test_a_repository_without_a_list_is_no_error_but_a_hidden_one_is():
    made = StandIn(files={"README.md": b"x"})
    try:
        github = client_of(made.url, made.repo, made.token)
        assert github.read_list() is None
        github.write_list("x", message="first", sha=None)
        assert github.read_list().text == "x"
        with pytest.raises(GitHubFault) as caught:
            client_of(made.url, "acme/other", made.token).read_list()
        assert caught.value.kind == "missing"
        assert "acme/other@main" in caught.value.what
    finally:
        made.close()


def test_a_dispatch_names_its_run_and_the_run_is_found_by_the_request(github, stand_in):
    run = finished(github, stand_in)
    assert github.find_run(REQUEST, SINCE) == run
    assert github.find_run("20260102-030405-ffff", SINCE) is None
    state = github.run(run.id)
    assert (state.status, state.conclusion, state.url) == ("completed", "failure", run.url)
    assert stand_in.dispatches[0].inputs == {
        "request_id": REQUEST, "commit": stand_in.commits()[0].sha, "registry": "r.example.com", "namespace": "ns"}


@pytest.mark.parametrize(("details", "dispatched"), [("ignore", 1), ("refuse", 1)])
def test_servers_that_do_not_name_the_run_are_served_too(github, stand_in, details, dispatched):
    stand_in.dispatching.details = details
    commit = github.write_list(LIST, message="sync", sha=github.read_list().sha)
    assert github.dispatch(request_id=REQUEST, commit=commit, registry="r.io", namespace="n") is None
    assert len(stand_in.dispatches) == dispatched
    assert github.find_run(REQUEST, SINCE).id == stand_in.dispatches[0].run_id


@pytest.mark.parametrize("may_annotate", [True, False])
def test_results_and_reasons_come_from_annotations_or_from_the_log(github, stand_in, may_annotate):
    stand_in.actions.can_annotate = may_annotate
    run = finished(github, stand_in)
    found = github.images(run.id)
    assert [(image.n, image.result, image.reason_class) for image in found.images] == [
        (1, "succeeded", ""), (2, "failed", "not-found")]
    assert "manifest unknown" in found.images[1].reason
    assert found.images[0].seconds is not None
    assert found.fault is None
    again = finished(github, stand_in, LIST + f"# request {REQUEST}-2\nnginx:latest -> nginx:latest\n")
    assert github.images(again.id).images[0].result == "skipped"
    assert len(stand_in.server.seen("GET", "/annotations")) == (4 if may_annotate else 1)
    assert not stand_in.logs.leaks


def test_a_hundred_images_are_read_over_several_pages(github, stand_in):
    lines = [imagelist.Line(f"app{n}:1", (), f"app{n}:1") for n in range(100)]
    stand_in.pace = Pace(queued=0.01, plan=0.01, image=0.01, parallel=100)
    run = finished(github, stand_in, imagelist.block(REQUEST, lines))
    assert [image.n for image in github.images(run.id).images] == list(range(1, 101))
    assert len(stand_in.server.seen("GET", "/jobs")) == 2


def test_a_plan_that_fails_gives_its_reason(github, stand_in):
    commit = github.write_list("nginx:latest -> nginx:latest\n", message="sync", sha=github.read_list().sha)
    run = github.dispatch(request_id=REQUEST, commit=commit, registry="r.io", namespace="n")
    wait_for(lambda: github.run(run.id).status == "completed", "the run's end")
    found = github.images(run.id)
    assert found.images == ()
    assert REQUEST in found.reason


def test_a_run_under_way_has_open_images_and_an_unchanged_one_is_not_sent_again(github, stand_in):
    stand_in.pace = Pace(queued=0.01, plan=0.01, image=3600)
    commit = github.write_list(LIST, message="sync", sha=github.read_list().sha)
    run = github.dispatch(request_id=REQUEST, commit=commit, registry="r.io", namespace="n")
    wait_for(lambda: len(github.images(run.id).images) == 2, "the matrix jobs")
    assert {image.result for image in github.images(run.id).images} == {"pending"}
    first = github.run(run.id)
    asked = len(stand_in.server.seen("GET", f"/runs/{run.id}$"))
    assert github.run(run.id) == first
    last = stand_in.server.seen("GET", f"/runs/{run.id}$")[asked]
    assert "if-none-match" in last.headers


def test_reasons_that_could_not_be_read_are_told_and_the_rest_stands(github, stand_in):
    run = finished(github, stand_in)
    stand_in.server.fail_next("/annotations", 502)
    found = github.images(run.id)
    assert found.fault.temporary
    assert [image.result for image in found.images] == ["succeeded", "failed"]
    assert found.images[1].reason
    assert github.images(run.id).fault is None


def told(github: GitHub) -> GitHubFault:
    with pytest.raises(GitHubFault) as caught:
        github.dispatch(request_id=REQUEST, commit="c0ffee", registry="r.io", namespace="n")
    return caught.value


def spoil(what: str):
    def order(stand_in: StandIn) -> None:
        dispatching = stand_in.dispatching
        if what == "old":
            dispatching.inputs = None
        elif what == "other inputs":
            dispatching.inputs = frozenset({"request_id"})
        elif what == "gone":
            dispatching.is_there = False
        elif what == "workflow off":
            dispatching.is_enabled = False
        else:
            dispatching.actions_enabled = False

    return order


@pytest.mark.parametrize(
    ("what", "kind"),
    [("old", "old-workflow"), ("other inputs", "old-workflow"), ("gone", "missing"), ("workflow off", "disabled"),
     ("actions off", "disabled")],
)
def test_a_dispatch_that_github_refuses_is_told_apart_with_its_mend(github, stand_in, what, kind):
    spoil(what)(stand_in)
    fault = told(github)
    assert (fault.kind, fault.temporary, fault.maybe_done) == (kind, False, False)
    assert fault.mend
    assert stand_in.dispatches == []


def test_a_branch_that_is_not_there_is_named(stand_in):
    clock = SystemClock()
    transport = HttpTransport(Dialer(clock, SystemResolver(clock)), clock, user_agent="t", tls=tls_context(""))
    github = GitHub(transport, api_base=stand_in.url, token=stand_in.token, repo=stand_in.repo, branch="nowhere",
                    workflow="docker-image-sync.yml")
    fault = told(github)
    assert fault.kind == "branch"
    assert "nowhere" in fault.what


def test_a_wrong_token_is_told_and_never_shown(stand_in):
    with pytest.raises(GitHubFault) as caught:
        client_of(stand_in.url, stand_in.repo, "ghp_secretsecret").read_list()
    assert caught.value.kind == "token"
    assert "ghp_secretsecret" not in repr(caught.value) + str(caught.value)


def test_a_dispatch_whose_answer_is_lost_may_have_been_done(github, stand_in):
    for what in (500, "close"):
        stand_in.server.fail_next("/dispatches", what, after=True)
        fault = told(github)
        assert (fault.kind, fault.temporary, fault.maybe_done) == ("unavailable", True, True)
    stand_in.server.down()
    fault = told(github)
    assert (fault.kind, fault.temporary, fault.maybe_done) == ("unavailable", True, False)


def answer(status: str, body: object = None, **headers: str) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n{fields}\r\n".encode() + data


@pytest.mark.parametrize(
    ("step", "kind", "pause_s"),
    [
        (answer("403 Forbidden", {"message": "slow"}, Retry_After="17"), "rate-limit", 17),
        (answer("429 Too Many Requests"), "rate-limit", 60),
        (answer("403 Forbidden", {"message": "You have exceeded a secondary rate limit"}), "rate-limit", 60),
        (answer("403 Forbidden", x_ratelimit_remaining="0", x_ratelimit_reset="1767323105",
                Date="Fri, 02 Jan 2026 03:04:05 GMT"), "rate-limit", 60),
        (answer("403 Forbidden", x_ratelimit_remaining="0", x_ratelimit_reset="soon", Date="now"), "rate-limit", 60),
        (answer("403 Forbidden", {"message": "Resource not accessible by personal access token"},
                X_Accepted_GitHub_Permissions="contents=write"), "permission", None),
        (answer("403 Forbidden", {"message": "Actions has been disabled for this user."}), "disabled", None),
        (answer("503 Service Unavailable", Retry_After="5"), "unavailable", 5),
        (answer("302 Found", Location="http://localhost:9/elsewhere"), "redirect", None),
        (answer("418 I'm a teapot", {"message": "short and stout"}), "refused", None),
        (answer("418 I'm a teapot", ["no object"]), "refused", None),
        (answer("200 OK", {"content": "eA=="}), "bad-answer", None),
        (answer("200 OK", [1]), "bad-answer", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "bad-answer", None),
    ],
)
def test_refusals_are_told_apart(step, kind, pause_s):
    with ScriptedServer(step) as server, pytest.raises(GitHubFault) as caught:
        client_of(server.url, "o/r").read_list()
    assert (caught.value.kind, caught.value.retry_after_s) == (kind, pause_s)
    assert caught.value.temporary is (kind in {"rate-limit", "unavailable", "bad-answer"})


def test_a_renamed_repository_is_followed_on_the_same_host_with_the_token():
    content = answer("200 OK", {"content": "eA==", "sha": "1"})
    with ScriptedServer(answer("301 Moved", Location="/repositories/1/contents/images.txt"), content) as server:
        assert client_of(server.url, "o/r").read_list().text == "x"
        first, second = server.seen
        assert second.target == "/repositories/1/contents/images.txt"
        assert second.header("Authorization") == first.header("Authorization") == "Bearer t0ken"
        assert second.header("User-Agent") == "wxsyncd/test"


def test_a_dispatch_is_never_turned_into_a_get_by_a_redirect():
    with ScriptedServer(answer("302 Found", Location="/elsewhere")) as server:
        assert told(client_of(server.url, "o/r")).kind == "redirect"
    with ScriptedServer(answer("307 Temporary Redirect", Location="/moved"), answer("204 No Content")) as server:
        assert client_of(server.url, "o/r").dispatch(
            request_id=REQUEST, commit="c", registry="r.io", namespace="n") is None
        assert (server.seen[1].method, server.seen[1].target) == ("POST", "/moved")


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (lambda github: github.write_list("x", message="m", sha=None), {"commit": None}),
        (lambda github: github.last_commit(), []),
    ],
)
def test_answers_that_lack_what_was_promised_are_faults(call, body):
    with ScriptedServer(answer("200 OK", body)) as server, pytest.raises(RemoteFault, match="无法识别"):
        call(client_of(server.url, "o/r"))


def test_a_dispatch_answer_without_a_run_counts_as_taken():
    with ScriptedServer(answer("200 OK", {"html_url": "x"})) as server:
        assert client_of(server.url, "o/r").dispatch(
            request_id=REQUEST, commit="c", registry="r.io", namespace="n") is None


def test_log_lines_are_read_with_stamp_bom_and_crlf():
    log = ("\ufeff2026-01-02T03:04:05.1234567Z start\r\n"
           "2026-01-02T03:04:05.1234567Z ##[error]not-found: gone\r\n"
           "2026-01-02T03:04:06.1234567Z ##[error]Process completed with exit code 1.\r\n"
           "##[notice]skipped: nginx:1 -> nginx:1\r\n").encode()
    remarks = report.log_remarks(log)
    assert [(each.level, each.message) for each in remarks] == [
        ("failure", "not-found: gone"), ("failure", "Process completed with exit code 1."),
        ("notice", "skipped: nginx:1 -> nginx:1")]
    assert report.reason_of({}, remarks) == ("not-found", "gone")


@pytest.mark.parametrize(
    ("job", "remarks", "wanted"),
    [
        ({"conclusion": "failure", "steps": [{"name": "copy", "conclusion": "failure"}]}, [], ("", "copy")),
        ({"conclusion": "timed_out"}, [], ("", "timed_out")),
        ({}, [report.Remark("failure", "boom: no class")], ("", "boom: no class")),
    ],
)
def test_without_a_class_the_reason_is_what_there_is(job, remarks, wanted):
    assert report.reason_of(job, remarks) == wanted

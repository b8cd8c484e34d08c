"""The admin API over real sockets: what it gives, what it starts, and every way in which it refuses."""

from __future__ import annotations

import json
import resource
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.support.clock import FakeClock
from tests.support.limits import TestLimits, running
from tests.support.raw import Answer, Client, until
from wxsync.jobs import events
from wxsync.jobs.desk import Desk
from wxsync.jobs.job import Job, advance, from_record, to_record
from wxsync.jobs.ledger import Ledger
from wxsync.jobs.progress import Progress
from wxsync.jobs.results import File, Item
from wxsync.options.addresses import Listener
from wxsync.store.database import Database
from wxsync.store.spool import Spool
from wxsync.store.store import Store
from wxsync.web.api import Api, Bounds
from wxsync.web.gate import Gate
from wxsync.web.routes import Router

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
LOOPBACK = Listener("127.0.0.1", 8503, "admin")
MAX_FILE = 1000


class Site:
    """An admin listener with its jobs; nothing runs them, so a test moves them by hand."""

    def __init__(self, directory, *, token: str = "", place: Listener = LOOPBACK, has_desk: bool = True,
                 limits: TestLimits | None = None, within_s: float = 30.0) -> None:
        self.spooled = directory / "spool"
        self.database = Database(directory / "s")
        self.store = Store(self.database)
        self.progress = Progress()
        self.woken: list[bool] = []
        self.hurried: list[int] = []
        spool = Spool(self.spooled, max_bytes=MAX_FILE)
        desk = Desk(self.store, FakeClock(NOW), spool, self.progress, own_prefix="r.io/ns/",
                    wake=lambda: self.woken.append(True), hurry=self.hurried.append)
        self.ledger = Ledger(self.store, FakeClock(NOW), lambda: None, spool.drop)
        api = Api(desk if has_desk else None, Gate(place, token), Bounds(MAX_FILE, within_s))
        self._running = running(Router([api.rule()]), limits)
        server, _ = self._running.__enter__()
        self.address = server.server_address

    def close(self) -> None:
        self._running.__exit__(None, None, None)
        self.database.close()

    def left(self) -> list[str]:
        """What lies in the spool."""
        return [path.name for path in self.spooled.iterdir()] if self.spooled.exists() else []

    def send(self, method: str, target: str, *, body: bytes | str = b"", host: str | None = "127.0.0.1:8503",
             type_: str = "", **fields: str) -> Answer:
        data = body.encode() if isinstance(body, str) else body
        lines = [f"{method} {target} HTTP/1.1", *([f"Host: {host}"] if host is not None else [])]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        lines += [f"Content-Type: {type_}"] if type_ else []
        lines += [f"Content-Length: {len(data)}"] if data or method == "POST" else []
        with Client(self.address) as client:
            client.send("\r\n".join([*lines, "", ""]).encode() + data)
            return client.answer(of_head=method == "HEAD")

    def post(self, target: str, value: Any, **fields: str) -> Answer:
        return self.send("POST", target, body=json.dumps(value), type_="application/json", **fields)

    def add(self, **changes: Any) -> int:
        return self.store.add(to_record(replace(Job(0, "sync", "zhangsan", "nginx:latest", NOW), **changes)))

    def job(self, number: int) -> Job:
        return from_record(self.store.job(number))

    def end(self, number: int, result: str = "failed", *texts: str) -> None:
        self.ledger.save(advance(self.job(number), events.Ended(result, NOW)), *texts)


@pytest.fixture
def site(tmp_path):
    made: list[Site] = []

    def make(**options: Any) -> Site:
        made.append(Site(tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def refused(answer: Answer, status: int) -> str:
    """Every refusal is JSON with what is wrong and what to do, and both are Chinese."""
    assert answer.status == status, answer
    assert answer.values("Content-Type") == ["application/json"]
    body = json.loads(answer.body)
    assert set(body) == {"error", "mend"}
    assert all(any("\u4e00" <= each <= "\u9fff" for each in text) for text in body.values()), body
    return f"{body['error']} {body['mend']}"


class TestReading:
    def test_jobs_are_listed_newest_first_with_what_became_of_each_image(self, site):
        here = site()
        items = (Item("nginx:latest", "docker.io/library/nginx", "nginx:latest"),
                 Item("redis:7.0", "docker.io/library/redis", "redis:7.0"))
        number = here.add()
        announced = advance(here.job(number), events.Announced("r1", "r.io/ns/", items, NOW))
        done = (replace(items[0], result="succeeded", seconds=1.5), replace(items[1], result="failed", reason="没有"))
        here.ledger.save(announced)
        here.ledger.save(advance(announced, events.Concluded(done)))
        assert json.loads(here.send("GET", "/api/jobs").body)["jobs"][0]["result"] == ""
        here.end(number, "partly", "❌ 镜像同步失败")
        later = here.add(kind="help", text="帮助")
        answer = here.send("GET", "/api/jobs")
        assert answer.status == 200
        assert answer.values("Cache-Control") == ["no-store"]
        first, second = json.loads(answer.body)["jobs"]
        assert (first["id"], first["ended_at"], first["items"]) == (later, None, [])
        assert second == {
            "id": number, "kind": "sync", "member": "zhangsan", "state": "ended", "result": "partly",
            "created_at": "2026-01-02T03:04:05.000+00:00", "ended_at": "2026-01-02T03:04:05.000+00:00", "run_url": "",
            "items": [
                {"source": "nginx:latest", "destination": "r.io/ns/nginx:latest", "result": "succeeded", "reason": "",
                 "seconds": 1.5},
                {"source": "redis:7.0", "destination": "r.io/ns/redis:7.0", "result": "failed", "reason": "没有",
                 "seconds": None},
            ],
        }

    def test_the_list_is_cut_by_limit_and_before(self, site):
        here = site()
        numbers = [here.add() for _ in range(105)]

        def listed(query: str) -> list[int]:
            return [job["id"] for job in json.loads(here.send("GET", f"/api/jobs{query}").body)["jobs"]]

        assert listed("") == numbers[:-21:-1]
        assert listed("?limit=2") == numbers[:-3:-1]
        assert listed("?limit=2&before=3") == [2, 1]
        assert len(listed("?limit=999999")) == 100

    def test_an_open_job_tells_how_far_it_is_and_hides_the_password_of_its_link(self, site):
        here = site()
        number = here.add(kind="upload", text="https://u:secret@h.example/a.iso")
        fetching = events.Fetching((File("https://h.example/a.iso"),), NOW)
        here.ledger.save(advance(here.job(number), fetching))
        here.progress.report(number, 0, 10, 40)
        job = json.loads(here.send("GET", f"/api/jobs/{number}").body)
        assert job["progress"] == [{"done": 10, "total": 40}]
        assert job["request"] == "https://***@h.example/a.iso"
        assert job["items"][0]["source"] == "https://h.example/a.iso"
        here.end(number, "failed")
        assert json.loads(here.send("GET", f"/api/jobs/{number}").body)["progress"] == []

    def test_head_brings_no_body(self, site):
        answer = site().send("HEAD", "/api/jobs")
        assert (answer.status, answer.body) == (200, b"")

    @pytest.mark.parametrize("target", [
        "/api", "/api/", "/api/other", "/api/jobs/", "/api/jobs/0", "/api/jobs/01", "/api/jobs/x", "/api/jobs/-1",
        "/api/jobs/7", "/api/jobs/1234567890123456789", "/api/jobs/1/", "/api/jobs/1/stop", "/api/jobs/1/cancel/",
        "/api/jobs/%31"])
    def test_what_is_not_there_is_404(self, site, target):
        refused(site().send("GET", target), 404)

    @pytest.mark.parametrize("query", [
        "limit=0", "limit=-1", "limit=x", "limit=", "limit", "limit=1&limit=2", "before=99999999999999999999", "a=1",
        "limit=%31%zz&x=%ff", "&".join(f"a{n}=1" for n in range(20)), "limit=\u0661"])
    def test_a_bad_query_is_400(self, site, query):
        refused(site().send("GET", f"/api/jobs?{query}"), 400)

    def test_other_methods_are_405_and_told_which_are_served(self, site):
        here = site()
        number = here.add()
        for method, target, allowed in (
            ("DELETE", f"/api/jobs/{number}", "GET, HEAD"), ("POST", f"/api/jobs/{number}", "GET, HEAD"),
            ("GET", f"/api/jobs/{number}/cancel", "POST"), ("PUT", "/api/jobs", "GET, HEAD, POST"),
            ("OPTIONS", "/api/jobs", "GET, HEAD, POST"),
        ):
            answer = here.send(method, target)
            refused(answer, 405)
            assert answer.values("Allow") == [allowed]


class TestStarting:
    def test_a_text_becomes_a_job_of_cli_that_is_told_to_nobody(self, site):
        here = site()
        answer = here.post("/api/jobs", {"text": "nginx:latest"})
        assert answer.status == 201
        number = json.loads(answer.body)["id"]
        job = here.job(number)
        assert (job.kind, job.member, job.text, job.state) == ("sync", "cli", "nginx:latest", "accepted")
        assert here.woken
        here.end(number, "refused", "⚠️ 没有开始")
        assert here.store.outbox() == []
        assert json.loads(here.send("GET", f"/api/jobs/{number}").body)["text"] == "⚠️ 没有开始"

    @pytest.mark.parametrize("body", [
        b"", b"{", b"[]", b'"nginx"', b"{}", b'{"text": 1}', b'{"text": ""}', b'{"text": " "}',
        b'{"text": "a", "member": "boss"}', b'{"text": "\\ud800"}', b"\xff\xfe", b"[" * 100_000, b"1" * 10_000])
    def test_a_body_that_is_no_request_is_400(self, site, body):
        here = site()
        refused(here.send("POST", "/api/jobs", body=body, type_="application/json"), 400)
        assert here.store.jobs(limit=1) == []

    def test_a_text_too_long_for_any_message_is_cut_off_by_size(self, site):
        here = site()
        assert "大" in refused(here.post("/api/jobs", {"text": "a" * 300_000}), 413)
        assert here.post("/api/jobs", {"text": "a:1 " * 8000}).status == 201
        assert here.job(1).kind == "invalid"

    def test_parameters_that_mean_nothing_are_refused(self, site):
        refused(site().post("/api/jobs?limit=1", {"text": "nginx:latest"}), 400)

    def test_a_file_is_kept_for_its_job_alone(self, site):
        here = site()
        answer = here.send("POST", "/api/jobs?name=%E6%8A%A5%E5%91%8A%20a.pdf", body=b"x" * MAX_FILE,
                           type_="application/octet-stream")
        number = json.loads(answer.body)["id"]
        job = here.job(number)
        assert (answer.status, job.kind, job.text, job.member) == (201, "upload", "报告 a.pdf", "cli")
        kept = here.spooled / job.spooled
        assert kept.read_bytes() == b"x" * MAX_FILE
        assert kept.stat().st_mode & 0o777 == 0o600
        assert here.spooled.stat().st_mode & 0o777 == 0o700
        here.end(number, "succeeded")
        assert not kept.exists()

    def test_a_file_may_come_in_chunks_or_be_empty(self, site):
        here = site()
        with Client(here.address) as client:
            client.send("POST /api/jobs?name=a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
                        "Expect: 100-continue\r\n\r\n")
            assert client.answer().status == 100
            client.send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            assert client.answer().status == 201
        assert here.send("POST", "/api/jobs?name=b").status == 201
        assert [(here.spooled / here.job(n).spooled).read_bytes() for n in (1, 2)] == [b"abcde", b""]

    @pytest.mark.parametrize("name", [
        "", ".", "..", "a/b", "..%2Fetc", "a%5Cb", "a%00b", "a%0Ab", "%FF", "%E2%80%AEfdp", "x" * 256, "a&name=b"])
    def test_a_name_that_is_no_file_name_is_400(self, site, name):
        here = site()
        refused(here.send("POST", f"/api/jobs?name={name}", body=b"x"), 400)
        assert not here.spooled.exists()

    def test_a_file_too_large_leaves_nothing(self, site):
        here = site()
        refused(here.send("POST", "/api/jobs?name=a", body=b"x" * (MAX_FILE + 1)), 413)
        with Client(here.address) as client:
            client.send("POST /api/jobs?name=a HTTP/1.1\r\nHost: [::1]:1\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send(b"400\r\n" + b"x" * 0x400 + b"\r\n")
            refused(client.answer(), 413)
            assert client.is_closed()
        assert here.left() == []
        assert here.store.jobs(limit=1) == []

    def test_a_body_that_stops_coming_is_408_and_leaves_nothing(self, site):
        here = site(limits=TestLimits(body_timeout=0.2))
        with Client(here.address) as client:
            client.send("POST /api/jobs?name=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc")
            refused(client.answer(), 408)
        assert here.left() == []

    def test_a_body_that_drips_is_408_when_its_time_is_over(self, site):
        here = site(within_s=0.0)
        with Client(here.address) as client:
            client.send("POST /api/jobs?name=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc")
            refused(client.answer(), 408)

    def test_a_client_that_leaves_and_a_broken_body_leave_nothing(self, site):
        here = site()
        with Client(here.address) as client:
            client.send("POST /api/jobs?name=a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "2\r\nab\r\nzz\r\n")
            refused(client.answer(), 400)
        with Client(here.address) as client:
            client.send("POST /api/jobs?name=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc")
        until(lambda: here.left() == [])
        assert here.store.jobs(limit=1) == []

    def test_a_form_with_a_file_in_it_is_told_how_to_send(self, site):
        text = refused(site().send("POST", "/api/jobs?name=a", body=b"x", type_="multipart/form-data; boundary=b"), 415)
        assert "--data-binary" in text

    def test_a_file_that_does_not_fit_on_the_disk_is_507(self, site):
        here = site()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            text = refused(here.send("POST", "/api/jobs?name=a", body=b"x" * 500), 507)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "磁盘" in text
        assert here.left() == []

    def test_a_spool_that_cannot_be_made_is_503(self, site):
        here = site()
        here.spooled.symlink_to("/nowhere")
        refused(here.send("POST", "/api/jobs?name=a", body=b"x"), 503)

    def test_a_store_that_takes_nothing_is_503_and_leaves_no_file(self, site):
        here = site()
        here.database.close()
        refused(here.post("/api/jobs", {"text": "nginx:latest"}), 503)
        refused(here.send("POST", "/api/jobs?name=a", body=b"x"), 503)
        assert here.left() == []

    def test_a_daemon_without_jobs_says_so(self, site):
        assert "[wecom]" in refused(site(has_desk=False).send("GET", "/api/jobs"), 503)


class TestChanging:
    def test_cancel_is_kept_and_told_to_both_threads(self, site):
        here = site()
        number = here.add()
        assert json.loads(here.post(f"/api/jobs/{number}/cancel", {}).body) == {"id": number}
        assert here.store.cancelled_by(number) == "cli"
        assert (here.hurried, bool(here.woken)) == ([number], True)
        assert here.send("POST", f"/api/jobs/{number}/cancel").status == 202

    def test_the_first_who_cancelled_stays_the_one(self, site):
        here = site()
        number = here.add()
        here.store.cancel(number, "boss")
        assert here.send("POST", f"/api/jobs/{number}/cancel").status == 202
        assert here.store.cancelled_by(number) == "boss"

    def test_an_ended_job_cannot_be_cancelled_and_none_is_404(self, site):
        here = site()
        number = here.add()
        here.end(number)
        assert "已经结束" in refused(here.post(f"/api/jobs/{number}/cancel", {}), 409)
        refused(here.post("/api/jobs/99/cancel", {}), 404)
        refused(here.post("/api/jobs/99/retry", {}), 404)

    def test_retry_is_a_new_job_for_the_same_images(self, site):
        here = site()
        number = here.add()
        here.end(number)
        answer = here.send("POST", f"/api/jobs/{number}/retry")
        again = here.job(json.loads(answer.body)["id"])
        assert (answer.status, again.kind, again.retry_of, again.is_local) == (201, "sync", number, True)
        here.end(again.id, "refused")
        third = here.job(json.loads(here.send("POST", f"/api/jobs/{again.id}/retry").body)["id"])
        assert third.retry_of == number

    @pytest.mark.parametrize(("changes", "result", "says"), [
        ({}, "", "还没有结束"), ({}, "succeeded", "全部成功"), ({"kind": "help"}, "failed", "不能重试"),
        ({"kind": "upload", "spooled": "f"}, "failed", "不能重试")])
    def test_what_cannot_be_repeated_is_409(self, site, changes, result, says):
        here = site()
        number = here.add(**changes)
        if result:
            here.end(number, result)
        assert says in refused(here.post(f"/api/jobs/{number}/retry", {}), 409)

    def test_changes_take_no_parameters(self, site):
        here = site()
        refused(here.post(f"/api/jobs/{here.add()}/cancel?force=1", {}), 400)


class TestGate:
    @pytest.mark.parametrize("type_", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
    def test_what_a_form_of_another_site_can_send_is_415(self, site, type_):
        here = site()
        number = here.add()
        refused(here.send("POST", "/api/jobs", body='{"text": "nginx:latest"}', type_=type_), 415)
        refused(here.send("POST", f"/api/jobs/{number}/cancel", body="{}", type_=type_), 415)
        assert here.store.cancelled_by(number) == ""

    @pytest.mark.parametrize("fields", [
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:9999"},
        {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}])
    def test_a_page_of_another_site_is_403_whatever_it_sends(self, site, fields):
        here = site()
        refused(here.post("/api/jobs", {"text": "nginx:latest"}, **fields), 403)
        refused(here.send("POST", "/api/jobs?name=a", body=b"x", **fields), 403)
        refused(here.send("GET", "/api/jobs", **fields), 403)
        assert here.store.jobs(limit=1) == []

    def test_a_page_of_the_listener_itself_is_served(self, site):
        here = site()
        own = {"Origin": "http://127.0.0.1:8503", "Sec_Fetch_Site": "same-origin"}
        assert here.post("/api/jobs", {"text": "nginx:latest"}, **own).status == 201

    @pytest.mark.parametrize("host", [
        "evil.example", "evil.example:8503", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "0.0.0.0",
        "[::2]:8503", "2130706433", "127.1"])
    def test_a_name_that_resolves_here_is_421(self, site, host):
        here = site()
        refused(here.send("GET", "/api/jobs", host=host), 421)
        refused(here.send("GET", f"http://{host}/api/jobs"), 421)

    @pytest.mark.parametrize("host", ["localhost", "LocalHost:80", "127.0.0.1", "127.8.8.8:1", "[::1]:8503", "[::1]"])
    def test_the_names_of_this_machine_are_served(self, site, host):
        assert site().send("GET", "/api/jobs", host=host).status == 200

    def test_no_host_at_all_is_421(self, site):
        with Client(site().address) as client:
            client.send("GET /api/jobs HTTP/1.0\r\n\r\n")
            refused(client.answer(), 421)

    def test_the_configured_address_is_served_and_a_wildcard_by_any_address(self, site):
        assert site(place=Listener("10.1.2.3", 1, "admin"), token="t").send(
            "GET", "/api/jobs", host="10.1.2.3:1", Authorization="Bearer t").status == 200
        assert site(place=Listener("bot.example", 1, "admin"), token="t").send(
            "GET", "/api/jobs", host="Bot.Example", Authorization="Bearer t").status == 200
        anywhere = site(place=Listener("0.0.0.0", 1, "admin"), token="t")
        assert anywhere.send("GET", "/api/jobs", host="10.9.9.9", Authorization="Bearer t").status == 200
        refused(anywhere.send("GET", "/api/jobs", host="evil.example", Authorization="Bearer t"), 421)

    @pytest.mark.parametrize("value", [
        "", "Bearer", "Bearer wrong", "Bearer tokentoken", "Basic token", "token", "bearer token x", "Bearer \u00e9"])
    def test_a_wrong_token_is_401_and_says_how_to_send_it(self, site, value):
        here = site(token="token")
        answer = here.send("GET", "/api/jobs", **({"Authorization": value} if value else {}))
        assert "Authorization: Bearer" in refused(answer, 401)
        assert answer.values("WWW-Authenticate") == ['Bearer realm="wxsyncd"']
        refused(here.send("POST", "/api/jobs?name=a", body=b"x"), 401)
        assert not here.spooled.exists()

    def test_the_right_token_is_taken_from_the_header_only(self, site):
        here = site(token="token")
        assert here.send("GET", "/api/jobs", Authorization="Bearer token").status == 200
        assert here.send("GET", "/api/jobs", authorization="bearer  token ").status == 200
        refused(here.send("GET", "/api/jobs?token=token"), 401)

    def test_two_tokens_are_none(self, site):
        with Client(site(token="token").address) as client:
            twice = "Authorization: Bearer token\r\n" * 2
            client.send(f"GET /api/jobs HTTP/1.1\r\nHost: localhost\r\n{twice}\r\n")
            refused(client.answer(), 401)


def test_the_connection_stays_after_a_refusal_whose_body_was_read(site):
    with Client(site().address) as client:
        for _ in range(2):
            client.send("POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        "Content-Length: 2\r\n\r\n{}")
            refused(client.answer(), 400)

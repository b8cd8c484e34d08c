"""The admin API as the command line reads it: what it sends, and what it makes of every answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wxsync.errors import ConfigError, MemberError, RemoteFault
from wxsync.remote.admin import TOLD, TOLD_OF_ONE, Admin
from wxsync.remote.exchange import Request, Response


class Answers:
    """A transport that gives one answer and keeps what was asked."""

    def __init__(self, status: int, body: Any) -> None:
        self.answer = Response(status, (), body if isinstance(body, bytes) else json.dumps(body).encode())
        self.asked: list[Request] = []

    def send(self, request: Request, *, timeout_s: float = 30.0, max_bytes: int = 0) -> Response:
        self.asked.append(request)
        return self.answer


def admin(status: int, body: Any, *, token: str = "", host: str = "::1") -> tuple[Admin, Answers]:
    answers = Answers(status, body)
    return Admin(answers, host=host, port=8503, token=token, file_s=60.0), answers


def test_each_question_goes_to_its_place_with_the_token():
    one, answers = admin(201, {"id": 7}, token="t")
    assert [one.take("nginx"), one.take_file("报 a", b"x"), one.retry(3), one.cancel(3)] == [7, 7, 7, True]
    base = "http://[::1]:8503/api/jobs"
    assert [(each.method, each.url) for each in answers.asked] == [
        ("POST", base), ("POST", f"{base}?name=%E6%8A%A5%20a"), ("POST", f"{base}/3/retry"),
        ("POST", f"{base}/3/cancel")]
    assert all(("Authorization", "Bearer t") in each.headers for each in answers.asked)
    assert json.loads(answers.asked[0].body) == {"text": "nginx"}
    assert ("Content-Type", "application/octet-stream") in answers.asked[1].headers


def test_jobs_are_read_whole_or_not_at_all():
    told = dict.fromkeys(TOLD, 1)
    one, answers = admin(200, {"jobs": [told]})
    assert one.jobs(5, 9) == [told]
    assert answers.asked[0].url.endswith("?limit=5&before=9")
    assert answers.asked[0].headers == ()
    one, answers = admin(200, {"jobs": []})
    one.jobs(5)
    assert answers.asked[0].url.endswith("?limit=5")
    whole = dict.fromkeys(TOLD_OF_ONE, 1)
    assert admin(200, whole)[0].job(1) == whole


def test_what_is_not_there_is_none():
    missing = {"error": "没有", "mend": ""}
    one, _ = admin(404, missing)
    assert (one.job(1), one.cancel(1), one.retry(1)) == (None, False, 0)
    with pytest.raises(MemberError):
        one.jobs(1)


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, [], {"jobs": 1}, {"jobs": [1]}, {"jobs": [{}]}])
def test_another_program_or_version_is_a_fault(body):
    with pytest.raises(RemoteFault, match="同一版本"):
        admin(200, body)[0].jobs(1)


def test_half_a_job_and_an_answer_without_a_number_are_faults():
    with pytest.raises(RemoteFault):
        admin(200, {"id": 1})[0].job(1)
    with pytest.raises(RemoteFault):
        admin(201, {"id": "1"})[0].take("x")


@pytest.mark.parametrize(("status", "kind"), [
    (400, MemberError), (409, MemberError), (413, MemberError), (421, MemberError), (401, ConfigError),
    (408, RemoteFault), (500, RemoteFault), (503, RemoteFault), (507, RemoteFault)])
def test_a_refusal_is_told_with_its_mend(status, kind):
    with pytest.raises(kind) as caught:
        admin(status, {"error": "不行", "mend": "改"})[0].take("x")
    assert status == 401 or (caught.value.what, caught.value.mend) == ("不行", "改")

"""What the GitHub stand-in checks around every call: token, User-Agent, limits, ETag, addresses."""

from __future__ import annotations

import pytest

from tests.support.github_client import Client
from tests.support.plain_client import call
from wxsync.sandbox.github.stand_in import GitHub


@pytest.fixture
def github(now):
    made = GitHub(now=now)
    yield made
    made.close()


@pytest.fixture
def client(github):
    return Client(github)


@pytest.mark.parametrize(("headers", "status"), [
    ({"Authorization": "Bearer wrong", "User-Agent": "t"}, 401), ({"User-Agent": "t"}, 404),
    ({"Authorization": "Basic x", "User-Agent": "t"}, 401)])
def test_a_wrong_or_missing_token_is_refused(github, headers, status):
    assert call(github.server.port, "GET", "/repos/acme/mirror/contents/images.txt", None, headers).status == status


def test_a_request_without_user_agent_or_with_an_unknown_version_is_refused(github, client):
    headers = {**client.headers, "User-Agent": ""}
    assert call(github.server.port, "GET", client.root, None, headers).status == 403
    assert client.get("", **{"X-GitHub-Api-Version": "1999-01-01"}).status == 400


def test_other_repositories_and_calls_are_not_found(github, client):
    assert client.get("").json()["default_branch"] == "main"
    assert call(github.server.port, "GET", "/repos/ACME/Mirror", None, client.headers).status == 200
    for path in ("/repos/acme/other", "/repos/acme/mirrors/contents/images.txt", "/user", "/repos/acme/mirror/pulls"):
        assert call(github.server.port, "GET", path, None, client.headers).status == 404
    assert client.post("/contents/images.txt", {}).status == 404


def test_the_prefix_of_an_enterprise_server_works(github, client):
    assert call(github.server.port, "GET", "/api/v3" + client.root, None, client.headers).status == 200


def test_an_unchanged_answer_is_304_and_costs_nothing(github, client):
    first = client.get("/contents/images.txt")
    left = first.headers["x-ratelimit-remaining"]
    again = client.get("/contents/images.txt", **{"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body, again.headers["x-ratelimit-remaining"]) == (304, b"", left)
    client.put_list("new\n")
    assert client.get("/contents/images.txt", **{"If-None-Match": first.headers["etag"]}).status == 200


def test_the_limit_is_counted_refused_and_renewed_after_an_hour(github, client, now):
    github.gate.left = 1
    assert client.get("").headers["x-ratelimit-remaining"] == "0"
    refused = client.get("")
    assert (refused.status, refused.headers["x-ratelimit-remaining"]) == (403, "0")
    assert int(refused.headers["x-ratelimit-reset"]) == int(now() + 3600)
    now.move(3600)
    assert client.get("").headers["x-ratelimit-remaining"] == "4999"


def test_the_tokens_end_is_told_when_it_has_one(github, client):
    assert "github-authentication-token-expiration" not in client.get("").headers
    github.gate.expires = "2026-02-01 08:00:00 UTC"
    assert client.get("").headers["github-authentication-token-expiration"] == "2026-02-01 08:00:00 UTC"

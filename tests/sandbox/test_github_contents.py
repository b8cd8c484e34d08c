"""Contents and commits of the GitHub stand-in: sha conflicts, refusals, history."""

from __future__ import annotations

import base64

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


def test_a_file_is_read_with_the_sha_that_git_gives_it(client):
    reply = client.get("/contents/images.txt?ref=main")
    assert (reply.status, reply.json()["sha"]) == (200, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
    client.put_list("nginx\n" * 30)
    answer = client.get("/contents/images.txt").json()
    assert base64.b64decode(answer["content"]) == b"nginx\n" * 30
    assert answer["content"].count("\n") > 1
    assert client.get("/contents/images.txt", Accept="application/vnd.github.raw+json").body == b"nginx\n" * 30


def test_a_write_makes_a_commit_that_can_be_found(github, client):
    reply = client.put_list("nginx\n", message="sync #1: 1 images")
    assert reply.status == 200
    sha = reply.json()["commit"]["sha"]
    assert [commit["sha"] for commit in client.get("/commits?path=images.txt&sha=main&per_page=1").json()] == [sha]
    assert client.get(f"/commits/{sha}").json()["commit"]["message"] == "sync #1: 1 images"
    assert [(commit.message, commit.text()) for commit in github.commits()] == [("sync #1: 1 images", "nginx\n")]
    assert github.text() == "nginx\n"


def test_an_old_commit_still_shows_its_own_content(client):
    first = client.put_list("one\n").json()["commit"]["sha"]
    client.put_list("two\n")
    old = client.get(f"/contents/images.txt?ref={first[:12]}").json()
    assert base64.b64decode(old["content"]) == b"one\n"
    assert len(client.get(f"/commits?sha={first}&path=images.txt").json()) == 2
    assert len(client.get("/commits?path=images.txt").json()) == 3


@pytest.mark.parametrize(("fields", "status"), [
    ({"sha": "0" * 40}, 409), ({"sha": ""}, 422), ({"sha": None, "content": "%%%"}, 422), ({"content": None}, 422),
    ({"message": ""}, 422), ({"branch": "none"}, 404), ({"branch": 7}, 404)])
def test_a_wrong_write_is_refused_and_changes_nothing(github, client, fields, status):
    fields = {"sha": None, **fields}
    sha = fields.pop("sha")
    assert client.put_list("x\n", sha=sha, **fields).status == status
    assert github.commits() == []


def test_a_missing_file_is_created_without_a_sha_and_not_with_one(now):
    github = GitHub(now=now, files={})
    client = Client(github)
    assert client.get("/contents/images.txt").status == 404
    assert client.put_list("x\n", sha="0" * 40).status == 409
    assert client.put_list("x\n", sha="").status == 201
    github.close()


def test_a_body_that_is_no_json_object_is_refused(github, client):
    for raw in (b"{", b"[1]"):
        reply = call(github.server.port, "PUT", client.root + "/contents/images.txt", raw, client.headers)
        assert reply.status == 400


def test_rivals_make_as_many_writes_stale_as_ordered(github, client):
    github.rival_commits(2)
    assert [client.put_list("mine\n").status for _ in range(3)] == [409, 409, 200]
    assert len(github.commits()) == 3


def test_unknown_refs_are_not_found(client):
    assert client.get("/contents/images.txt?ref=none").status == 404
    assert client.get("/commits?sha=none").status == 404
    assert client.get("/commits/none").status == 422
    assert client.get("/contents/images.txt?ref=refs/heads/main").status == 200


def test_a_large_file_comes_without_its_content(client):
    client.put_list("x" * (1 << 20) + "y")
    answer = client.get("/contents/images.txt").json()
    assert (answer["encoding"], answer["content"], answer["size"]) == ("none", "", (1 << 20) + 1)


def test_a_second_branch_has_its_own_files(github, client):
    github.repository.add_branch("old", {"images.txt": b"old\n"})
    assert client.put_list("new\n", branch="main").status == 200
    assert base64.b64decode(client.get("/contents/images.txt?ref=old").json()["content"]) == b"old\n"

"""The plan job, run as the runner runs it: images.txt in, matrix out."""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workflow import workflow_file
from wxsync.sandbox.faults import Fault
from wxsync.sandbox.github.stand_in import GitHub

DIGEST = "sha256:" + "7eb83ea8d97e" + 52 * "a"


@pytest.fixture
def github() -> Iterator[GitHub]:
    stand_in = GitHub()
    yield stand_in
    stand_in.close()


class Planner:
    """Commits a list to the stand-in and runs the plan job on it."""

    def __init__(self, github: GitHub, directory: Path) -> None:
        self.github, self.output = github, directory / "output"

    def __call__(self, images: str | bytes, request_id: str = "", **environ: str) -> tuple[list[dict[str, Any]], str]:
        """Return the matrix entries and what was printed; no entries when the job failed."""
        content = images.encode() if isinstance(images, str) else images
        commit = self.github.repository.write("main", "images.txt", content, "list")
        self.github.repository.write("main", "images.txt", b"changed:later\n", "the midnight reset")
        self.output.write_text("")
        done = workflow_file.run("plan", {
            "API_URL": self.github.url, "API_TOKEN": self.github.token, "REPOSITORY": self.github.repo,
            "COMMIT": commit.sha, "REQUEST_ID": request_id, "GITHUB_OUTPUT": str(self.output), **environ})
        written = self.output.read_text()
        assert (done.returncode == 0) == bool(written), done
        assert done.stderr == ""
        return json.loads(written.partition("=")[2] or '{"include": []}')["include"], done.stdout


@pytest.fixture
def planner(github: GitHub, tmp_path: Path) -> Planner:
    return Planner(github, tmp_path)


def test_each_line_becomes_an_image_with_its_number(planner: Planner) -> None:
    entries, _ = planner("nginx\n\n# a remark\n--platform=linux/arm64,linux/amd64 redis:7.0 -> redis:7.0\n")
    assert entries == [
        {"n": 1, "source": "nginx", "origin": "docker.io/library/nginx:latest", "name": "nginx:latest",
         "platforms": "", "problem": ""},
        {"n": 2, "source": "redis:7.0", "origin": "docker.io/library/redis:7.0", "name": "redis:7.0",
         "platforms": "linux/arm64,linux/amd64", "problem": ""}]


@pytest.mark.parametrize(("line", "origin", "name"), [
    ("docker.io/library/nginx:latest", "docker.io/library/nginx:latest", "nginx:latest"),
    ("index.docker.io/bitnami/redis:7", "docker.io/bitnami/redis:7", "redis:7"),
    ("localhost:5000/x/y/b:1", "localhost:5000/x/y/b:1", "b:1"),
    ("GHCR.io/a/b:1", "ghcr.io/a/b:1", "b:1"),
    ("registry.k8s.io/coredns/coredns:v1.11.1", "registry.k8s.io/coredns/coredns:v1.11.1", "coredns:v1.11.1"),
    (f"redis@{DIGEST}", f"docker.io/library/redis@{DIGEST}", "redis:sha256-7eb83ea8d97e"),
    (f"nginx:1.27@{DIGEST}", f"docker.io/library/nginx@{DIGEST}", "nginx:1.27"),
    ("quay.io/other/redis:7.0 -> other_redis:7.0", "quay.io/other/redis:7.0", "other_redis:7.0"),
    ("nginx:1 to registry.example.com/ns/web:v3", "docker.io/library/nginx:1", "web:v3"),
])
def test_source_and_destination_of_a_line(planner: Planner, line: str, origin: str, name: str) -> None:
    (entry,), _ = planner(line)
    assert (entry["origin"], entry["name"], entry["problem"]) == (origin, name, "")


def test_a_request_gets_its_own_block_only(planner: Planner) -> None:
    text = "old:1\n# request r1\na:1\nb:1\n# request r2\nc:1"
    assert [entry["source"] for entry in planner(text, "r1")[0]] == ["a:1", "b:1"]
    assert [(entry["n"], entry["source"]) for entry in planner(text, "r2")[0]] == [(1, "c:1")]
    assert [entry["source"] for entry in planner(text)[0]] == ["old:1", "a:1", "b:1", "c:1"]


def test_windows_line_ends_byte_order_mark_and_blanks_do_not_matter(planner: Planner) -> None:
    entries, _ = planner(b"\xef\xbb\xbf# request r1\r\n \tnginx:1 \t\r\n\r\n  redis:7  ->  r:7", "r1")
    assert [(entry["source"], entry["name"]) for entry in entries] == [("nginx:1", "nginx:1"), ("redis:7", "r:7")]


def test_the_same_image_twice_gets_one_job(planner: Planner) -> None:
    entries, _ = planner("nginx\ndocker.io/library/nginx:latest -> nginx:latest\n"
                         "--platform=linux/arm64/v8,linux/amd64 r:1 -> r:2\n"
                         "--platform=linux/amd64,linux/arm64 r:1 -> r:2")
    assert [entry["n"] for entry in entries] == [1, 3]


def test_another_image_for_the_same_destination_fails_alone(planner: Planner) -> None:
    entries, _ = planner("redis:7.0\nquay.io/other/redis:7.0\n--platform=linux/arm64 redis:7.0\nredis:7.0\nredis:7.2")
    assert [(entry["n"], entry["problem"].partition(":")[0]) for entry in entries] == [
        (1, ""), (2, "clash"), (3, "clash"), (5, "")]
    assert "image 1" in entries[1]["problem"]


HOSTILE = [
    "a$(touch x):b", "a`id`:b", 'a";rm -rf /;":b', "${{ secrets.DOCKER_PASSWORD }}", "--config=/etc/passwd a:b",
    "--platform=$(id)/amd64 a:b", "--platform= a:b", "--platform=linux/amd64", "-v", "a:b -> $(id):c", "a:b -> ../x:c",
    "a:b -> c", "a:b -> x/c:d", "a:b ->", "a:b; id", "a:b c:d", "docker://a:b", "A:b", "a@sha256:short",
    "a.b:99999/c:d", "a.b:0/c:d", "a:\u0661", "a\u0000:b", "::error::x", "x##[error]x", "a/" * 700 + "b",
]


def test_a_line_that_names_no_image_fails_alone_with_its_reason(planner: Planner) -> None:
    entries, _ = planner("\n".join([*HOSTILE, "good:1"]))
    assert [entry["n"] for entry in entries] == list(range(1, len(HOSTILE) + 2))
    assert all(entry["problem"].startswith("bad-line: ") for entry in entries[:-1])
    assert all(entry["source"] and len(entry["source"]) <= 200 and entry["source"].isprintable() for entry in entries)
    assert entries[-1]["problem"] == ""


def test_no_readable_text_is_left_in_the_output(planner: Planner) -> None:
    """GitHub drops an output in which it finds a secret's text, such as the namespace "redis"."""
    entries, _ = planner("redis:7\n🐳 镜像")
    written = planner.output.read_text()
    assert "redis" not in written
    assert written.isascii()
    assert entries[1]["source"] == "🐳 镜像"


@pytest.mark.parametrize(("text", "request_id", "why"), [
    ("nginx:1\n", "r9", "r9"),
    ("# request r1\n# request r2\nnginx:1\n", "r1", "no image in request r1"),
    ("# only a remark\n", "", "no image"),
    ("".join(f"a:{n}\n" for n in range(257)), "", "257"),
    ("a" * (1 << 20) + ":1\n", "", "larger"),
    ("".join(f"{'a' * 250}{n}:1\n" for n in range(250)), "", "too long"),
], ids=["unknown", "empty-block", "empty-file", "too-many", "too-large", "too-long"])
def test_nothing_to_do_fails_with_one_error(planner: Planner, text: str, request_id: str, why: str) -> None:
    entries, printed = planner(text, request_id)
    assert entries == []
    assert printed.startswith("::error title=plan::")
    assert printed.count("::error") == 1
    assert why in printed


def test_a_list_that_cannot_be_read_yet_is_asked_for_again(planner: Planner) -> None:
    planner.github.server.faults.add(Fault("images.txt", 404))
    assert len(planner("nginx:1")[0]) == 1


def test_half_a_list_is_not_taken_for_the_whole(planner: Planner) -> None:
    planner.github.server.faults.add(Fault("images.txt", "truncate"))
    assert [entry["source"] for entry in planner("nginx:1\nredis:7\n")[0]] == ["nginx:1", "redis:7"]


def test_a_refused_token_fails_at_once_and_is_not_shown(planner: Planner) -> None:
    entries, printed = planner("nginx:1", API_TOKEN="wrong-token-7")
    assert entries == []
    assert "401" in printed
    assert "wrong-token-7" not in printed


def test_a_commit_that_is_none_is_refused_before_any_call(planner: Planner) -> None:
    entries, printed = planner("nginx:1", COMMIT="x&ref=main")
    assert entries == []
    assert "commit" in printed
    assert planner.github.server.seen("GET", "images.txt") == []


def test_a_server_without_the_raw_form_is_understood(planner: Planner) -> None:
    body = json.dumps({"encoding": "base64", "content": "bmdpbng6\nMQ=="}).encode()
    planner.github.server.faults.add(Fault("images.txt", 200, body=body))
    assert planner("other:2")[0][0]["source"] == "nginx:1"

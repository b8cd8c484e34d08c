"""How the simulated workflow reads images.txt."""

from __future__ import annotations

import pytest

from wxsync.sandbox.github import images, workflow
from wxsync.sandbox.github.workflow import NO_SUCH

LIST = """\ufeff# request a-1\r
nginx:latest -> nginx:latest\r
\r
# a comment
redis:7.0 -> redis:7.0
# request b.2
mysql:8.0""".encode()
SECRETS = dict.fromkeys(workflow.SECRETS, "x")


def plan(*lines, request_id="r", secrets=SECRETS, inputs=None, present=None):
    content = "\n".join(["# request r", *lines]).encode()
    return workflow.plan(content, {"request_id": request_id, **(inputs or {})}, secrets, (NO_SUCH,), present or {})


def test_a_block_lasts_to_the_next_request():
    assert images.block(LIST, "a-1") == ["nginx:latest -> nginx:latest", "redis:7.0 -> redis:7.0"]
    assert images.block(LIST, "b.2") == ["mysql:8.0"]
    assert images.block(LIST, "c") is None
    assert len(images.block(LIST, "")) == 3


@pytest.mark.parametrize(("line", "source", "full", "platforms", "destination"), [
    ("nginx", "nginx", "docker.io/library/nginx:latest", (), "nginx:latest"),
    ("nginx:1 -> web:v3", "nginx:1", "docker.io/library/nginx:1", (), "web:v3"),
    ("a/b:1", "a/b:1", "docker.io/a/b:1", (), "b:1"),
    ("index.docker.io/a/b:1", "index.docker.io/a/b:1", "docker.io/a/b:1", (), "b:1"),
    ("GHCR.io/a/b", "GHCR.io/a/b", "ghcr.io/a/b:latest", (), "b:latest"),
    ("localhost:5000/x/b:1", "localhost:5000/x/b:1", "localhost:5000/x/b:1", (), "b:1"),
    ("localhost/b:1", "localhost/b:1", "localhost/b:1", (), "b:1"),
    (f"redis@sha256:{'7e' * 32}", f"redis@sha256:{'7e' * 32}", f"docker.io/library/redis@sha256:{'7e' * 32}", (),
     "redis:sha256-7e7e7e7e7e7e"),
    (f"redis:7@sha256:{'7e' * 32}", f"redis:7@sha256:{'7e' * 32}", f"docker.io/library/redis@sha256:{'7e' * 32}", (),
     "redis:7"),
    ("--platform=linux/arm64,linux/amd64 redis:7 -> redis:7", "redis:7", "docker.io/library/redis:7",
     ("linux/amd64", "linux/arm64"), "redis:7"),
    ("nginx:1 to registry.example.com/ns/nginx:1", "nginx:1", "docker.io/library/nginx:1", (), "nginx:1"),
])
def test_lines_are_read_in_all_their_forms(line, source, full, platforms, destination):
    read = images.parse(3, line)
    assert (read.number, read.source, read.full_source, read.platforms, read.destination, read.fault) == (
        3, source, full, platforms, destination, "")


@pytest.mark.parametrize(("line", "fault"), [
    ("Nginx", "not an image reference"), ("a b", "not an image reference"), ("nginx -> web", "not a destination"),
    ("nginx -> a/b:1", "not a destination"), ("--platform=linux nginx", "not a platform"),
    ("x" * 3000, "the line is too long"), ("${{ secrets.X }}", "not an image reference")])
def test_bad_lines_have_their_fault(line, fault):
    assert images.parse(1, line).fault == fault


def test_each_line_gets_its_job_but_a_repetition():
    found = plan("nginx -> a:1", "docker.io/library/nginx:latest -> a:1", "redis -> a:1", "no-such:1", "Bad")
    assert [(job.number, job.level, job.message.partition(":")[0]) for job in found.jobs] == [
        (1, "notice", "nginx -> a"), (3, "failure", "clash"), (4, "failure", "not-found"), (5, "failure", "bad-line")]


def test_a_digest_that_is_there_already_is_skipped():
    first = plan("nginx -> a:1").jobs[0]
    again = plan("nginx -> a:1", present={"a:1": first.digest}).jobs[0]
    assert (again.level, again.message) == ("notice", f"skipped: nginx -> a:1 {first.digest}")


def test_the_plan_fails_without_its_block_or_images():
    assert plan("nginx", request_id="other").error == "request other is not in images.txt"
    assert plan().error == "request r has no image"
    assert workflow.plan(b"", {}, SECRETS, (), {}).error == "images.txt has no image"
    assert "cannot be read" in workflow.plan(None, {}, SECRETS, (), {}).error


def test_an_unset_secret_is_named_unless_the_inputs_give_it():
    missing = {**SECRETS, "DOCKER_REGISTRY": "", "DOCKER_PASSWORD": ""}
    assert plan("nginx", secrets=missing).jobs[0].message == "unset-secret: DOCKER_REGISTRY, DOCKER_PASSWORD"
    inputs = {"registry": "registry.example.com", "namespace": "ns"}
    assert plan("nginx", secrets=missing, inputs=inputs).jobs[0].message == "unset-secret: DOCKER_PASSWORD"

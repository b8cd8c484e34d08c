"""The daemon writes images.txt and the workflow reads it: both take the same references to mean the same."""
from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tests.workflow import workflow_file
from wxsync.errors import MemberError
from wxsync.jobs import reference

PLAN = workflow_file.functions("plan")
PIECES = ["a", "Z", "0", "localhost", "docker.io", "index.docker.io", "quay.io:5000", "library", ".", "_",
          "__", "-", "--", "/", ":", ":05", ":65536", "@", "@sha256:" + "0f" * 32, "sha256:", "\u0661", " "]


def daemon_source(text: str) -> str:
    try:
        return reference.parse(text).full
    except MemberError:
        return ""


def workflow_source(text: str) -> str:
    try:
        return str(PLAN["parse_reference"](text)[0])
    except PLAN["BadLine"]:
        return ""


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join))
@example("LOCALHOST:05000/a/b:1")
@example("a" * 256)
@example("a" * 254 + ".io/b")
@example("docker.io/docker.io/a")
def test_daemon_and_workflow_agree_on_references(text: str) -> None:
    assert workflow_source(text) == daemon_source(text)

"""images.txt: what is written reads the same, and hand-written lists are read as they are meant."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxsync.errors import Bug
from wxsync.jobs import imagelist, reasons
from wxsync.jobs.imagelist import BadLine, Block, Line

LINES = (
    Line("nginx:latest", (), "nginx:latest"),
    Line("redis:7.0", ("linux/arm64", "linux/amd64"), "redis:7.0"),
    Line("quay.io/other/redis:7.0", (), "other_redis:7.0"),
)
TEXT = """\
# request 20260102-030405-a1b2
nginx:latest -> nginx:latest
--platform=linux/arm64,linux/amd64 redis:7.0 -> redis:7.0
quay.io/other/redis:7.0 -> other_redis:7.0
"""


def test_a_block_has_its_request_and_a_line_for_each_image() -> None:
    assert imagelist.block("20260102-030405-a1b2", LINES) == TEXT
    assert imagelist.parse(TEXT) == (Block("20260102-030405-a1b2", LINES),)


@pytest.mark.parametrize("request_id", ["", "a b", "a\nb", "一", "a" * 65])
def test_a_request_id_that_the_list_cannot_hold_is_a_bug(request_id: str) -> None:
    with pytest.raises(Bug):
        imagelist.block(request_id, LINES)


@pytest.mark.parametrize("before", ["", "\n", "\n\n"])
def test_the_first_block_begins_the_list(before: str) -> None:
    assert imagelist.append(before, TEXT) == TEXT


@pytest.mark.parametrize("ending", ["", "\n", "\n\n", "\r\n"])
def test_one_newline_parts_two_blocks(ending: str) -> None:
    first = imagelist.block("1", LINES[:1])
    assert imagelist.append(first.rstrip("\n") + ending, TEXT) == first + TEXT


def test_a_block_is_appended_once() -> None:
    once = imagelist.append(imagelist.block("1", LINES[:1]), TEXT)
    assert imagelist.append(once, TEXT) == once
    later = imagelist.append(once, imagelist.block("2", LINES[1:]))
    assert imagelist.append(later, TEXT) == later


@pytest.mark.parametrize(
    ("text", "is_there"),
    [
        ("# request a.b-c_d", True),
        ("\ufeff #  request  a.b-c_d \r\nx:1", True),
        ("x:1\n# request a.b-c_d", True),
        ("# request a.b-c_d2", False),
        ("# request a.b-c_d 2", False),
        ("# requests a.b-c_d", False),
        ("## request a.b-c_d", False),
        ("a.b-c_d", False),
        ("", False),
    ],
)
def test_a_block_is_known_by_its_request(text: str, is_there: bool) -> None:
    assert imagelist.has_block(text, "a.b-c_d") is is_there


def test_images_are_counted_over_all_blocks_bad_lines_too() -> None:
    text = "x:1\n# request 1\n\n# note\na:1 -> a:1\n-b\n" + TEXT
    assert imagelist.count_images(text) == 6
    assert imagelist.count_images("# request 1\n#\n\n") == 0


ENTRIES = [
    ("nginx", Line("nginx:latest", (), "")),
    ("docker.io/library/nginx:1->web:v3", Line("nginx:1", (), "web:v3")),
    ("  nginx:1  ->  web:v3\t", Line("nginx:1", (), "web:v3")),
    ("nginx:1 to registry.cn-hangzhou.aliyuncs.com/ns/nginx:1", Line("nginx:1", (), "nginx:1")),
    ("--platform=linux/arm64 a/b to r:5000/ns/b:1", Line("a/b:latest", ("linux/arm64",), "b:1")),
    ("--platform=linux/arm64,linux/arm/v7 nginx:1", Line("nginx:1", ("linux/arm64", "linux/arm/v7"), "")),
    ("redis:7 # cc", Line("redis:7", (), "")),
    ("--platform=linux/arm64 redis:7->web:v3#cc # d", Line("redis:7", ("linux/arm64",), "web:v3")),
    ("Nginx:1 # no", BadLine("Nginx:1", reasons.REASONS["uppercase"])),
    ("--platform= nginx", BadLine("--platform= nginx", reasons.REASONS["platform"])),
    ("--platform=arm64 nginx", BadLine("--platform=arm64 nginx", reasons.REASONS["platform"])),
    ("--platform=linux/arm64", BadLine("--platform=linux/arm64", reasons.REASONS["no-image"])),
    ("--all nginx", BadLine("--all nginx", reasons.REASONS["name"])),
    ("Nginx:1", BadLine("Nginx:1", reasons.REASONS["uppercase"])),
    ("nginx:1 redis:7", BadLine("nginx:1 redis:7", reasons.REASONS["destination"])),
    ("nginx:1 ->", BadLine("nginx:1 ->", reasons.REASONS["destination"])),
    ("nginx:1 -> a/web:v3", BadLine("nginx:1 -> a/web:v3", reasons.REASONS["destination"])),
    ("nginx:1 -> web", BadLine("nginx:1 -> web", reasons.REASONS["destination"])),
    ("nginx:1 to", BadLine("nginx:1 to", reasons.REASONS["destination"])),
    ("a:1 -> b:1 -> c:1", BadLine("a:1 -> b:1 -> c:1", reasons.REASONS["destination"])),
    ("-> b:1", BadLine("-> b:1", reasons.REASONS["characters"])),
]


@pytest.mark.parametrize(("line", "entry"), ENTRIES, ids=[row[0] for row in ENTRIES])
def test_a_line_of_any_hand_is_read(line: str, entry: imagelist.Entry) -> None:
    assert imagelist.parse(f"\ufeff\r\n{line}\r\n# {line}") == (Block("", (entry,)),)


def test_a_block_lasts_to_the_next_one() -> None:
    blocks = imagelist.parse("a:1\n# request 1\n# note\nb:1\n\n# request 2\n# request 3\nc:1")
    assert [(each.request_id, [str(line) for line in each.lines]) for each in blocks] == [
        ("", ["a:1"]),
        ("1", ["b:1"]),
        ("2", []),
        ("3", ["c:1"]),
    ]


@given(st.text() | st.text("a:1/->#= \nto", max_size=60), st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True))
@settings(deadline=None)
def test_any_list_is_read_and_takes_a_block(text: str, request_id: str) -> None:
    block = imagelist.block(request_id, LINES)
    longer = imagelist.append(text, block)
    assert imagelist.has_block(longer, request_id)
    assert imagelist.append(longer, block) == longer
    assert imagelist.has_block(text, request_id) or imagelist.parse(longer) == (
        *imagelist.parse(text),
        Block(request_id, LINES),
    )

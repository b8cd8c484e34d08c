"""How a text for a member is cut into parts."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.random_input import patient
from wxsync.wecom.splitting import CUT_OFF, clean, fits, split


def bodies(parts: tuple[str, ...]) -> list[str]:
    """Return the parts without their last lines."""
    return [part.rpartition("\n")[0] for part in parts]


def test_a_short_text_is_one_part_with_its_number() -> None:
    assert split("你好\n世界", 12) == ("你好\n世界\n#12",)


def test_an_empty_text_is_still_a_text() -> None:
    assert split("", 7) == split("\n\n", 7) == ("#7",)


@pytest.mark.parametrize("unit", ["a", "中", "🚀"])
def test_the_limit_counts_bytes_with_the_last_line(unit: str) -> None:
    size = len(unit.encode())
    whole = (1900 - len("\n#12")) // size
    assert len(split(unit * whole, 12)) == 1
    assert len(split(unit * (whole + 1), 12)) == 2


def test_parts_are_numbered() -> None:
    parts = split("\n".join(f"line {n:04}" for n in range(500)), 123456)
    assert [part.rpartition("\n")[2] for part in parts] == ["#123456 (1/3)", "#123456 (2/3)", "#123456 (3/3)"]


def test_lines_stay_whole_and_none_is_lost() -> None:
    lines = [f"docker pull registry.example.com/ns/image{n}:{'v' * (n % 60)}" for n in range(200)]
    parts = bodies(split("\n".join(lines), 1))
    assert "\n".join(parts).split("\n") == lines


def test_every_part_is_filled_as_far_as_lines_allow() -> None:
    parts = split("\n".join("x" * 99 for _ in range(100)), 1)
    assert all(len(part) > 1780 for part in parts[:-1])


def test_blank_lines_at_a_cut_are_not_sent() -> None:
    parts = bodies(split("a" * 1800 + "\n\n\n" + "b" * 1800, 1))
    assert parts == ["a" * 1800, "b" * 1800]


def test_a_url_in_a_long_line_is_not_cut() -> None:
    url = "https://tmp.pek3a.qingstor.com/" + "0123456789" * 30 + "?a=%E4%B8%AD&b=中"
    for shift in range(0, 350, 5):
        parts = split("长" * 700 + "x" * shift + "：" + (url + "，下一个：") * 6, 1)
        assert sum(part.count(url) for part in parts) == 6


def test_a_command_in_a_long_line_is_cut_between_its_words_only() -> None:
    words = [f"registry.example.com/ns/image{n}:latest" for n in range(100)]
    parts = bodies(split(" ".join(words), 1))
    assert [word for part in parts for word in part.split()] == words


def test_a_url_longer_than_a_part_is_cut_without_loss() -> None:
    url = "https://example.com/" + "a" * 5000
    assert "".join(bodies(split(url, 1))) == url


@pytest.mark.parametrize("cluster", [
    "👨\u200d👩\u200d👧", "👍\U0001f3fd", "🇨🇳", "e\u0301\u0323",
    "❤\ufe0f", "1\ufe0f\u20e3"])
def test_an_emoji_sequence_is_not_cut(cluster: str) -> None:
    for shift in range(4):
        parts = bodies(split("x" * shift + "，" + cluster * 400, 1))
        assert len(parts) > 1
        assert "".join(parts) == "x" * shift + "，" + cluster * 400
        assert all(part.startswith(cluster) for part in parts[1:])


def test_an_endless_emoji_sequence_is_cut_somewhere() -> None:
    text = "e" + "\u0301" * 3000
    assert "".join(bodies(split(text, 1))) == text


def test_a_text_of_more_than_ten_parts_says_that_it_was_cut() -> None:
    text = "\n".join(f"line {n} " + "中" * 100 for n in range(1000))
    assert not fits(text, 12)
    parts = split(text, 12)
    assert len(parts) == 10
    assert parts[9].endswith(f"\n{CUT_OFF}\n#12 (10/10)")
    assert all(len(part.encode()) <= 1900 for part in parts)
    assert text.startswith("\n".join(bodies(parts)[:9]))
    kept = [line for body in bodies(parts) for line in body.split("\n")]
    assert kept == [*text.split("\n")[: len(kept) - 1], CUT_OFF]


@pytest.mark.parametrize("line", ["x", "中" * 50, "x" * 5000])
def test_the_notice_fits_into_a_full_last_part(line: str) -> None:
    parts = split("\n".join([line] * (50_000 // len(line))), 12)
    assert len(parts) == 10
    assert parts[9].endswith(CUT_OFF + "\n#12 (10/10)")
    assert all(1700 < len(part.encode()) <= 1900 for part in parts)


def test_a_line_that_just_fits_shares_its_part() -> None:
    parts = bodies(split("\n".join(["x" * 943, "y" * 944] * 3), 12))
    assert [len(part) for part in parts] == [1888] * 3


def test_ten_full_parts_fit() -> None:
    text = "\n".join(["x" * 1888] * 10)
    assert fits(text, 12)
    assert "\n".join(bodies(split(text, 12))) == text
    assert not fits(text + "\nx", 12)


@patient
@given(st.text(max_size=9000), st.integers(1, 10**9))
def test_any_text_is_cut_into_sendable_parts(text: str, number: int) -> None:
    parts = split(text, number)
    assert 1 <= len(parts) <= 10
    for part in parts:
        assert len(part.encode("utf-8")) <= 1900
        assert re.search(rf"(^|\n)#{number}( \([0-9]+/[0-9]+\))?$", part)
    if fits(text, number):
        assert "".join("".join(bodies(parts)).split()) == "".join(clean(text).split())


@patient
@given(st.lists(st.sampled_from(["中", "a", "\n", " ", "🇨🇳", "e\u0301", "https://a/b", "\u2028"]), max_size=6000))
def test_nothing_but_line_ends_is_lost(atoms: list[str]) -> None:
    text = "".join(atoms)
    if fits(text, 5):
        assert "".join(bodies(split(text, 5))).replace("\n", "") == clean(text).replace("\n", "")


@patient
@given(st.text(st.characters(exclude_categories=[])))
def test_a_clean_text_needs_no_escape_in_json(text: str) -> None:
    cleaned = clean(text)
    assert "\\u" not in json.dumps(cleaned.replace("\\", ""), ensure_ascii=False)
    assert clean(cleaned) == cleaned
    cleaned.encode("utf-8")


def test_clean_keeps_what_can_be_shown() -> None:
    assert clean("a\r\nb\rc\td\x00e\x1b\x7f\x85") == "a\nb\nc\td e   "
    assert clean("\ud800x\udfff \ud83d\ude00") == "\ufffdx\ufffd 😀"

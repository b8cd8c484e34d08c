"""A .env file means what python-dotenv says it means."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from dotenv.main import DotEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from wxsync.config import dotenv

DATA = Path(__file__).resolve().parents[1] / "data" / "dotenv"

CASES = [
    "", "\n\n", "A=1", "A=1\nA=2", "A = 1", " A=1", "export A=1", "export\tA=1", "export=1", "exportA=1", "export  =1",
    "A", "A\nB=1", "A=", "A=\nB=1", "A=\n\nB=1", "=1", "=1\nA=2", "A='b'", 'A="b"', "A='b' c\nD=1", 'A="b"c\nD=1',
    "A='b'#c",
    "A='b' #c", "A=b#c", "A=b #c", "A=b  # c # d", "A=#b", "A=#b #c", "A= #b", "A=\t#b", "A=b\t#c",
    "#A=1", " # A=1", "A='", 'A="',
    "A='\nB=1", "A='b\\'", "A='b\\'c'", "A='b\\'\nB='c'", 'A="b\\"c"', 'A="b\\"', 'A="b\\\\"', 'A="b\\\\"\nB="c"',
    'A="\\a\\b\\f\\n\\r\\t\\v\\\\\\"\\\'\\x"', "A='\\n\\\\\\''", "A=\\n", "A=\"b\nc\"", "A='b\nc'\nD=1", "'A b'=1",
    "'A=1", "''=1",
    "'A'b=1", "A b=1", "A:1", "A=${B}", "B=1\nA=${B}", "A=${B:-c}", "B=1\nA=${B:-c}", "B=\nA=${B:-c}", "B\nA=${B:-c}",
    "A=${B:c}", "A=${B:-}", "A=${}", "A=${:-x}", "A=${B", "A=$B", "A=$${B:-c}", "A=${${B:-c}}", "B=1\nA=${B}${B}",
    "A=${A}",
    "A=${B:-${C}}", "A='${B:-c}'", 'A="${B:-c}"', "A=${B:-a:-b}", "A=${B:-\nC=1}", 'A="${B:-\n}"', "A=${DOTENV_TEST}",
    "DOTENV_TEST=file\nA=${DOTENV_TEST}", "A=${DOTENV_TEST:-c}", "A=1\r\nB=2\r\n", "A='1\r\n2'\r\nB=3", "A=1\rB=2",
    "A=1\x0bB=2",
    "A=1\x0cB=2", "\x0cA=1", "A=\u3000b", "A=b\u3000#c", "A=b\u2028#c", "A\u3000=1", "中文=值", "A=1;B=2",
    "A=a b  c ", "A==",
    "A=1\n\n\n# x\n\nB=2", "A='1'\n'B'='2'", "A=1 2=3", "-A=1", "A.B=1", "A=\x00", "A=\\'b'", "A=a'b'", "A=\"a\" # 'b'",
]


def by_dotenv(path: Path) -> dict[str, str]:
    found = DotEnv(path, override=False, encoding="utf-8").dict()
    return {name: value for name, value in found.items() if value is not None}


def by_us(path: Path) -> dict[str, str]:
    return dotenv.values(dotenv.parse(path.read_text(encoding="utf-8")), os.environ)


@pytest.mark.parametrize("text", CASES)
def test_a_table_of_files_means_the_same(text, tmp_path, monkeypatch):
    monkeypatch.setenv("DOTENV_TEST", "from the environment")
    path = tmp_path / ".env"
    path.write_bytes(text.encode())
    assert by_us(path) == by_dotenv(path)


@pytest.mark.parametrize("path", sorted(DATA.glob("*.env")), ids=lambda path: path.name)
def test_the_corpus_means_the_same(path):
    assert by_us(path) == by_dotenv(path)
    assert by_us(path)


PIECES = st.lists(st.sampled_from([
    "A", "B", "=", "=", "\n", "\n", "'", '"', "\\", "#", " ", "\t", "export ", "${", "}", ":-", ":", "$", "x", "value",
    "\\'", '\\"', "\\n", "\u3000", "\r", "\r\n", "A=", "B='", 'A="', "${A}", "${B:-y}", " #c",
]), max_size=30).map("".join)


@given(text=PIECES)
@settings(max_examples=1000, deadline=None)
def test_random_files_mean_the_same(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "random.env"
    path.write_bytes(text.encode())
    assert by_us(path) == by_dotenv(path)


def test_a_binding_knows_its_line_and_a_line_that_cannot_be_read_has_no_name():
    text = "# head\n\nA=1\nB='two\nlines'\n=broken\n\n  C=3\n"
    assert [(each.name, each.line) for each in dotenv.parse(text)] == [("A", 3), ("B", 4), ("", 6), ("C", 8)]


def test_the_real_environment_wins_in_references():
    bindings = tuple(dotenv.parse("A=file\nB=${A}\n"))
    assert dotenv.values(bindings, {"A": "real"}) == {"A": "file", "B": "real"}
    assert dotenv.values(bindings, {}) == {"A": "file", "B": "file"}


@pytest.mark.parametrize("text", [
    "A=" + "${" * 200_000, "A=" + "${:" * 200_000, "A=x" + " " * 400_000 + "y", "A='" + "\\'" * 200_000,
    "A=\"\n" * 100_000,
    "'" * 400_000, " " * 400_000, "A=" + "#" * 400_000, "export " * 60_000, "=\n" * 100_000,
    "A=" + "${B:-" * 100_000 + "}",
], ids=range(11))
def test_hostile_files_are_read_in_linear_time(text):
    started = time.monotonic()
    dotenv.values(dotenv.parse(text), {})
    assert time.monotonic() - started < 5

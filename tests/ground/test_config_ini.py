"""The INI reader agrees with configparser on what is right, and tells every fault with its line on what is not."""

from __future__ import annotations

import configparser
import time

from hypothesis import example, given, settings
from hypothesis import strategies as st

from wxsync.config import ini

LINES = st.sampled_from([
    "[a]", "[b]", "[a b]", "  [c]", "x = 1", "y=2", "z: 3", "X = 4", "x = a = b # no comment", "x =", "list =",
    "  one", "  two",
    "    deep", "\tTab = 1", "# comment", "  ; comment", "  # indented comment", "", "   ", "percent = 50%%(x)s",
    "u = 值",
    "n = a:b=c", "key with spaces = v", "e==", "q = \"quoted\"", "[", "]", "no delimiter", "= no name", ": no name",
    "[]",
    "\ufeffx = 1", "x = a\x0bb", "\u3000x = wide",
])


def by_configparser(text: str) -> dict[tuple[str, str], str]:
    parser = configparser.ConfigParser(interpolation=None, default_section="\n", strict=True)
    parser.read_string(text)
    return {(section, name): value for section in parser.sections() for name, value in parser.items(section)}


def by_us(text: str) -> dict[tuple[str, str], str]:
    return {(entry.section, entry.name): entry.text for entry in ini.parse(text, "f").entries}


@given(st.lists(LINES, max_size=12).map("\n".join))
@example("[a]\nlist =\n  one\n\n  two\n# c\n  three\n\nx = 1")
@example("[a]\n  x = 1\n  y = 2\n    z = 3\nw = 4")
@settings(max_examples=1000, deadline=None)
def test_random_files_mean_what_configparser_says(text):
    document = ini.parse(text, "f")
    try:
        wanted = by_configparser(text)
    except configparser.Error:
        assert document.problems
        return
    assert by_us(text) == wanted
    assert not document.problems


def test_line_ends_of_every_system_are_read():
    text = "[a]\nx = 1\nlist =\n  one\n  two\n"
    for end in ("\r\n", "\r"):
        assert by_us(text.replace("\n", end)) == by_us(text) == {("a", "x"): "1", ("a", "list"): "\none\ntwo"}


def test_an_entry_knows_the_line_of_its_name():
    document = ini.parse("# head\n\n[a]\nx = 1\n\nlist =\n  one\n  two\ny = 2\n", "f")
    assert [(entry.name, entry.line) for entry in document.entries] == [("x", 4), ("list", 6), ("y", 9)]
    assert document.sections == {"a": 3}


def test_every_fault_is_told_with_its_line():
    document = ini.parse("x = 1\n[a]\nx = 1\nnonsense\nX = 2\n= 3\n[b]\n[a]\ny = 1\n", "wxsync.conf")
    assert [(problem.where, problem.what) for problem in document.problems] == [
        ("wxsync.conf:1", "这一行在任何 [节] 之前"),
        ("wxsync.conf:4", "这一行读不懂"),
        ("wxsync.conf:5 [a] x", "这个选项在第 3 行已经写过"),
        ("wxsync.conf:6", "这一行读不懂"),
        ("wxsync.conf:8 [a]", "这一节在第 2 行已经写过"),
    ]
    assert by_us("[a]\nx = 1\nx = 2\n")[("a", "x")] == "1"


def test_no_fault_repeats_the_line_which_may_hold_a_secret():
    document = ini.parse("[wecom]\nsecret hidden-value\nx = hidden-value\nx = hidden-value\n", "f")
    assert len(document.problems) == 2
    assert "hidden" not in "".join(map(str, document.problems))


def test_a_large_hostile_file_is_read_in_linear_time():
    started = time.monotonic()
    for text in ("[" * 500_000, "[a]\nx=\n" + " \n" * 250_000, "=" * 500_000, "[a]\n" + "x" * 500_000, " " * 500_000):
        ini.parse(text, "f")
    assert time.monotonic() - started < 10

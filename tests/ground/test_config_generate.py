"""The committed example and docs are what the table generates, and the example means the defaults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.operator_site import RELAY, Site
from tests.support.regenerate import FILES, ROOT
from wxsync.config import generate
from wxsync.options.settings import OPTIONS


@pytest.mark.parametrize("name", FILES)
def test_the_committed_file_is_what_the_table_generates(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text == FILES[name](), "run: python -m tests.support.regenerate"


def test_the_example_is_valid_as_it_is_and_with_every_line_uncommented(tmp_path: Path):
    site = Site(tmp_path)
    plain = site.load(RELAY).settings
    assert site.load(RELAY, conf=generate.example()).settings == plain
    # Explicit listeners name parts that this site has off, so that line stays a comment.
    uncommented = re.sub(r"(?m)^#(?=[a-z_]+ =)(?!listen|targets)", "", generate.example())
    assert uncommented.count("\n#") > 80
    assert site.load(RELAY, conf=uncommented).settings == plain


def test_every_option_is_in_example_and_docs_with_its_names():
    docs = generate.docs()
    for option in OPTIONS:
        assert re.search(rf"(?m)^#{option.name} =", generate.example())
        row = next(line for line in docs.splitlines() if f"`{option.variable}`" in line)
        assert all(f"`{name}`" in row for name in option.row.env)
        assert ("🔒" in row) == option.row.secret
        assert row.count("|") == 6


def test_required_options_are_marked():
    assert generate.example().count("启用机器人时必填") == 5
    assert "启用转发时必填" in generate.docs()

"""Which tags are near to one that is not there."""

from __future__ import annotations

import random
import time

import pytest

from wxsync.jobs.nearby import near

NGINX = ("latest", "stable", "alpine", "mainline", "perl", "1", "1.25", "1.26", "1.27", "1.27.0", "1.27.1", "1.27.5",
         "1.27-alpine", "1.27.3-alpine", "bookworm", "1.27.5-bookworm")
REDIS = ("latest", "6", "6.2", "7", "7.0", "7.0.0", "7.0.15", "7.2", "7.2.4", "7-alpine", "8.0")


@pytest.mark.parametrize("wanted, tags, found", [
    ("lates", NGINX, ("latest",)), ("latset", NGINX, ("latest",)), ("Latest", NGINX, ("latest",)),
    ("1atest", NGINX, ("latest",)), ("stabel", NGINX, ("stable",)), ("bookwrom", NGINX, ("bookworm",)),
    ("7.00", REDIS, ("7.0", "7.0.0", "7")), ("7.O", REDIS, ("7.0", "7.2")),
    ("7.0.99", REDIS, ("7.0.15", "7.0.0", "7.0")), ("1.27.99", NGINX, ("1.27", "1.27.5", "1.27.1")),
    ("v1.26", NGINX, ("1.26", "1.27", "1.25")), ("1.27.9-alpine", NGINX, ("1.27.3-alpine", "1.27-alpine")),
    ("1.27_alpine", NGINX, ("1.27-alpine", "1.27.3-alpine")),
    ("99.1", NGINX, ()), ("nope", NGINX, ()), ("x", NGINX, ()), ("no-such-tag", NGINX, ()), ("lates", (), ()),
    ("latest", ("1.0", "2.1", "v3", "10", "1.0-alpine"), ("10", "v3", "2.1")), ("latest", ("main",), ()),
    ("a" * 50, ("a" * 49,), ()),
])
def test_slips_and_close_versions_are_found(wanted, tags, found):
    assert near(wanted, tags) == found


def test_at_most_three_the_tag_itself_never():
    assert near("1.0", ["1.0", "1.1", "1.1", "1.2", "1.3", "1.4"]) == ("1.1", "1.2", "1.3")


def test_many_long_tags_take_no_long_time():
    letters = random.Random(7)
    tags = ["".join(letters.choices("0123456789.-ab", k=40)) for _ in range(20_000)]
    tags += [f"{n:040d}" for n in range(5000)]
    began = time.process_time()
    near("0" * 36 + "9x99", tags)
    assert time.process_time() - began < 2.0

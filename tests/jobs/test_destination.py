"""Destination names: the vectors, each rule by a table, and what no plan may do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxsync.jobs import command, destination, reasons, reference
from wxsync.jobs.command import ImageRequest, SyncImages
from wxsync.jobs.destination import Clash, Outcome, Owner, Planned, normal_platforms

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "destinations.json").read_text(encoding="utf-8"))
HEX = "7eb83ea8d97e0123456789abcdef0123456789abcdef0123456789abcdef4f5a"
REDIS = "docker.io/library/redis"
NGINX = "docker.io/library/nginx"
QUAY = "quay.io/other/redis"


def owner(source: str, *platforms: str) -> Owner:
    return Owner(source, normal_platforms(platforms))


def requests(lines: list[str]) -> tuple[ImageRequest, ...]:
    found = command.parse("\n".join(lines))
    assert isinstance(found, SyncImages), found
    return found.images


def plan(
    lines: list[str], owned: dict[str, Owner] | None = None, written: dict[tuple[str, str], Owner] | None = None
) -> list[str]:
    return [told(outcome) for outcome in destination.plan(requests(lines), owned or {}, written or {})]


def told(outcome: Outcome) -> str:
    return f"{outcome.name}:{outcome.tag}" if isinstance(outcome, Planned) else outcome.code


@pytest.mark.parametrize("case", VECTORS["cases"], ids=[case["id"] for case in VECTORS["cases"]])
def test_vector(case: dict[str, Any]) -> None:
    owned = {name: owner(each["source"], *each["platforms"]) for name, each in case["owned"].items()}
    wanted = [each["refused"] if isinstance(each, dict) else each for each in case["want"]]
    assert plan(case["lines"], owned) == wanted


PLANS = [  # lines, names owned before, destinations
    (["ghcr.io/a/b:1", "localhost:5000/x/y/c:1"], {}, ["b:1", "c:1"]),
    # rule 1
    (["a:1", "a:1 -> a:1", "docker.io/library/a:1"], {}, ["a:1"]),
    (["a:1 -> b:1", "a:1"], {}, ["b:1", "a:1"]),
    (["--platform=linux/arm64 a:1", "--platform=linux/arm64/v8 a:1 -> a:1"], {}, ["a:1"]),
    ([f"a@sha256:{HEX}", f"a@sha256:{HEX} -> a:sha256-7eb83ea8d97e"], {}, ["a:sha256-7eb83ea8d97e"]),
    # rule 2: the next name
    (["redis:7", "quay.io/other/redis:7", "ghcr.io/other/redis:7"], {}, [
        "redis:7", "other_redis:7", "ghcr.io_other_redis:7"]),
    (["quay.io/library/redis:7", "redis:7"], {"library_redis": owner(QUAY)}, ["redis:7", "docker.io_library_redis:7"]),
    (["localhost:5000/redis:7"], {"redis": owner(REDIS)}, ["localhost-5000_redis:7"]),
    (["quay.io/other/redis:7"], {"redis": owner(REDIS), "other_redis": owner("ghcr.io/other/redis")}, [
        "quay.io_other_redis:7"]),
    (["redis:7"], dict.fromkeys(["redis", "library_redis", "docker.io_library_redis"], owner(QUAY)), ["clash"]),
    (["quay.io/other/redis:7"], {"redis": owner(REDIS), "other_redis": owner(QUAY)}, ["other_redis:7"]),
    # rule 2: the same source with other platforms
    (["--platform=linux/amd64,linux/arm/v7 redis:7"], {"redis": owner(REDIS)}, ["redis:7-linux-amd64_linux-arm-v7"]),
    (["--platform=linux/s390x,linux/arm64,linux/386,linux/arm/v7 redis:7"], {"redis": owner(REDIS)}, [
        "redis:7-linux-386_linux-arm-v7_linux-arm64_linux-s390x"]),
    (["--platform=linux/arm64/v8 redis:7"], {"redis": owner(REDIS, "linux/amd64")}, ["redis:7-linux-arm64"]),
    (["--platform=linux/arm64/v8 redis:7"], {"redis": owner(REDIS, "linux/arm64")}, ["redis:7"]),
    (["redis:7"], {"redis": owner(REDIS, "linux/arm64")}, ["redis:7-all"]),
    (["--platform=linux/386 quay.io/other/redis:7"], {"redis": owner(REDIS), "other_redis": owner(QUAY)}, [
        "other_redis:7-linux-386"]),
    (["a:1", "--platform=linux/386 a:1", "--platform=linux/386 a:2", "a:2"], {}, [
        "a:1", "a:1-linux-386", "a:2-linux-386", "a:2"]),
    ([f"--platform=linux/386 redis@sha256:{HEX}"], {"redis": owner(REDIS)}, ["redis:sha256-7eb83ea8d97e-linux-386"]),
    # rule 3
    (["redis:7.0", "redis:7.2"], {"redis": owner(REDIS)}, ["redis:7.0", "redis:7.2"]),
    # rule 4
    (["redis:7-linux-386", "--platform=linux/386 redis:7"], {}, ["redis:7-linux-386", "clash"]),
    (["a:1", f"a:1@sha256:{HEX}"], {}, ["a:1", "clash"]),
    (["a:1 -> w:1", "a:2 -> w:1", "a:2 -> w:2"], {}, ["w:1", "clash", "w:2"]),
    ([f"--platform=linux/386 redis:{'t' * 119}"], {"redis": owner(REDIS)}, ["length"]),
    ([f"--platform=linux/386 redis:{'t' * 118}"], {"redis": owner(REDIS)}, [f"redis:{'t' * 118}-linux-386"]),
    ([f"{'a/' * 100}b:1"], {"b": owner(REDIS)}, [f"{'a_' * 100}b:1"]),
    ([f"quay.io/{'a/' * 123}b:1"], {"b": owner(REDIS), "a_" * 123 + "b": owner(REDIS)}, [f"quay.io_{'a_' * 123}b:1"]),
    ([f"quay.io/{'a/' * 124}b:1"], {"b": owner(REDIS), "a_" * 124 + "b": owner(REDIS)}, ["length"]),
    # rule 5
    (["redis:7 -> redis:x"], {"redis": owner(QUAY)}, ["clash"]),
    (["--platform=linux/386 nginx:1 -> web:v4"], {"web": owner(NGINX)}, ["web:v4"]),
    (["nginx:1 -> web:v3", "--platform=linux/386 nginx:1 -> web:v3"], {}, ["web:v3", "clash"]),
    (["nginx:1 -> redis:v1", "redis:7", "redis:8 -> redis:x"], {}, ["redis:v1", "library_redis:7", "clash"]),
    (["redis:7", "nginx:1 -> redis:v1", "nginx:1"], {}, ["redis:7", "clash", "nginx:1"]),
    (["nginx:1 -> web:v3", "redis:7 -> web:v3", "redis:7 -> web:v4", "a/web:1"], {}, [
        "web:v3", "clash", "clash", "a_web:1"]),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "owned", "wanted"), PLANS, ids=[", ".join(row[0])[:70] for row in PLANS])
def test_each_image_gets_its_destination(lines: list[str], owned: dict[str, Owner], wanted: list[str]) -> None:
    assert plan(lines, owned) == wanted


WRITTEN = [  # line, who wrote web:v3, destination
    ("nginx:1 -> web:v3", owner(NGINX), "web:v3"),
    ("nginx:2 -> web:v3", owner(NGINX), "web:v3"),
    ("nginx:1 -> web:v3", owner(REDIS), "clash"),
    ("nginx:1 -> web:v3", owner(NGINX, "linux/arm64"), "clash"),
    ("--platform=linux/arm64/v8 nginx:1 -> web:v3", owner(NGINX, "linux/arm64"), "web:v3"),
    ("--platform=linux/arm64 nginx:1 -> web:v4", owner(NGINX), "web:v4"),
]


@pytest.mark.parametrize(("line", "writer", "wanted"), WRITTEN, ids=[f"{row[0]} {row[1]}" for row in WRITTEN])
def test_a_named_destination_is_not_written_from_elsewhere(line: str, writer: Owner, wanted: str) -> None:
    assert plan([line], {"web": owner(NGINX)}, {("web", "v3"): writer}) == [wanted]


def test_a_refused_image_leaves_no_owner() -> None:
    """The first image is refused for its tag, so the name it would have had is free for the next."""
    lines = ["nginx:1 -> web:v3", "redis:7"]
    assert plan(lines, {}, {("web", "v3"): owner(REDIS)}) == ["clash", "redis:7"]
    assert plan([*lines, "redis:7 -> web:v4"], {}, {("web", "v3"): owner(REDIS)}) == ["clash", "redis:7", "web:v4"]


REASONS = [  # lines, the reason of the last
    (["nginx:1 -> redis:1"], "目标名称 redis 已属于 docker.io/library/redis；请换一个名称"),
    (["nginx:1 -> web:v3"], "目标 web:v3 已由 docker.io/library/nginx (linux/386,linux/arm64) 写入；请换一个标签"),
    (["nginx:1 -> x:1", "nginx:2 -> x:1"], reasons.TWICE_IN_MESSAGE.format(name="x", tag="1")),
    (["a:1"], reasons.NO_NAME_LEFT),
    (["b:" + "t" * 128], reasons.DESTINATION_TOO_LONG),
]


@pytest.mark.parametrize(("lines", "reason"), REASONS, ids=[row[0][-1][:40] for row in REASONS])
def test_a_refusal_says_whose_the_destination_is(lines: list[str], reason: str) -> None:
    owned = dict.fromkeys(["redis", "a", "library_a", "docker.io_library_a"], owner(REDIS))
    owned["b"] = owner("docker.io/library/b", "linux/386")
    written = {("web", "v3"): owner(NGINX, "linux/arm64", "linux/386")}
    outcome = destination.plan(requests(lines), owned, written)[-1]
    assert isinstance(outcome, Clash) and outcome.reason == reason


SOURCES = st.sampled_from(["a", "b/a", "c/b", "quay.io/b/a", "b_a", "localhost:5000/a", "localhost-5000/a"])
OPTIONS = st.sampled_from(["", "--platform=linux/arm64 ", "--platform=linux/arm64/v8,linux/386 "])
TAGS = st.sampled_from(["1", "1-all", "1-linux-arm64", f"1@sha256:{HEX}"])
TARGETS = st.sampled_from(["", "", "", " -> a:1", " -> b_a:2", " -> web:1"])
LINES = st.builds("{}{}:{}{}".format, OPTIONS, SOURCES, TAGS, TARGETS)


@given(st.lists(LINES, min_size=1, max_size=12), st.lists(LINES, max_size=6))
@settings(max_examples=200, deadline=None)
def test_no_two_images_of_a_message_meet_and_no_name_changes_its_source(today: list[str], earlier: list[str]) -> None:
    owned: dict[str, Owner] = {}
    for outcome in destination.plan(requests(earlier), {}, {}) if earlier else ():
        if isinstance(outcome, Planned):
            source = outcome.request.reference.source
            owned.setdefault(outcome.name, Owner(source, normal_platforms(outcome.request.platforms)))
    before = dict(owned)
    planned = [each for each in destination.plan(requests(today), owned, {}) if isinstance(each, Planned)]
    places = [(each.name, each.tag) for each in planned]
    assert len(set(places)) == len(places)
    assert owned == before
    assert all(reference.is_destination(f"{name}:{tag}") for name, tag in places)
    sources: dict[str, str] = {name: each.source for name, each in owned.items()}
    for each in planned:
        source = each.request.reference.source
        assert sources.setdefault(each.name, source) == source

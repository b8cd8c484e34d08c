"""The image reference grammar: every rule by a table, and what random texts may not do."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wxsync.jobs import reference
from wxsync.jobs.reasons import REASONS
from wxsync.jobs.reference import BadReference, Reference

HEX = "7eb83ea8d97e0123456789abcdef0123456789abcdef0123456789abcdef4f5a"

GOOD = [  # text, source, short, full
    ("nginx", "docker.io/library/nginx", "nginx:latest", "docker.io/library/nginx:latest"),
    ("library/nginx:1", "docker.io/library/nginx", "nginx:1", "docker.io/library/nginx:1"),
    ("index.docker.io/nginx", "docker.io/library/nginx", "nginx:latest", "docker.io/library/nginx:latest"),
    ("Docker.IO/a/b/c:D", "docker.io/a/b/c", "a/b/c:D", "docker.io/a/b/c:D"),
    ("docker.io/library/a/b:1", "docker.io/library/a/b", "library/a/b:1", "docker.io/library/a/b:1"),
    ("docker.io/library:1", "docker.io/library/library", "library:1", "docker.io/library/library:1"),
    ("docker.io/a.b/c:1", "docker.io/a.b/c", "docker.io/a.b/c:1", "docker.io/a.b/c:1"),
    ("docker.io/localhost/c:1", "docker.io/localhost/c", "docker.io/localhost/c:1", "docker.io/localhost/c:1"),
    ("library/a.b:1", "docker.io/library/a.b", "a.b:1", "docker.io/library/a.b:1"),
    ("GHCR.io/a/b", "ghcr.io/a/b", "ghcr.io/a/b:latest", "ghcr.io/a/b:latest"),
    ("localhost/x", "localhost/x", "localhost/x:latest", "localhost/x:latest"),
    ("LocalHost:5000/x:y", "localhost:5000/x", "localhost:5000/x:y", "localhost:5000/x:y"),
    ("a:1/b", "a:1/b", "a:1/b:latest", "a:1/b:latest"),
    ("reg:0443/x", "reg:443/x", "reg:443/x:latest", "reg:443/x:latest"),
    ("localhost:5000", "docker.io/library/localhost", "localhost:5000", "docker.io/library/localhost:5000"),
    ("a--b/c__d/e.f_g:h", "docker.io/a--b/c__d/e.f_g", "a--b/c__d/e.f_g:h", "docker.io/a--b/c__d/e.f_g:h"),
    ("x-y.z--0.io/a", "x-y.z--0.io/a", "x-y.z--0.io/a:latest", "x-y.z--0.io/a:latest"),
    ("nginx:_A.-", "docker.io/library/nginx", "nginx:_A.-", "docker.io/library/nginx:_A.-"),
    (f"a@sha256:{HEX}", "docker.io/library/a", f"a@sha256:{HEX}", f"docker.io/library/a@sha256:{HEX}"),
    (f"a/b:1@sha256:{HEX}", "docker.io/a/b", f"a/b:1@sha256:{HEX}", f"docker.io/a/b@sha256:{HEX}"),
    ("a" * 255, f"docker.io/library/{'a' * 255}", f"{'a' * 255}:latest", f"docker.io/library/{'a' * 255}:latest"),
    (f"a:{'t' * 128}", "docker.io/library/a", f"a:{'t' * 128}", f"docker.io/library/a:{'t' * 128}"),
    ("a.b:65535/c", "a.b:65535/c", "a.b:65535/c:latest", "a.b:65535/c:latest"),
]

BAD = [  # text, code, suggestion
    ("", "name", None),
    (":latest", "name", None),
    ("/nginx", "name", "nginx:latest"),
    ("nginx/", "name", "nginx:latest"),
    ("a//b:1", "name", "a/b:1"),
    ("a__b___c", "name", None),
    ("a..b", "name", None),
    ("a/-b", "name", None),
    ("a-/b", "name", None),
    ("a/b:c/d", "name", None),
    ("@sha256:" + HEX, "name", None),
    ("Nginx", "uppercase", "nginx:latest"),
    ("ghcr.io/Owner/Repo:Tag", "uppercase", "ghcr.io/owner/repo:Tag"),
    ("Library/nginx:1", "uppercase", "nginx:1"),
    ("nginx:", "tag", "nginx:latest"),
    ("nginx::1", "tag", "nginx:1"),
    ("nginx:a:b", "tag", None),
    ("nginx:-a", "tag", None),
    ("nginx:.a", "tag", None),
    (f"a:{'t' * 129}", "tag", None),
    (f"a/b:sha256:{HEX}", "tag", f"a/b@sha256:{HEX}"),
    ("a@sha256:", "digest-length", None),
    (f"a@sha256:{HEX[1:]}", "digest-length", None),
    (f"a@sha256:{HEX}0", "digest-length", None),
    (f"a@sha256:{HEX[1:]}g", "digest-format", None),
    (f"a:1@sha256:{HEX.upper()}", "digest-format", f"a:1@sha256:{HEX}"),
    (f"a@SHA256:{HEX}", "digest-format", f"a@sha256:{HEX}"),
    (f"a@sha512:{HEX}", "digest-format", None),
    (f"a@b@sha256:{HEX}", "digest-format", f"a:b@sha256:{HEX}"),
    ("a@", "digest-format", None),
    ("a@1.27", "digest-format", "a:1.27"),
    ("a_b.c/x", "host", None),
    ("-a.b/x", "host", None),
    ("a-.b/x", "host", None),
    ("a..b/x", "host", None),
    (".a/x", "host", None),
    ("a.b:/x", "host", None),
    ("a.b:0/x", "host", None),
    ("a.b:65536/x", "host", None),
    ("a.b:123456/x", "host", None),
    ("a.b:80:80/x", "host", None),
    ("a.b:x/x", "host", None),
    ("a." * 127 + "b/x", "host", None),
    ("docker.io/", "host-only", None),
    ("localhost:5000/", "host-only", None),
    ("a" * 256, "length", None),
    ("ghcr.io/" + "a/" * 128 + "b", "length", None),
    ("ftp://a.b/c", "scheme", None),
    ("docker://nginx:1", "scheme", "nginx:1"),
    ("Docker://ghcr.io/a/b", "scheme", "ghcr.io/a/b:latest"),
    ("nginx!", "characters", "nginx:latest"),
    ("nginx:1.27。", "characters", "nginx:1.27"),
    ("“nginx:1”", "characters", "nginx:1"),
    ("ｎｇｉｎｘ:１", "characters", "nginx:1"),
    ("镜像:1", "characters", None),
    ("a b", "characters", None),
    ("nginx\n", "characters", None),
    ("nginx:١", "characters", None),
    ("[nginx]", "characters", None),
    ("a\x00b", "characters", None),
    ("Ａ" * 600, "characters", None),
]


@pytest.mark.parametrize(("text", "source", "short", "full"), GOOD, ids=[row[0][:40] for row in GOOD])
def test_reference_is_read_in_its_normal_form(text: str, source: str, short: str, full: str) -> None:
    found = reference.parse(text)
    assert (found.source, found.short, found.full) == (source, short, full)


@pytest.mark.parametrize(("text", "code", "suggestion"), BAD, ids=[repr(row[0][:40]) for row in BAD])
def test_what_is_no_reference_is_refused_with_its_reason(text: str, code: str, suggestion: str | None) -> None:
    with pytest.raises(BadReference) as caught:
        reference.parse(text)
    assert (caught.value.code, caught.value.suggestion) == (code, suggestion)
    assert caught.value.what == REASONS[code]


def test_latest_is_only_added_where_neither_tag_nor_digest_is() -> None:
    assert reference.parse("nginx") == Reference("docker.io", "library/nginx", "latest", None)
    assert reference.parse(f"nginx@sha256:{HEX}") == Reference("docker.io", "library/nginx", None, f"sha256:{HEX}")


DESTINATIONS = [
    ("web:v3", True),
    ("other_redis:7.0", True),
    ("localhost-5000_x.y--z:sha256-7eb83ea8d97e", True),
    (f"{'a' * 255}:{'t' * 128}", True),
    (f"{'a' * 256}:t", False),
    (f"a:{'t' * 129}", False),
    ("web", False),
    ("web:", False),
    (":v3", False),
    ("Web:v3", False),
    ("ns/web:v3", False),
    ("web:v3:4", False),
    (f"web:v3@sha256:{HEX}", False),
    ("", False),
]


@pytest.mark.parametrize(("text", "good"), DESTINATIONS, ids=[row[0][:40] for row in DESTINATIONS])
def test_destination_is_one_name_with_a_tag(text: str, good: bool) -> None:
    assert reference.is_destination(text) is good


ANY = st.text() | st.text("aZ0.:/@-_ 镜／：sha256", max_size=60) | st.text("ab.:/@A0-", max_size=90)


@given(ANY)
@settings(deadline=None)
def test_any_text_is_a_reference_or_a_bad_one(text: str) -> None:
    try:
        found = reference.parse(text)
    except BadReference as error:
        assert error.code in REASONS
        if error.suggestion is not None:
            assert reference.parse(error.suggestion).short == error.suggestion
    else:
        assert reference.parse(found.short) == found
        assert reference.parse(found.full).full == found.full


PARTS = st.from_regex(r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}", fullmatch=True)
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}", fullmatch=True)
HOSTS = st.sampled_from(["", "docker.io/", "GHCR.io/", "localhost/", "a-b.c:5000/", "x:1/"])


@given(HOSTS, st.lists(PARTS, min_size=1, max_size=4), TAGS, st.booleans())
@settings(deadline=None)
def test_what_the_grammar_makes_is_read(host: str, parts: list[str], tag: str, has_digest: bool) -> None:
    assume(host or "." not in parts[0])  # a first part with a dot is a host
    found = reference.parse(f"{host}{'/'.join(parts)}:{tag}{'@sha256:' + HEX if has_digest else ''}")
    assert (found.tag, found.digest) == (tag, f"sha256:{HEX}" if has_digest else None)
    assert reference.parse(found.short) == found


@pytest.mark.parametrize("unit", ["a", "a-", "-", "a.", "a/", "a:", "_", "a@", ":sha256:", "/", "。", "A", "a.b:"])
def test_time_grows_with_the_text_not_faster(unit: str) -> None:
    """Sixteen times what is ever read: a pattern that tries twice would not come back."""
    for text in (unit * (1 << 18), unit * (1 << 18) + "!", f"a.b/{unit * (1 << 18)}:"):
        with pytest.raises(BadReference):
            reference.parse(text)

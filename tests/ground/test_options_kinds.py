"""Texts become values: numbers with units, switches, words, lists."""

from __future__ import annotations

import datetime
import time

import pytest

from wxsync.errors import ConfigError
from wxsync.options import identifiers, kinds
from wxsync.options.settings import OPTIONS

BY_KEY = {option.key: option for option in OPTIONS}


def read(key: str, text: str):
    return BY_KEY[key].row.kind.read(text)


def refused(key: str, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(key, text)
    assert caught.value.what
    assert caught.value.mend
    return caught.value


@pytest.mark.parametrize(("text", "wanted"), [
    ("30", 30.0), ("30s", 30.0), ("1.5", 1.5), ("5m", 300.0), ("1.5h", 5400.0), ("1D", 86400.0), ("0.05", 0.05),
])
def test_a_time_is_seconds_with_decimals_and_units(text, wanted):
    assert read("proxy.timeout", text) == wanted


@pytest.mark.parametrize("text", [
    "30x", "0", "-1", "1e3", "１０", "٣", "30 s", "s", ".5", "5.", "1_0", "inf", "nan", "+5", "2d", "1k", "9" * 13])
def test_what_is_no_time_or_out_of_range_is_refused(text):
    refused("proxy.timeout", text)


@pytest.mark.parametrize(("text", "wanted"), [
    ("20M", 20 << 20), ("1.5G", 3 << 29), ("32k", 32768), ("4096", 4096), ("0", 0)])
def test_a_size_is_bytes_with_units_of_1024(text, wanted):
    assert read("proxy.max_body", text) == wanted


@pytest.mark.parametrize("text", ["20MB", "1T", "-1", "20 M", "1s", "２０", "2000G"])
def test_what_is_no_size_is_refused(text):
    refused("proxy.max_body", text)


def test_a_part_is_never_smaller_than_the_service_takes():
    assert read("upload.part_size", "4M") == 4 << 20
    assert refused("upload.part_size", "4194303").mend == "最小 4M，最大 1G"
    assert refused("proxy.max_body", "2000G").mend == "最小 0，最大 1024G"


@pytest.mark.parametrize(("key", "text"), [("sync.engine", "locall"), ("jobs.when_busy", "wait"), ("log.level", "all")])
def test_a_wrong_word_is_told_as_a_wrong_value(key, text):
    assert refused(key, text).what == "没有这个值"


@pytest.mark.parametrize("text", ["yes", "on", "true", "1", "True", "ON"])
def test_words_that_switch_on(text):
    assert read("log.access", text) is True


@pytest.mark.parametrize("text", ["no", "off", "false", "0", "False", "Off"])
def test_words_that_switch_off(text):
    assert read("log.access", text) is False


@pytest.mark.parametrize("text", ["y", "2", "enabled", "是", "truee"])
def test_other_words_switch_nothing(text):
    refused("log.access", text)


def test_a_choice_is_read_in_any_case_and_its_error_lists_the_words():
    assert read("jobs.when_busy", "Queue") == "queue"
    assert "reject、queue" in refused("jobs.when_busy", "wait").mend


@pytest.mark.parametrize("text", ["1.0", "0x10", "", "１", "²", "65", "0"])
def test_whole_numbers_are_ascii_digits_in_range(text):
    refused("server.processes", text)


def test_the_time_of_day_has_minutes_and_may_have_seconds():
    assert read("rollover.time", "00:00:00") == datetime.time(0, 0)
    assert read("rollover.time", "7:05") == datetime.time(7, 5)
    for text in ("24:00", "12:60:00", "1200", "12:5", "１2:00"):
        refused("rollover.time", text)


def test_lists_are_split_at_commas_and_lines_and_an_error_names_the_place_not_the_text():
    assert read("wecom.admin_users", "a, b\n c,,\n") == ("a", "b", "c")
    problem = refused("wecom.admin_users", "zhangsan, 张三, li")
    assert "第 2 项" in problem.what
    assert "张三" not in str(problem)


@pytest.mark.parametrize("text", ["all", "ALL"])
def test_all_members_is_the_empty_list(text):
    assert read("wecom.allow_users", text) == ()


@pytest.mark.parametrize(("key", "good", "bad"), [
    ("wecom.corp_id", ["ww5c0ffee1dea90b17", "wx123abc", "wwAbC"], ["", "5c0ffee1dea90b17", "ww", "ww-1", "wwé"]),
    ("wecom.agent_id", ["1000002", "1"], ["0", "1000002x", "-1", "１"]),
    ("wecom.token", ["QDG6eKvZ3pTx9sWm", "a" * 32], ["", "a" * 33, "QDG6e-vZ", "ａ", "a b"]),
    ("wecom.encoding_aes_key",
     ["jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2A", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2B"],
     ["", "a" * 42, "a" * 44, "a" * 42 + "=", "a" * 42 + "-", "٣" * 43]),
    ("github.repo", ["owner/repo", "o-1/re.po_x", "ent_corp/r"],
     ["repo", "https://github.com/o/r", "o/r/x", "o/", "/r", "o/..", "o/.", "o r/x", "o/r\n"]),
    ("github.branch", ["main", "release/1.x", "feature-1", "v1@x", "a.lock.b"],
     ["-x", "/a", "a/", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "x.lock", "x.lock/y", "a//b", ".a",
      "a/.b", "a@{b", "a.", "主"]),
    ("github.workflow", ["docker-image-sync.yml", "x.yaml"], ["x", ".github/workflows/x.yml", "x.yml.txt"]),
    ("registry.namespace", ["ns", "my_ns", "a-b", "a/b", "a1"], ["Ns", "-a", "a-", "a..b", "/a", "a/", "a b", "命名"]),
    ("registry.username", ["user@corp", "张三", "a b"], ["a:b", "a\x07"]),
    ("registry.password", ["p:w d%", "口令"], ["a\x00b"]),
    ("qingstor.zone", ["pek3a", "sh1-a"], ["pek3a.x", "PEK3A", "a/b"]),
    ("qingstor.bucket", ["tmp", "my-bucket-1", "a"], ["-a", "a-", "A", "1.2.3.4", "a_b", "a" * 64]),
    ("wecom.secret", ["aB3-_x"], ["a b", "秘密", "a\tb"]),
])
def test_names_and_keys_follow_their_grammar(key, good, bad):
    for text in good:
        assert str(read(key, text)) == text
    for text in bad:
        refused(key, text)


def test_patterns_stay_linear_on_long_hostile_texts():
    started = time.monotonic()
    for kind in (identifiers.NAMESPACE, identifiers.BRANCH, identifiers.REPO, identifiers.BUCKET, identifiers.ZONE):
        for text in ("a" * 255, "a-" * 127, "-" * 255, "a" * 254 + "!", "a/" * 127, "a.lock" * 40, "_" * 60000):
            try:
                kind.read(text)
            except ConfigError:
                continue
    for option in OPTIONS:
        for text in ("a" * kinds.MAX_TEXT, "1," * (kinds.MAX_TEXT // 2), "a=b:" * (kinds.MAX_TEXT // 4)):
            try:
                option.row.kind.read(text)
            except ConfigError:
                continue
    assert time.monotonic() - started < 20

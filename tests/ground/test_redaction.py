"""No secret survives in a text, however it is spelt."""

from __future__ import annotations

import base64
import json
import re
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsync.log.redaction import MAX_TEXT, REDACTED, Redactor


def lower_escapes(text: str) -> str:
    return re.sub("%..", lambda escape: escape[0].lower(), quote(text, safe=""))


@pytest.mark.parametrize("spell", [
    str, quote, lambda text: quote(text, safe=""), quote_plus, lower_escapes, lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1], lambda text: repr(text)[1:-1],
    lambda text: base64.b64encode(text.encode()).decode()])
@pytest.mark.parametrize("secret", ["plain1234", "a/b+c=d e", 'q"uo\\te', "口令口令", "it's\n\x07"])
def test_a_secret_is_hidden_in_every_spelling(secret, spell):
    assert Redactor([secret]).text(f"before {spell(secret)} after") == f"before {REDACTED} after"


def test_the_longest_secret_is_taken_first():
    assert Redactor(["abcd", "abcdefgh"]).text("abcdefgh abcd") == f"{REDACTED} {REDACTED}"


def test_a_secret_of_a_few_characters_is_left_or_every_line_would_be_holes():
    assert Redactor(["a", "", "abc"]).text("abc banana") == "abc banana"


@pytest.mark.parametrize(("text", "wanted"), [
    ("GET /cgi-bin/gettoken?corpid=ww1&corpsecret=S-1_x HTTP", "GET /cgi-bin/gettoken?corpid=ww1&corpsecret=* HTTP"),
    ("https://q/cgi-bin/message/send?access_token=AbC-_1&debug=1", "https://q/cgi-bin/message/send?access_token=*&debug=1"),
    ("/wechat/callback?msg_signature=ab12&timestamp=1&nonce=2&echostr=x%2B",
     "/wechat/callback?msg_signature=*&timestamp=1&nonce=2&echostr=*"),
    ("https://b.q/k?access_key_id=K&expires=1&signature=a%2Fb", "https://b.q/k?access_key_id=*&expires=1&signature=*"),
    ("Authorization: Bearer ghp_12345678", "Authorization: Bearer *"),
    ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic *"),
    ("QS KEYID:c2lnbmF0dXJl=", "QS *"),
    ("http://user:pa%40ss@proxy:8080/x", "http://*@proxy:8080/x"), ("socks5://u@h", "socks5://*@h"),
    ("PASSWORD=hunter2 x", "PASSWORD=* x"),
    ("a normal text about a token and a secret", "a normal text about a token and a secret"),
    ("mail bob@example.com", "mail bob@example.com"), ("nginx@sha256:abc", "nginx@sha256:abc"),
])
def test_what_looks_like_a_credential_is_hidden(text, wanted):
    assert Redactor().text(text) == wanted.replace("*", REDACTED)


@pytest.mark.parametrize("name", [
    "token", "access_token", "github_token", "secret", "corpsecret", "password", "Authorization", "proxy-authorization",
    "cookie", "Set-Cookie", "encoding_aes_key", "api_key", "access_key", "echostr", "msg_signature", "credentials"])
def test_a_field_is_hidden_by_its_name(name):
    assert Redactor().field(name, "x") == REDACTED


@pytest.mark.parametrize("name", ["tokens", "secretary", "key", "member", "token_age_s", "signature_ok"])
def test_other_fields_are_shown(name):
    assert Redactor().field(name, "x") == "x"


def test_numbers_and_switches_stay_what_they_are():
    redactor = Redactor(["1234"])
    for value in (1, 1.5, True, None):
        assert redactor.field("n", value) is value
    assert redactor.field("n", ["1234"]) == f"['{REDACTED}']"


@given(st.text(min_size=4, max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_random_secret_survives(secret, before, after):
    clean = Redactor([secret]).text(before + secret + after)
    assert secret not in clean.replace(REDACTED, "\x00" if "\x00" not in secret else "\x01")


@pytest.mark.parametrize("text", [
    "://" * 100_000, "token=" * 100_000, "a" * 10**6, "Bearer " * 100_000, "://x" * 100_000])
def test_long_texts_are_cut_and_cost_linear_time(text):
    started = time.monotonic()
    assert len(Redactor(["x" * 40]).text(text)) <= MAX_TEXT * 3
    assert time.monotonic() - started < 2


def test_a_long_hostile_field_name_costs_linear_time():
    started = time.monotonic()
    Redactor().field("_" * 50_000, "x")
    assert time.monotonic() - started < 2

"""The stand-in's crypto agrees with the vectors, which independent implementations confirmed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from wxsync.sandbox.wecom import crypto, pushes
from wxsync.sandbox.wecom.crypto import Identity

CASES = json.loads((Path(__file__).parents[1] / "data" / "wecom.json").read_text(encoding="utf-8"))
GOOD = [case for case in CASES if case["kind"] in ("post_ok", "get_ok") and "body_b64" not in (case["request"] or {})]


def identity(case):
    return Identity(case["corp_id"], int(case["agent_id"]), "secret", case["token"], case["aes_key"])


def encrypted(case):
    query = parse_qs(case["request"]["query"])
    if case["request"]["method"] == "GET":
        return query["echostr"][0], query
    body = case["request"]["body"]
    return re.search(r"<Encrypt>\s*(?:<!\[CDATA\[)?([A-Za-z0-9+/=]+)", body).group(1), query


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case["name"])
def test_good_vectors_have_our_signature_and_decrypt(case):
    text, query = encrypted(case)
    signed = crypto.signature(case["token"], query["timestamp"][0], query["nonce"][0], text)
    assert signed == query["msg_signature"][0]
    plain = crypto.decrypt(identity(case), text).decode("utf-8")
    if case["kind"] == "get_ok":
        assert plain == case["expect"]["body"]
    else:
        assert case["expect"]["parsed"]["FromUserName"] in plain


def test_what_we_encrypt_decrypts_and_differs_each_time():
    app = Identity.random()
    first, second = crypto.encrypt(app, "你好".encode()), crypto.encrypt(app, "你好".encode())
    assert first != second
    assert crypto.decrypt(app, first) == crypto.decrypt(app, second) == "你好".encode()


def test_foreign_and_damaged_texts_are_refused():
    app, other = Identity.random(), Identity.random()
    text = crypto.encrypt(app, b"x")
    with pytest.raises(ValueError, match=r"padding|corp"):
        crypto.decrypt(other, text)
    same_key = Identity("ww0000000000000000", 1, "", app.token, app.encoding_aes_key)
    with pytest.raises(ValueError, match="not for this corp"):
        crypto.decrypt(same_key, text)


def test_a_random_identity_has_the_forms_that_wecom_gives():
    app = Identity.random()
    assert re.fullmatch("ww[0-9a-f]{16}", app.corp_id)
    assert re.fullmatch("[A-Za-z0-9]{32}", app.token)
    assert re.fullmatch("[A-Za-z0-9]{43}", app.encoding_aes_key)


@pytest.mark.parametrize("text", ["plain", "a]]>b", "<xml>&amp;", "两行\n文字", "bell\x07gone"])
def test_any_text_makes_wellformed_xml(text):
    import xml.etree.ElementTree as ET

    push = pushes.message(Identity.random(), "zhangsan", 1764000000, "text", {"Content": text})
    tree = ET.fromstring(push.xml)
    assert tree.findtext("Content") == text.replace("\x07", "")
    assert (tree.findtext("MsgId"), tree.findtext("MsgType")) == (push.msg_id, "text")

"""WeCom's API side: tokens, message/send with its refusals, the duplicate check, the silent limits."""

from __future__ import annotations

import json
import threading

import pytest

from tests.support.plain_client import call
from wxsync.sandbox.wecom.chats import MAX_ENTRIES, NotSeen
from wxsync.sandbox.wecom.stand_in import WeCom


@pytest.fixture
def wecom(now):
    made = WeCom(now=now)
    yield made
    made.close()


def get_token(wecom, corp_id=None, secret=None):
    query = f"corpid={corp_id or wecom.identity.corp_id}&corpsecret={secret or wecom.identity.secret}"
    return call(wecom.server.port, "GET", f"/cgi-bin/gettoken?{query}").json()


def send(wecom, text="hi", token=None, **fields):
    token = get_token(wecom)["access_token"] if token is None else token
    body = {"touser": "zhangsan", "msgtype": "text", "agentid": wecom.identity.agent_id, "text": {"content": text},
            **fields}
    return call(wecom.server.port, "POST", f"/cgi-bin/message/send?access_token={token}", body).json()


def test_a_token_stays_the_same_during_its_life_and_then_expires(wecom, now):
    first = get_token(wecom)
    assert (first["errcode"], first["expires_in"]) == (0, 7200)
    now.move(7000)
    assert get_token(wecom) == {**first, "expires_in": 200}
    now.move(200)
    assert send(wecom, token=first["access_token"])["errcode"] == 42001
    assert get_token(wecom)["access_token"] != first["access_token"]
    assert send(wecom, token=first["access_token"])["errcode"] == 42001
    assert wecom.api.tokens.issued == 2


@pytest.mark.parametrize("errcode", [40014, 42001])
def test_a_token_can_be_voided_early(wecom, errcode):
    wecom.api.void_token(errcode)
    token = get_token(wecom)["access_token"]
    wecom.api.void_token(errcode)
    assert send(wecom, token=token)["errcode"] == errcode
    assert send(wecom)["errcode"] == 0


def test_wrong_credentials_have_their_codes(wecom):
    assert get_token(wecom, corp_id="ww0")["errcode"] == 40013
    assert get_token(wecom, secret="x")["errcode"] == 40001
    assert send(wecom, token="")["errcode"] == 41001
    assert send(wecom, token="guess")["errcode"] == 40014


@pytest.mark.parametrize(("fields", "errcode"), [
    ({"agentid": "1000002"}, 40056), ({"agentid": True}, 40056), ({"agentid": 7}, 301002), ({"touser": ""}, 82001),
    ({"text": {"content": ""}}, 44004), ({"text": {}}, 44004), ({"msgtype": "image"}, 40008), ({"msgtype": []}, 40008),
    ({"msgtype": "markdown", "markdown": {"content": "x" * 2049}}, 45002),
])
def test_a_wrong_message_has_its_code_and_shows_nothing(wecom, fields, errcode):
    assert send(wecom, **fields)["errcode"] == errcode
    assert wecom.chat("zhangsan") == []


@pytest.mark.parametrize(("raw", "errcode"), [(b"{", 47001), (b"[]", 47001), (b'{"a":"\\u4f60"}', 40033)])
def test_a_body_of_another_form_is_refused(wecom, raw, errcode):
    token = get_token(wecom)["access_token"]
    reply = call(wecom.server.port, "POST", f"/cgi-bin/message/send?access_token={token}", raw)
    assert reply.json()["errcode"] == errcode


def test_a_written_backslash_u_is_no_escape(wecom):
    assert send(wecom, "path \\u0041")["errcode"] == 0
    assert wecom.answers("zhangsan") == ["path \\u0041"]


def test_an_unknown_call_is_no_api(wecom):
    assert call(wecom.server.port, "GET", "/cgi-bin/user/get").status == 404


def test_a_text_is_cut_at_2048_bytes_between_characters(wecom):
    send(wecom, "好" * 1000)
    (text,) = wecom.answers("zhangsan")
    assert text == "好" * 682


def test_recipients_are_told_apart_by_the_member_list_without_regard_to_case(wecom):
    wecom.api.members = frozenset({"zhangsan", "lisi"})
    assert send(wecom, touser="ZhangSan|Nobody")["invaliduser"] == "nobody"
    assert send(wecom, touser="Nobody")["errcode"] == 81013
    assert send(wecom, "all", touser="@all")["invaliduser"] == ""
    assert (wecom.answers("ZHANGSAN"), wecom.answers("lisi")) == (["hi", "all"], ["all"])


def test_the_duplicate_check_shows_an_identical_request_once_within_its_interval(wecom, now):
    first = send(wecom, "done #12", enable_duplicate_check=1)
    assert send(wecom, "done #12", enable_duplicate_check=1) == first
    assert first["errcode"] == 0
    send(wecom, "done #13", enable_duplicate_check=1)
    send(wecom, "done #12", enable_duplicate_check=1, safe=0)
    assert wecom.answers("zhangsan") == ["done #12", "done #13", "done #12"]
    now.move(1799)
    send(wecom, "done #12", enable_duplicate_check=1)
    assert len(wecom.answers("zhangsan")) == 3
    now.move(1)
    send(wecom, "done #12", enable_duplicate_check=1)
    assert len(wecom.answers("zhangsan")) == 4


def test_the_duplicate_check_can_have_a_shorter_interval(wecom, now):
    for _ in range(2):
        send(wecom, enable_duplicate_check=1, duplicate_check_interval=60)
        now.move(60)
    send(wecom, enable_duplicate_check=1, duplicate_check_interval="x")
    assert len(wecom.answers("zhangsan")) == 3


def test_without_the_duplicate_check_equal_texts_are_two(wecom):
    send(wecom)
    send(wecom)
    assert wecom.answers("zhangsan") == ["hi", "hi"]


def test_more_than_30_a_minute_are_dropped_silently(wecom, now):
    assert {send(wecom, str(number))["errcode"] for number in range(31)} == {0}
    assert (len(wecom.answers("zhangsan")), wecom.api.dropped) == (30, [("zhangsan", "30")])
    now.move(60)
    send(wecom, "later")
    assert wecom.answers("zhangsan")[-1] == "later"


def test_an_untrusted_address_is_named(wecom):
    wecom.api.trusted = False
    answer = send(wecom)
    assert answer["errcode"] == 60020
    assert "from ip: 203.0.113.7," in answer["errmsg"]


def test_an_errcode_can_be_ordered_with_or_without_the_effect(wecom):
    token = get_token(wecom)["access_token"]
    wecom.refuse_next("message/send", 45009)
    wecom.refuse_next("message/send", -1, after=True)
    assert [send(wecom, text, token)["errcode"] for text in "abc"] == [45009, -1, 0]
    assert wecom.answers("zhangsan") == ["b", "c"]


def test_waiting_for_an_answer_ends_with_it_or_shows_the_chat(wecom):
    wecom.chats.add("zhangsan", "member", "✅ by the member himself")
    threading.Timer(0.05, send, (wecom, "✅ done")).start()
    entry = wecom.wait_for("zhangsan", lambda entry: entry.text.startswith("✅"))
    assert (entry.sender, entry.text) == ("app", "✅ done")
    with pytest.raises(NotSeen, match="✅ done"):
        wecom.wait_for("zhangsan", lambda _: True, within_s=0.05, after=entry.number)


def test_a_chat_keeps_its_newest_bubbles(wecom):
    for number in range(MAX_ENTRIES + 1):
        wecom.chats.add("zhangsan", "member", str(number))
    assert [wecom.chat("zhangsan")[place].text for place in (0, -1)] == ["1", str(MAX_ENTRIES)]


def test_markdown_is_kept_as_such(wecom):
    send(wecom, msgtype="markdown", markdown={"content": "**x**"})
    assert [(entry.kind, entry.text) for entry in wecom.chat("zhangsan")] == [("markdown", "**x**")]


def test_answers_are_json_of_wecoms_form(wecom):
    reply = call(wecom.server.port, "GET", "/cgi-bin/gettoken")
    assert reply.status == 200
    assert set(json.loads(reply.body)) == {"errcode", "errmsg"}

"""The chat page: one file without anything from elsewhere, and the JSON interface behind it."""

from __future__ import annotations

import re
import threading

import pytest

from tests.support.plain_client import call
from wxsync.sandbox.chat import Chat
from wxsync.sandbox.conversation import Conversation, Unreachable
from wxsync.sandbox.server import Answer, Server
from wxsync.sandbox.wecom.stand_in import WeCom

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def wecom():
    made = WeCom(pause_s=0.01)
    yield made
    made.close()


@pytest.fixture
def chat(wecom):
    made = Chat(wecom, "zhangsan")
    yield made
    made.close()


@pytest.fixture
def bot(wecom):
    made = Server(lambda request: Answer(200))
    wecom.call_at(made.url)
    yield made
    made.close()


def test_the_page_is_one_file_that_fetches_only_its_own_interface(chat):
    reply = call(chat.server.port, "GET", "/")
    text = reply.body.decode("utf-8")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", text)
    assert 'lang="zh-CN"' in text
    assert "innerHTML" not in re.sub("//.*", "", text)


@pytest.mark.parametrize("behind", ["，", "：", "（", "的文件", "”", " x", "<b>", "'"])
def test_a_link_on_the_page_ends_before_chinese(chat, behind):
    (pattern,) = re.findall(r"const LINK = /(.+)/g;", call(chat.server.port, "GET", "/").body.decode("utf-8"))
    link = "https://h.example:8/a-b_c/%E6%96%87;x=1?y=(2)&z=~#f"
    assert re.match(pattern, f"{link}{behind}")[0] == link


def test_a_message_shows_at_once_and_then_as_sent(chat, wecom, bot):
    reply = call(chat.server.port, "POST", "/api/messages", {"text": "  nginx:latest  "}, JSON)
    assert reply.status == 202
    bot.wait_seen("POST", "/")
    shown, version = [], -1
    while not shown or shown[-1]["state"] == "sending":
        answer = call(chat.server.port, "GET", f"/api/chat?since={version}&wait=5").json()
        shown, version = answer["entries"], answer["version"]
    assert [(e["number"], e["sender"], e["text"], e["state"]) for e in shown] == [
        (reply.json()["number"], "member", "nginx:latest", "sent")]
    assert answer["member"] == "zhangsan"


def test_a_message_that_nobody_takes_is_shown_as_failed(chat, wecom):
    Conversation(chat.url).send("hi")
    version = -1
    while not any(entry.state == "failed" for entry in wecom.chat("zhangsan")):
        version = Conversation(chat.url).wait(version, 5).version


def test_an_answer_comes_in_while_the_page_waits(chat, wecom):
    conversation = Conversation(chat.url)
    before = conversation.wait(-1, 0)
    assert before.entries == ()
    threading.Timer(0.05, wecom.chats.add, ("zhangsan", "app", "✅")).start()
    after = conversation.wait(before.version, 10)
    assert [entry.text for entry in after.entries] == ["✅"]
    assert conversation.wait(after.version, 0).version == after.version


@pytest.mark.parametrize(("body", "headers"), [
    ({"text": ""}, JSON), ({"text": 7}, JSON), ([], JSON), (b"{", JSON), ({"text": "x" * 70000}, JSON),
    ({"text": "from another site"}, {"Content-Type": "text/plain"})])
def test_what_is_no_message_is_refused(chat, wecom, body, headers):
    assert call(chat.server.port, "POST", "/api/messages", body, headers).status == 400
    assert wecom.chat("zhangsan") == []


def test_odd_queries_and_pages_do_no_harm(chat):
    assert call(chat.server.port, "GET", "/api/chat?since=x&wait=abc").status == 200
    assert call(chat.server.port, "GET", "/other").status == 404
    assert call(chat.server.port, "DELETE", "/").status == 404


def test_setting_the_callback_verifies_it(chat, wecom, bot):
    with pytest.raises(Unreachable, match=r"502.*URL verification failed"):
        Conversation(chat.url).set_callback(bot.url, 10)
    assert len(bot.seen("GET")) == 1


def test_a_page_that_is_gone_is_named(chat):
    chat.close()
    with pytest.raises(Unreachable):
        Conversation(chat.url).wait(-1, 0)


@pytest.mark.parametrize(("engine", "words"), [
    ("local", "真的把镜像从一个仓库复制到另一个"), ("actions", "没有真正拷贝镜像")])
def test_the_page_says_who_copies(engine, words):
    wecom = WeCom()
    chat = Chat(wecom, "zhangsan", engine=engine)
    try:
        page = call(chat.server.port, "GET", "/").body.decode("utf-8")
        assert words in page
        assert "{{" not in page
    finally:
        chat.close()
        wecom.close()

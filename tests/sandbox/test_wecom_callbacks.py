"""WeCom's client side: verification, pushes, and repeats when they are not answered with 200 in time."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from wxsync.sandbox.server import Answer, Server
from wxsync.sandbox.wecom import crypto
from wxsync.sandbox.wecom.stand_in import WeCom


class App:
    """A callback receiver that checks the signature and keeps what it decrypts."""

    def __init__(self, wecom):
        self.wecom = wecom
        self.server = Server(self.respond)
        wecom.call_at(self.server.url + "/wechat/callback")

    def respond(self, request):
        text = request.arg("echostr") or ET.fromstring(request.body).findtext("Encrypt")
        signed = crypto.signature(self.wecom.identity.token, request.arg("timestamp"), request.arg("nonce"), text)
        assert signed == request.arg("msg_signature")
        plain = crypto.decrypt(self.wecom.identity, text)
        return Answer(200, plain if request.method == "GET" else b"", "text/plain")

    def inner(self):
        """Return the inner XML of each push that came."""
        bodies = [ET.fromstring(request.body).findtext("Encrypt") for request in self.server.seen("POST")]
        return [ET.fromstring(crypto.decrypt(self.wecom.identity, body)) for body in bodies]


@pytest.fixture
def wecom():
    made = WeCom(answer_within_s=0.5, pause_s=0.01)
    yield made
    made.close()


@pytest.fixture
def app(wecom):
    made = App(wecom)
    yield made
    made.server.close()


def test_verification_wants_exactly_the_echoed_text(wecom, app):
    assert wecom.verify().status == 200
    app.server.fail_next("/", 200, body=b'"1234567890123456789"')
    with pytest.raises(ValueError, match="URL verification failed"):
        wecom.verify()


def test_verification_without_an_address_fails():
    wecom = WeCom()
    with pytest.raises(ValueError, match="no callback URL"):
        wecom.verify()
    wecom.close()


def test_a_text_arrives_once_and_shows_in_the_chat(wecom, app):
    delivery = wecom.send_text("zhangsan", "nginx:latest")
    assert delivery.is_accepted
    assert [attempt.status for attempt in delivery.attempts] == [200]
    (xml,) = app.inner()
    assert {child.tag: child.text for child in xml} == {
        "ToUserName": wecom.identity.corp_id, "FromUserName": "zhangsan", "MsgType": "text",
        "CreateTime": xml.findtext("CreateTime"), "Content": "nginx:latest", "MsgId": delivery.push.msg_id,
        "AgentID": str(wecom.identity.agent_id)}
    assert [(e.sender, e.text, e.state) for e in wecom.chat("zhangsan")] == [("member", "nginx:latest", "sent")]


def test_links_images_and_events_have_their_fields(wecom, app):
    wecom.send_link("zhangsan", "https://example.com/a.pdf")
    wecom.send_image("zhangsan")
    wecom.send_event("zhangsan", "enter_agent", EventKey="k")
    link, image, event = app.inner()
    assert (link.findtext("MsgType"), link.findtext("Url")) == ("link", "https://example.com/a.pdf")
    assert image.findtext("MediaId")
    assert (event.findtext("Event"), event.findtext("EventKey"), event.find("MsgId")) == ("enter_agent", "k", None)
    assert [entry.text for entry in wecom.chat("zhangsan")] == ["https://example.com/a.pdf", "[图片]"]


@pytest.mark.parametrize("fault", [500, 204, "reset", "close", "hang"])
def test_what_is_not_answered_with_200_in_time_comes_again(wecom, app, fault):
    app.server.fail_next("/", fault, 2)
    delivery = wecom.send_text("zhangsan", "hi")
    assert delivery.is_accepted
    assert len(delivery.attempts) == 3
    first, second, third = app.server.seen("POST")
    assert len({request.arg("nonce") for request in (first, second, third)}) == 3
    assert len({xml.findtext("MsgId") for xml in app.inner()}) == 1
    assert first.body != second.body


def test_after_three_repeats_the_push_is_given_up(wecom, app):
    app.server.fail_next("/", 503, 10)
    delivery = wecom.send_text("zhangsan", "hi")
    assert not delivery.is_accepted
    assert [attempt.status for attempt in delivery.attempts] == [503] * 4
    assert wecom.chat("zhangsan")[0].state == "failed"


def test_a_repeat_may_carry_the_same_ciphertext():
    wecom = WeCom(pause_s=0.01, fresh_ciphertext=False)
    app = App(wecom)
    app.server.fail_next("/", 500)
    wecom.send_text("zhangsan", "hi")
    bodies = {request.body for request in app.server.seen("POST")}
    assert len(bodies) == 1
    app.server.close()
    wecom.close()


def test_an_accepted_push_can_be_delivered_once_more(wecom, app):
    delivery = wecom.send_text("zhangsan", "hi")
    assert wecom.deliver(delivery.push).is_accepted
    assert len(app.inner()) == 2
    assert len(wecom.chat("zhangsan")) == 1


def test_closing_ends_the_repeats():
    wecom = WeCom(pause_s=60)
    app = App(wecom)
    app.server.fail_next("/", 500, 10)
    entry = wecom.start_text("zhangsan", "hi")
    assert entry.state == "sending"
    app.server.wait_seen("POST", "/")
    wecom.close()
    wecom.chats.wait_change(1, 10)
    assert wecom.chat("zhangsan")[0].state == "failed"
    app.server.close()

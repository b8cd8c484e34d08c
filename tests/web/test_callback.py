"""The callback route over a real server: every vector, and what a hostile or a broken world does to it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

import pytest

from tests.support.clock import FakeClock
from tests.support.limits import running
from tests.support.raw import Answer, Client
from tests.support.records import recorded
from tests.support.wecom import AES_KEY, AGENT_ID, AT, CORP_ID, TOKEN, Sealer, inner_xml
from tests.support.wecom_vectors import Case, cases, requests
from wxsync.sandbox.wecom.stand_in import WeCom
from wxsync.store.database import StoreFault
from wxsync.web.callback import WARNINGS_A_MINUTE, Callback
from wxsync.web.routes import Router
from wxsync.wecom.crypto import Crypto
from wxsync.wecom.envelope import Message

PATH = "/wechat/callback"
SEALER = Sealer()


class MemoryInbox:
    """Keeps what it is handed; `is_broken` makes it a store that cannot be written."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.is_broken = False
        self._seen: set[bytes] = set()
        self._lock = threading.Lock()

    def accept(self, message: Message, seen: tuple[bytes, ...]) -> bool:
        with self._lock:
            if self.is_broken:
                raise StoreFault("disk full", where="state.db", mend="free some space")
            if self._seen.intersection(seen):
                return False
            self._seen.update(seen)
            self.messages.append(message)
            return True


class Site:
    """A listening callback."""

    def __init__(self, address: tuple[str, int], inbox: MemoryInbox, clock: FakeClock) -> None:
        self.address, self.inbox, self.clock = address, inbox, clock

    def get(self, query: bytes) -> Answer:
        return self.send("GET", query)

    def post(self, query: bytes, body: bytes) -> Answer:
        return self.send("POST", query, body, f"Content-Length: {len(body)}\r\n")

    def send(self, method: str, query: bytes, body: bytes = b"", fields: str = "") -> Answer:
        target = PATH.encode() + (b"?" + query if query else b"")
        with Client(self.address) as client:
            head = b"%s %s HTTP/1.1\r\nHost: h\r\n%s\r\n" % (method.encode(), target, fields.encode())
            return client.send(head + body).answer()


@contextmanager
def listening(crypto: Crypto, agent_id: int, now: float) -> Iterator[Site]:
    inbox, clock = MemoryInbox(), FakeClock(datetime.fromtimestamp(now, timezone.utc))
    callback = Callback(crypto, inbox, clock, agent_id=agent_id)
    with running(Router([callback.rule(PATH)])) as (server, _):
        yield Site(server.server_address[:2], inbox, clock)


@pytest.fixture
def site() -> Iterator[Site]:
    with listening(Crypto(TOKEN, AES_KEY, CORP_ID), AGENT_ID, AT) as site:
        yield site


def is_wanted(status: int, wanted: list) -> bool:
    return status in wanted or ("4xx" in wanted and 400 <= status < 500)


VECTORS = cases("get_ok", "get_reject", "post_ok", "post_reject", "duplicate")


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_vector(case: Case) -> None:
    expect = case["expect"]
    crypto = Crypto(case["token"], case["aes_key"], case["corp_id"])
    with listening(crypto, int(case["agent_id"]), case["clock"]) as site:
        for number, (method, query, body) in enumerate(requests(case)):
            answer = site.get(query) if method == "GET" else site.post(query, body)
            assert is_wanted(answer.status, expect["status_then" if number else "status"])
            assert answer.body.decode() in expect.get("body_in", [expect.get("body", answer.body.decode())])
            whole = answer.head.encode() + answer.body
            assert not any(text.encode() in whole for text in expect.get("absent", []))
        messages = site.inbox.messages
    assert len(messages) == expect.get("accepted", 0)
    for name, value in expect.get("parsed", {}).items():
        assert messages[0].fields[name] == value


def test_the_echo_is_answered_bare(site: Site) -> None:
    answer = site.get(SEALER.get(b"1616140317555161061"))
    assert (answer.status, answer.body) == (200, b"1616140317555161061")
    assert answer.values("Content-Length") == ["19"]
    assert answer.values("Content-Type") == ["text/plain; charset=utf-8"]


def test_a_message_is_answered_with_nothing_and_handed_on_once(site: Site) -> None:
    query, body = SEALER.post(inner_xml())
    for _ in range(3):
        answer = site.post(query, body)
        assert (answer.status, answer.body, answer.values("Content-Length")) == (200, b"", ["0"])
    assert [message.content for message in site.inbox.messages] == ["nginx:latest"]


def test_a_request_split_anew_is_no_new_message(site: Site) -> None:
    """The four values are joined without separators: without the token, a captured pair can still be re-split."""
    encrypted = SEALER.seal(inner_xml().encode())
    body = f"<xml><Encrypt>{encrypted}</Encrypt></xml>".encode()
    assert site.post(SEALER.query(encrypted, "17640000005", "246108893"), body).status == 200
    replayed = SEALER.query(encrypted, "17640000005", "246108893").replace(b"17640000005", b"1764000000")
    assert site.post(replayed.replace(b"246108893", b"5246108893"), body).status == 200
    assert len(site.inbox.messages) == 1


def test_concurrent_repeats_make_one_message(site: Site) -> None:
    query, body = SEALER.post(inner_xml())
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(site.post(query, body).status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert statuses == [200] * 8
    assert len(site.inbox.messages) == 1


def test_every_failed_check_gets_the_same_answer(site: Site) -> None:
    other = Sealer(corp_id="wwffffffffffffffff")
    encrypted = SEALER.seal(inner_xml().encode())
    bent = [
        (b"", b""), SEALER.post("no xml"), other.post(inner_xml()), SEALER.post(inner_xml(AgentID=1)),
        Sealer(token="Other").post(inner_xml()), Sealer(aes_key=AES_KEY[::-1]).post(inner_xml()),
        (SEALER.query(encrypted), b"<xml/>"), SEALER.post(b"\xff"), SEALER.post(inner_xml(CreateTime="x")),
    ]
    answers = [site.post(query, body) for query, body in bent] + [site.get(b"x=1"), site.get(SEALER.get(b"<xml>"))]
    assert {(answer.status, answer.body) for answer in answers} == {(403, b"403 Forbidden\n")}
    assert site.inbox.messages == []


def test_a_captured_message_is_not_decrypted_as_an_echo(site: Site) -> None:
    encrypted = SEALER.seal(inner_xml().encode())
    answer = site.get(SEALER.query(encrypted, echostr=encrypted))
    assert answer.status == 403
    assert b"nginx" not in answer.body


def test_a_store_that_cannot_be_written_asks_for_a_repeat(site: Site) -> None:
    query, body = SEALER.post(inner_xml())
    site.inbox.is_broken = True
    with recorded("web.callback") as records:
        assert site.post(query, body).status == 503
    assert "disk full" in str(records.fields("message not stored"))
    site.inbox.is_broken = False
    assert site.post(query, body).status == 200
    assert len(site.inbox.messages) == 1


class TestSizes:
    LIMIT = 1 << 20

    def test_a_body_of_just_one_mebibyte_is_read(self, site: Site) -> None:
        query, body = SEALER.post(inner_xml())
        padded = body.replace(b"</xml>", b"<a>" + b"x" * (self.LIMIT - len(body) - 7) + b"</a></xml>")
        assert len(padded) == self.LIMIT
        assert site.post(query, padded).status == 200
        assert len(site.inbox.messages) == 1

    def test_a_larger_one_is_refused_before_it_is_read(self, site: Site) -> None:
        query, _ = SEALER.post(inner_xml())
        assert site.send("POST", query, fields=f"Content-Length: {self.LIMIT + 1}\r\n").status == 413

    def test_a_body_without_length_is_refused(self, site: Site) -> None:
        query, body = SEALER.post(inner_xml())
        assert site.send("POST", query).status == 411
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        assert site.send("POST", query, chunked, "Transfer-Encoding: chunked\r\n").status == 411
        assert site.inbox.messages == []

    def test_other_methods_are_not_allowed(self, site: Site) -> None:
        for method in ("PUT", "DELETE", "HEAD", "OPTIONS"):
            with Client(site.address) as client:
                answer = client.send(f"{method} {PATH} HTTP/1.1\r\nHost: h\r\n\r\n").answer(of_head=method == "HEAD")
            assert (answer.status, answer.values("Allow")) == (405, ["GET, POST"])


class TestLog:
    def test_the_failed_check_and_the_peer_are_named(self, site: Site) -> None:
        with recorded("web.callback") as records:
            site.post(*Sealer(token="Other").post(inner_xml()))
            site.post(*Sealer(aes_key=AES_KEY[::-1]).post(inner_xml()))
            site.post(*SEALER.post(inner_xml(AgentID="1000008")))
        found = [(each["check"], each["peer"]) for each in records.fields("callback refused")]
        assert found == [("signature", "127.0.0.1"), ("padding", "127.0.0.1"), ("identity", "127.0.0.1")]
        assert {record.levelname for record in records.all} == {"WARNING"}

    def test_no_message_and_no_secret_is_logged(self, site: Site) -> None:
        with recorded("web.callback") as records:
            site.post(*SEALER.post(inner_xml(Content="private words")))
            site.post(*SEALER.post(inner_xml(Content="private words", FromUserName="")))
            site.get(SEALER.get(b"private-words"))
            site.get(SEALER.get(b"private words"))
        assert len(records.all) == 4
        assert not any(word in records.text() for word in ("private", TOKEN, AES_KEY))

    def test_a_flood_of_refusals_does_not_fill_the_log(self, site: Site) -> None:
        with recorded("web.callback") as records:
            for _ in range(WARNINGS_A_MINUTE + 7):
                site.get(b"x=1")
            assert len(records.all) == WARNINGS_A_MINUTE
            site.clock.advance(60)
            site.get(b"x=1")
            site.clock.advance(60)
            site.get(b"x=1")
        last = records.fields("callback refused")[-2:]
        assert last[0]["left_out"] == 7
        assert "left_out" not in last[1]

    @pytest.mark.parametrize("days", [-3, 3])
    def test_a_stale_message_is_dropped_with_both_times_in_the_log(self, site: Site, days: int) -> None:
        query, body = SEALER.post(inner_xml(CreateTime=AT + days * 86400))
        with recorded("web.callback") as records:
            answer = site.post(query, body)
        assert (answer.status, answer.body) == (200, b"")
        assert site.inbox.messages == []
        assert records.fields("stale message dropped") == [
            {"create_time": AT + days * 86400, "now": AT, "peer": "127.0.0.1"}]

    def test_repeats_are_told_apart_from_new_messages(self, site: Site) -> None:
        query, body = SEALER.post(inner_xml(MsgType="event", MsgId=None, Event="enter_agent"))
        with recorded("web.callback") as records:
            site.post(query, body)
            site.post(query, body)
        fields = {"member": "zhangsan", "type": "event", "event_name": "enter_agent"}
        assert records.fields("message stored") == records.fields("message seen before") == [fields]


def test_a_relay_needs_no_crypto_library() -> None:
    program = "import sys; sys.modules['Crypto'] = None; import wxsync.web.callback"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_stand_in_is_understood() -> None:
    """Its signing and encryption share no code with ours."""
    wecom = WeCom()
    identity = wecom.identity
    try:
        crypto = Crypto(identity.token, identity.encoding_aes_key, identity.corp_id)
        with listening(crypto, identity.agent_id, time.time()) as site:
            wecom.call_at(f"http://127.0.0.1:{site.address[1]}{PATH}")
            wecom.verify()
            push = wecom.text("zhangsan", "nginx:latest，redis 🚀")
            assert wecom.deliver(push).is_accepted
            assert wecom.deliver(push).is_accepted
            assert wecom.send_link("lisi", "https://a.example/b?c=d").is_accepted
            assert wecom.send_event("lisi").is_accepted
            found = [(each.from_user, each.content or each.event) for each in site.inbox.messages]
    finally:
        wecom.close()
    assert found == [
        ("zhangsan", "nginx:latest，redis 🚀"), ("lisi", "https://a.example/b?c=d"), ("lisi", "enter_agent")]

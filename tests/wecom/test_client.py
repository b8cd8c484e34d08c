"""The message API, over real HTTP: against the stand-in, and against servers that misbehave."""

from __future__ import annotations

import json
import threading
from functools import cache
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.clock import FakeClock
from tests.support.records import recorded
from tests.support.scripted_server import ScriptedServer, answer, answer_json
from wxsync.clock import SystemClock
from wxsync.remote.dialer import Dialer
from wxsync.remote.exchange import Request, Response
from wxsync.remote.http import HttpTransport, tls_context
from wxsync.remote.resolver import SystemResolver
from wxsync.sandbox.faults import Fault
from wxsync.sandbox.wecom.stand_in import WeCom
from wxsync.wecom.client import CoolingDown, Delivered, GivenUp, Later, WeComClient

SECRET = "S3cretOfTheTestApp-0123456789"
ACCESS = "AccessTokenOfTheTest/+="
SEND = "message/send"


@cache
def transport() -> HttpTransport:
    clock = SystemClock()
    return HttpTransport(Dialer(clock, SystemResolver(clock)), clock, user_agent="t", tls=tls_context())


def token_answer(token: object = ACCESS, **more: object) -> bytes:
    return answer_json(200, {"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": 7200, **more})


def ok(**more: object) -> bytes:
    return answer_json(200, {"errcode": 0, "errmsg": "ok", "msgid": "m", **more})


def refusal(errcode: int, errmsg: str = "no") -> bytes:
    return answer_json(200, {"errcode": errcode, "errmsg": errmsg})


class Scripted:
    """A client and the server that answers it step by step."""

    def __init__(self, *steps: bytes) -> None:
        self.server = ScriptedServer(*steps)
        self.clock = FakeClock()
        self.client = WeComClient(transport(), self.clock, api_base=self.server.url + "/", corp_id="ww1",
                                  secret=SECRET, agent_id=1000007)

    def __enter__(self) -> Scripted:
        self.server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.__exit__(*error)

    def paths(self) -> list[str]:
        return [urlsplit(seen.target).path.removeprefix("/cgi-bin/") for seen in self.server.seen]

    def send(self, text: str = "你好\n#12", **options: object) -> object:
        return self.client.send_text("zhangsan", text, **options)  # type: ignore[arg-type]


class TestAgainstTheStandIn:
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def wecom(self, clock: FakeClock):
        wecom = WeCom(members=["zhangsan", "lisi"], now=lambda: clock.now().timestamp())
        yield wecom
        wecom.close()

    @pytest.fixture
    def client(self, wecom: WeCom, clock: FakeClock) -> WeComClient:
        identity = wecom.identity
        return WeComClient(transport(), clock, api_base=wecom.url, corp_id=identity.corp_id, secret=identity.secret,
                           agent_id=identity.agent_id)

    def test_a_text_arrives_as_it_is(self, wecom: WeCom, client: WeComClient) -> None:
        text = "✅ 完成 🚀\n\"a\" \\u4e2d \t\n#12"
        assert client.send_text("zhangsan", text) == Delivered()
        assert wecom.answers("zhangsan") == [text]

    def test_what_json_would_escape_is_sent_clean(self, wecom: WeCom, client: WeComClient) -> None:
        assert client.send_text("zhangsan", "a\x00b\ud800c\r\nd\x1b") == Delivered()
        assert wecom.answers("zhangsan") == ["a b\ufffdc\nd "]

    def test_one_token_serves_many_texts(self, wecom: WeCom, client: WeComClient) -> None:
        for number in range(5):
            assert client.send_text("zhangsan", f"#{number}") == Delivered()
        assert wecom.api.tokens.issued == 1

    def test_the_token_is_renewed_before_it_ends(self, wecom: WeCom, client: WeComClient, clock: FakeClock) -> None:
        client.send_text("zhangsan", "#1")
        clock.advance(6899)
        client.send_text("zhangsan", "#2")
        assert len(wecom.server.requests) == 3
        clock.advance(2)
        client.send_text("zhangsan", "#3")
        assert len(wecom.server.requests) == 5

    @pytest.mark.parametrize("errcode", [40014, 42001])
    def test_a_voided_token_is_replaced_and_the_text_sent_once(
            self, wecom: WeCom, client: WeComClient, errcode: int) -> None:
        client.send_text("zhangsan", "#1")
        wecom.api.void_token(errcode)
        assert client.send_text("zhangsan", "#2") == Delivered()
        assert wecom.answers("zhangsan") == ["#1", "#2"]
        assert wecom.api.tokens.issued == 2

    def test_a_text_whose_answer_was_lost_is_shown_once(self, wecom: WeCom, client: WeComClient) -> None:
        wecom.server.faults.add(Fault(SEND, "close", after=True))
        outcome = client.send_text("zhangsan", "#1")
        assert isinstance(outcome, Later)
        assert client.send_text("zhangsan", "#1", attempt=1) == Delivered()
        assert wecom.answers("zhangsan") == ["#1"]

    def test_a_text_without_number_is_not_repeated_into_the_unknown(self, wecom: WeCom, client: WeComClient) -> None:
        wecom.server.faults.add(Fault(SEND, "reset", after=True))
        outcome = client.send_text("zhangsan", "hello", duplicate_check=False)
        assert isinstance(outcome, GivenUp)
        assert "没有重发" in outcome.reason

    def test_two_equal_texts_without_number_are_both_shown(self, wecom: WeCom, client: WeComClient) -> None:
        for _ in range(2):
            assert client.send_text("zhangsan", "hello", duplicate_check=False) == Delivered()
        assert wecom.answers("zhangsan") == ["hello", "hello"]

    def test_an_untrusted_address_is_named(self, wecom: WeCom, client: WeComClient, clock: FakeClock) -> None:
        wecom.api.trusted = False
        outcome = client.send_text("zhangsan", "#1")
        assert isinstance(outcome, CoolingDown)
        assert "203.0.113.7" in outcome.reason
        assert client.trouble == outcome.reason
        wecom.api.trusted = True
        clock.advance(600)
        assert client.send_text("zhangsan", "#1") == Delivered()
        assert client.trouble == ""

    @pytest.mark.parametrize(("change", "hint"), [
        ({"corp_id": "ww9"}, "CorpID"), ({"secret": "wrong"}, "Secret"), ({"agent_id": 7}, "AgentId")])
    def test_wrong_settings_are_told(self, wecom: WeCom, clock: FakeClock, change: dict, hint: str) -> None:
        identity = wecom.identity
        settings = {"corp_id": identity.corp_id, "secret": identity.secret, "agent_id": identity.agent_id, **change}
        client = WeComClient(transport(), clock, api_base=wecom.url, **settings)
        outcome = client.send_text("zhangsan", "#1")
        assert isinstance(outcome, CoolingDown)
        assert hint in outcome.reason

    def test_an_unknown_member_is_given_up(self, client: WeComClient) -> None:
        assert isinstance(client.send_text("nobody", "#1"), GivenUp)


class TestRequests:
    def test_the_calls_are_as_documented(self) -> None:
        with Scripted(token_answer(), ok(), ok()) as scripted:
            scripted.send()
            scripted.send("plain", duplicate_check=False)
        fetch, first, second = scripted.server.seen
        assert (fetch.method, parse_qs(urlsplit(fetch.target).query)) == (
            "GET", {"corpid": ["ww1"], "corpsecret": [SECRET]})
        assert scripted.paths() == ["gettoken", SEND, SEND]
        assert parse_qs(urlsplit(first.target).query) == {"access_token": [ACCESS]}
        assert first.json() == {
            "touser": "zhangsan", "msgtype": "text", "agentid": 1000007, "text": {"content": "你好\n#12"}, "safe": 0,
            "enable_duplicate_check": 1, "duplicate_check_interval": 1800}
        assert "你好".encode() in first.body
        assert second.json()["enable_duplicate_check"] == 0  # type: ignore[index]
        assert "duplicate_check_interval" not in second.json()  # type: ignore[operator]

    @pytest.mark.parametrize("member", ["", "@all", "a|b", "a b", "a\n", "\ud800", "x" * 129, "|", "a\x00", 'a"'])
    def test_only_one_member_is_ever_written_to(self, member: str) -> None:
        with Scripted() as scripted:
            assert isinstance(scripted.client.send_text(member, "#1"), GivenUp)

    @pytest.mark.parametrize("more", [
        {"invaliduser": "lisi", "unlicenseduser": ""}, {"invaliduser": "", "unlicenseduser": "lisi"},
        {"invaliduser": None, "unlicenseduser": "lisi"}])
    def test_members_not_reached_are_named_and_logged(self, more: dict) -> None:
        with Scripted(token_answer(), ok(**more)) as scripted, recorded("wecom.client") as records:
            assert scripted.send() == Delivered(("lisi",))
        assert records.fields("text not shown to everyone") == [{"unreached": "lisi"}]


class TestToken:
    @pytest.mark.parametrize("token", [None, "", 7, "x" * 2049])
    def test_an_answer_without_a_token_is_tried_again_later(self, token: object) -> None:
        with Scripted(token_answer(token)) as scripted:
            assert isinstance(scripted.send(duplicate_check=False), Later)

    @pytest.mark.parametrize("life", [None, "7200", 0, -5])
    def test_a_strange_life_is_taken_as_the_usual_one(self, life: object) -> None:
        with Scripted(token_answer(expires_in=life), ok(), ok()) as scripted:
            scripted.send()
            scripted.clock.advance(6899)
            assert scripted.send() == Delivered()

    def test_a_short_life_is_used_by_half(self) -> None:
        with Scripted(token_answer(expires_in=100), ok(), ok(), token_answer(), ok()) as scripted:
            scripted.send()
            scripted.clock.advance(49)
            scripted.send()
            scripted.clock.advance(2)
            scripted.send()
        assert scripted.paths().count("gettoken") == 2

    def test_a_token_refused_twice_is_not_fetched_a_third_time(self) -> None:
        steps = [token_answer(), refusal(40014), token_answer("second"), refusal(42001)]
        with Scripted(*steps) as scripted:
            assert isinstance(scripted.send(), Later)
        assert scripted.paths() == ["gettoken", SEND, "gettoken", SEND]

    def test_a_token_that_is_always_refused_is_given_up_in_the_end(self) -> None:
        with Scripted(token_answer(), refusal(40014), token_answer("second"), refusal(40014)) as scripted:
            assert isinstance(scripted.send(attempt=3), GivenUp)

    def test_no_token_for_the_second_try_is_no_unknown_outcome(self) -> None:
        with Scripted(token_answer(), refusal(40014), answer(502)) as scripted:
            assert isinstance(scripted.send(duplicate_check=False), Later)

    def test_many_threads_share_one_fetch(self) -> None:
        transport = SlowTransport()
        client = WeComClient(transport, FakeClock(), api_base="http://api", corp_id="c", secret=SECRET, agent_id=1)
        threads = [threading.Thread(target=client.send_text, args=("a", f"#{number}")) for number in range(8)]
        for thread in threads:
            thread.start()
        assert transport.fetching.wait(10)
        transport.go_on.set()
        for thread in threads:
            thread.join(10)
        assert transport.calls.count("gettoken") == 1
        assert len(transport.calls) == 9

    def test_a_newer_token_of_another_thread_is_kept(self) -> None:
        """Eight sends fail with the same token: one fetch mends them all."""
        transport = SlowTransport(stale="one")
        transport.go_on.set()
        client = WeComClient(transport, FakeClock(), api_base="http://api", corp_id="c", secret=SECRET, agent_id=1)
        outcomes: list[object] = []

        def send(number: int) -> None:
            outcomes.append(client.send_text("a", f"#{number}"))

        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert outcomes == [Delivered()] * 8
        assert transport.calls.count("gettoken") == 2


class SlowTransport:
    """Carries calls to nowhere: the first fetch waits until it is let go; texts with the stale token wait for all."""

    def __init__(self, stale: str = "") -> None:
        self.fetching, self.go_on = threading.Event(), threading.Event()
        self.calls: list[str] = []
        self._stale = stale
        self._tokens = ["two", "one"]
        self._together = threading.Barrier(8)

    def send(self, request: Request, *, timeout_s: float = 30.0, max_bytes: int = 8 << 20) -> Response:
        parts = urlsplit(request.url)
        name = parts.path.removeprefix("/cgi-bin/")
        self.calls.append(name)
        if name == "gettoken":
            self.fetching.set()
            assert self.go_on.wait(10)
            return self._answer({"errcode": 0, "access_token": self._tokens.pop(), "expires_in": 7200})
        if self._stale and parse_qs(parts.query)["access_token"] == [self._stale]:
            self._together.wait(10)
            return self._answer({"errcode": 40014, "errmsg": ""})
        return self._answer({"errcode": 0})

    def _answer(self, value: object) -> Response:
        return Response(200, (), json.dumps(value).encode())


class TestFailures:
    @pytest.mark.parametrize("errcode", [-1, 45033])
    def test_a_busy_api_is_tried_again_ever_more_slowly_but_never_given_up(self, errcode: int) -> None:
        with Scripted(token_answer(), *[refusal(errcode)] * 6) as scripted:
            waits = [scripted.send(attempt=attempt).after_s for attempt in range(6)]  # type: ignore[attr-defined]
            assert "稍后自动重试" in scripted.client.trouble
        assert waits == [5, 20, 60, 600, 600, 600]

    def test_an_unknown_code_is_given_up_after_three_more_tries(self) -> None:
        with Scripted(token_answer(), *[refusal(12345, "strange")] * 4) as scripted:
            outcomes = [scripted.send(attempt=attempt) for attempt in range(4)]
        assert [type(each) for each in outcomes] == [Later, Later, Later, GivenUp]
        assert outcomes[-1] == GivenUp("企业微信返回错误 12345：strange")

    @pytest.mark.parametrize("errcode", [40003, 41001, 44004, 45002, 60011, 81013])
    def test_what_can_never_be_sent_is_given_up_at_once(self, errcode: int) -> None:
        with Scripted(token_answer(), refusal(errcode), ok()) as scripted:
            assert isinstance(scripted.send(), GivenUp)
            assert scripted.send() == Delivered()

    @pytest.mark.parametrize("errcode", [40001, 40056, 48002, 50001, 60020, 301002])
    def test_a_wrong_setting_stops_all_calls_for_ten_minutes(self, errcode: int) -> None:
        with Scripted(token_answer(), refusal(errcode), token_answer(), ok()) as scripted, \
                recorded("wecom.client") as records:
            first = scripted.send(attempt=9)
            assert isinstance(first, CoolingDown)
            assert first.after_s >= 600
            scripted.clock.advance(599)
            assert scripted.send() == CoolingDown(1.0, first.reason)
            assert len(scripted.server.seen) == 2
            scripted.clock.advance(1)
            assert scripted.send() == Delivered()
        assert [record.levelname for record in records.all] == ["ERROR"]

    def test_a_rate_limit_stops_all_calls_for_a_minute_then_for_an_hour(self) -> None:
        with Scripted(token_answer(), *[refusal(45009)] * 3, token_answer(), ok(), refusal(45009)) as scripted:
            waits = []
            for _ in range(3):
                waits.append(scripted.send().after_s)  # type: ignore[attr-defined]
                scripted.clock.advance(waits[-1])
            assert scripted.send() == Delivered()
            waits.append(scripted.send().after_s)  # type: ignore[attr-defined]
        assert waits == [60, 3600, 3600, 60]

    @pytest.mark.parametrize("step", [
        answer(200), answer(200, b"<html>"), answer(200, b"[]"), answer(200, b"null"), answer(200, b"{}"),
        answer(200, b'{"errcode":"0"}'), answer(200, b'{"errcode":false}'), answer(200, b'{"errcode":null}'),
        answer(200, b'{"errcode":0.0}'), answer(200, b"\xff"), answer(200, b"[" * 60000), answer(200, b"x" * 70000),
        answer(502, b'{"errcode":0}'), answer(404), answer(200, b'{"errcode":0')],
        ids=lambda step: str(step[:60]))
    def test_an_answer_that_is_none_is_tried_again(self, step: bytes) -> None:
        with Scripted(token_answer(), step, ok()) as scripted:
            assert isinstance(scripted.send(), Later)
            assert scripted.send(attempt=1) == Delivered()
        with Scripted(token_answer(), step) as scripted:
            assert isinstance(scripted.send(duplicate_check=False), GivenUp)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_not_followed(self, status: int) -> None:
        with Scripted(answer(status, headers=(("Location", "http://127.0.0.1:1/"),))) as scripted:
            outcome = scripted.send()
        assert isinstance(outcome, CoolingDown)
        assert "api_base" in outcome.reason

    def test_a_refused_connection_is_tried_again_even_without_a_number(self) -> None:
        scripted = Scripted()
        scripted.server._listener.close()
        assert isinstance(scripted.send(duplicate_check=False), Later)

    def test_an_asked_for_wait_is_kept(self) -> None:
        class Throttled:
            def send(self, request: Request, **_: object) -> Response:
                from wxsync.errors import RemoteFault
                raise RemoteFault("throttled", temporary=True, retry_after_s=77.0)
        client = WeComClient(Throttled(), FakeClock(), api_base="http://a", corp_id="c", secret=SECRET, agent_id=1)
        assert client.send_text("a", "#1") == Later(77.0, "访问企业微信接口失败：throttled")


class TestSecrets:
    def test_nothing_shows_secret_or_token(self) -> None:
        echo = f"bad call corpsecret={SECRET} access_token={ACCESS} {SECRET}"
        steps = [refusal(12345, echo), token_answer(), refusal(12345, echo), answer(502, echo.encode()), b"",
                 refusal(40001, echo)]
        told: list[str] = []
        with recorded("wecom") as records, Scripted(*steps) as scripted:
            for _ in range(5):
                told += [repr(scripted.send()), scripted.client.trouble]
        text = "\n".join(told) + records.text()
        assert "企业微信返回错误 12345：bad call" in text
        assert SECRET not in text
        assert ACCESS not in text

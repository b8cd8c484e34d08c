"""When the egress proxy is tried, and the lines that operators know."""

from __future__ import annotations

import threading

import pytest

from tests.support.clock import FakeClock
from tests.support.daemon import wait_for
from tests.support.egress import CLOCK, GITHUB, connect_answer, soon, transport_of
from tests.support.records import recorded
from tests.support.scripted_server import ScriptedServer, answer
from tests.support.table_resolver import TableResolver
from wxsync.options.egress import EXEMPTIONS, EgressProxy
from wxsync.remote.dialer import AUTO, Dialer
from wxsync.remote.egress.tunnel import ProxyFault
from wxsync.remote.egress.watch import EgressWatch
from wxsync.remote.egress.way import EgressWay
from wxsync.remote.exchange import Request
from wxsync.remote.url import parse_url

SEED = "http://proxy.example.com:8080"
DOMAINS = ("localhost", "127.0.0.1", "qingstor.com")


def watch_of(port, clock, *, url=SEED, rules=DOMAINS):
    proxy = EgressProxy("http", "127.0.0.1", port, url)
    way = EgressWay(proxy, EXEMPTIONS.read(",".join(rules)), uses=(GITHUB,), clock=clock, resolver=TableResolver())
    return way, EgressWatch(way, parse_url("https://www.google.com/"), clock)


def run_watch(watch, until):
    watch.start()
    wait_for(until, "what the watch does", within_s=10)
    assert watch.stop(5)


def test_a_working_proxy_is_told_in_the_lines_that_operators_know():
    with ScriptedServer(connect_answer(b"HTTP/1.1 200 OK\r\n\r\n")) as server, recorded("remote.egress") as records:
        way, watch = watch_of(server.port, CLOCK)
        run_watch(watch, lambda: len(records.all) >= 4)
    assert [record.getMessage() for record in records.all] == [
        "🌐 检测到代理配置: http://proxy.example.com:8080",
        "  直连域名: localhost, 127.0.0.1, qingstor.com",
        "✅ 代理可用: http://proxy.example.com:8080",
        "🔗 GitHub API 使用代理",
    ]
    assert server.seen[0].target == "www.google.com:443"
    assert way.takes("api.github.com", 443)
    assert not way.takes("tmp.pek3a.qingstor.com", 443)


def test_an_unusable_proxy_is_told_in_the_lines_that_operators_know():
    with ScriptedServer(connect_answer(b"HTTP/1.1 503 X\r\n\r\n")) as server, recorded("remote.egress") as records:
        way, watch = watch_of(server.port, CLOCK)
        run_watch(watch, lambda: len(records.all) >= 4)
    assert [record.getMessage() for record in records.all[:3]] == [
        "🌐 检测到代理配置: http://proxy.example.com:8080",
        "⚠️  代理连接失败: http://proxy.example.com:8080",
        "   将使用非代理模式继续运行",
    ]
    (fields,) = records.fields("egress proxy unusable")
    assert fields["going"] == "direct"
    assert "status 503" in str(fields["why"])
    assert not way.takes("api.github.com", 443)


def test_an_exempt_service_is_not_said_to_use_the_proxy():
    with ScriptedServer(connect_answer(b"HTTP/1.1 200 OK\r\n\r\n")) as server, recorded("remote.egress") as records:
        _, watch = watch_of(server.port, CLOCK, rules=("github.com",))
        watch.check()
    assert [record.getMessage() for record in records.all] == [
        "  直连域名: github.com", "✅ 代理可用: http://proxy.example.com:8080"]


def test_no_exemptions_are_no_line():
    with recorded("remote.egress") as records:
        way, _ = watch_of(1, CLOCK, rules=())
        way.announce()
        way.settle(None)
    assert [record.getMessage() for record in records.all] == [
        "🌐 检测到代理配置: http://proxy.example.com:8080", "✅ 代理可用: http://proxy.example.com:8080",
        "🔗 GitHub API 使用代理"]


def test_the_proxy_is_taken_up_when_it_is_back():
    down, up = connect_answer(b"HTTP/1.1 503 X\r\n\r\n"), connect_answer(b"HTTP/1.1 200 OK\r\n\r\n")
    with ScriptedServer(down, down, up) as server, recorded("remote.egress") as records:
        way, watch = watch_of(server.port, CLOCK)
        for works in (False, False, True):
            watch.check()
            assert way.takes("api.github.com", 443) is works
    told = [record.getMessage() for record in records.all]
    assert told == [
        "⚠️  代理连接失败: http://proxy.example.com:8080",
        "   将使用非代理模式继续运行",
        "egress proxy unusable",
        "  直连域名: localhost, 127.0.0.1, qingstor.com",
        "✅ 代理可用: http://proxy.example.com:8080",
        "🔗 GitHub API 使用代理",
    ]


def test_the_proxy_is_tried_again_and_again():
    down = connect_answer(b"HTTP/1.1 503 X\r\n\r\n")
    with ScriptedServer(down, down, down) as server:
        _, watch = watch_of(server.port, FakeClock(auto=True))  # whose waits are over at once
        run_watch(watch, lambda: len(server.seen) >= 3)


def test_a_tunnel_that_fails_for_unclear_reasons_has_the_proxy_tried_at_once():
    up, refused, down = (connect_answer(b"HTTP/1.1 %d X\r\n\r\n" % status) for status in (200, 502, 503))
    with ScriptedServer(up, refused, down) as server, ScriptedServer(answer(200, b"direct")) as target:
        way, watch = watch_of(server.port, CLOCK, rules=())
        watch.start()
        wait_for(lambda: len(server.seen) == 1, "the check at the start")
        dialer = Dialer(CLOCK, TableResolver(), policy=AUTO, egress=way)
        with pytest.raises(ProxyFault):
            dialer.dial("127.0.0.1", target.port, soon())
        wait_for(lambda: not way.takes("127.0.0.1", target.port), "the second check")
        assert watch.stop(5)
        assert transport_of(dialer).send(Request("GET", target.url)).body == b"direct"


def test_a_check_that_breaks_is_not_the_last_one():
    class Broken(TableResolver):
        def addresses(self, *args):
            if len(self.asked) < 2:
                self.asked.append("x")
                raise MemoryError
            return super().addresses(*args)

    proxy = EgressProxy("http", "127.0.0.1", 1, SEED)
    way = EgressWay(proxy, (), clock=CLOCK, resolver=Broken())
    watch = EgressWatch(way, parse_url("https://www.google.com/"), FakeClock(auto=True))
    with recorded("remote.egress") as records:
        run_watch(watch, lambda: any("代理连接失败" in record.getMessage() for record in records.all))
    assert len(records.fields("egress check broke")) == 2


def test_the_watch_ends_in_the_middle_of_a_check():
    stopping, release = threading.Event(), threading.Event()

    def be_silent(connection, _):
        stopping.set()
        release.wait(10)

    with ScriptedServer(be_silent) as server:
        _, watch = watch_of(server.port, CLOCK)
        watch.start()
        assert stopping.wait(5)
        assert watch.stop(2)
        release.set()

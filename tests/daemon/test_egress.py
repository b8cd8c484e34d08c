"""The egress proxy of a running daemon: what goes through it, what is said of it, and what happens when it is gone."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path

import pytest

from tests.daemon.conftest import ask, is_final
from tests.support.audit import Audit
from tests.support.daemon import wait_for
from tests.support.proxies import LOGIN, REAL_PROXIES, OwnProxy, microsocks, tinyproxy
from wxsync.sandbox.github.runs import Pace
from wxsync.sandbox.origin import noise

USABLE = "✅ 代理可用: {}\n🔗 GitHub API 使用代理\n"
INSIDE = {"allow_networks": "127.0.0.0/8"}  # where the sandbox's origin is
UNUSABLE = "⚠️  代理连接失败: {}\n   将使用非代理模式继续运行\n"


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    return Audit(tmp_path)


@pytest.fixture
def begin(sandbox, start, audit):
    """Return a function that starts an audited daemon with this egress proxy, which only loopback's names pass by."""

    def start_daemon(url: str, **changes: dict[str, str]):
        egress = {"proxy_url": url, "no_proxy_domains": "localhost, qingstor.com", "check_url": sandbox.github.url}
        return start(audit.command, egress=egress, **changes)

    return start_daemon


def port_of(stand_in) -> int:
    return int(stand_in.url.rpartition(":")[2])


def told(daemon, text: str) -> None:
    wait_for(lambda: text in daemon.log(), text)


@pytest.mark.parametrize("make", REAL_PROXIES)
def test_github_goes_through_a_real_proxy_and_wecom_does_not(make, sandbox, begin, audit, tmp_path):
    with make(tmp_path) as proxy:
        daemon = begin(proxy.url())
        told(daemon, USABLE.format(proxy.url()))
        assert ask(sandbox, "nginx:latest").startswith("✅")
        assert f"🌐 检测到代理配置: {proxy.url()}\n" in daemon.log()
        assert f"\n  直连域名: localhost, qingstor.com\n{USABLE.format(proxy.url())}" in daemon.log()
        assert set(proxy.carried()) == {port_of(sandbox.github)}
        assert set(audit.ports()) == {proxy.port, port_of(sandbox.wecom)}
        assert daemon.stop() == 0


@pytest.mark.parametrize("make", REAL_PROXIES)
def test_a_download_goes_through_a_real_proxy_and_qingstor_never(make, sandbox, begin, audit, tmp_path):
    with make(tmp_path) as proxy:
        daemon = begin(proxy.url(), upload=INSIDE)
        told(daemon, USABLE.format(proxy.url()))
        assert ask(sandbox, f"{sandbox.origin.server.url}/backup.tar.gz").startswith("✅ 文件上传成功！")
        assert sandbox.origin.server.port in proxy.carried()
        assert sandbox.qingstor.server.port not in proxy.carried()
        assert sandbox.qingstor.server.port in audit.ports()
        assert sandbox.origin.server.port not in audit.ports()


def test_an_upload_whose_proxy_dies_in_the_middle_ends_in_an_answer(sandbox, begin, audit, tmp_path):
    with microsocks(tmp_path) as proxy:
        daemon = begin(proxy.url(), upload=INSIDE)
        told(daemon, USABLE.format(proxy.url()))
        sandbox.qingstor.server.bodies.rate = 1_000_000.0
        sandbox.wecom.send_text("zhangsan", f"{sandbox.origin.server.url}/backup.tar.gz")
        wait_for(sandbox.qingstor.open_uploads, "the multipart upload")
        proxy.stop()
        sandbox.qingstor.server.bodies.rate = 0.0
        answer = sandbox.wecom.wait_for("zhangsan", is_final, within_s=20).text
        assert answer.startswith("✅ 文件上传成功！")  # resumed past the proxy, the bytes are checked in the answer
        assert hashlib.sha256(noise(10_000_000)).hexdigest() in answer
        assert sandbox.qingstor.open_uploads() == []


def test_wecom_goes_through_where_the_operator_wants_it(sandbox, begin, audit, tmp_path):
    with OwnProxy() as proxy:
        daemon = begin(proxy.url, wecom={"via_egress": "yes"})
        told(daemon, "🔗 企业微信 API 使用代理\n")
        assert ask(sandbox, "nginx:latest").startswith("✅")
    assert set(audit.ports()) == {proxy.port}
    assert {int(each.rpartition(":")[2]) for each in proxy.targets} == {port_of(sandbox.github), port_of(sandbox.wecom)}


@pytest.mark.parametrize("make", [microsocks, tinyproxy])
def test_a_wrong_password_is_told_and_the_daemon_goes_direct(make, sandbox, begin, audit, tmp_path):
    with make(tmp_path, with_login=True) as proxy:
        daemon = begin(proxy.url("bob:wr0ng-word@"))
        told(daemon, UNUSABLE.format(proxy.url()))
        told(daemon, "egress proxy unusable")
        assert "请检查 [egress] proxy_url 里的用户名和口令" in daemon.log()
        assert ask(sandbox, "nginx:latest").startswith("✅")
        assert port_of(sandbox.github) in audit.ports()
        assert "wr0ng-word" not in daemon.log()


def test_a_proxy_that_dies_is_gone_past_and_taken_up_again(sandbox, begin, audit, tmp_path):
    with microsocks(tmp_path, with_login=True) as proxy:
        daemon = begin(proxy.url(LOGIN))
        told(daemon, USABLE.format(proxy.url()))
        sandbox.github.pace = Pace(image=1.0)
        sandbox.wecom.send_text("zhangsan", "nginx:latest")
        wait_for(lambda: sandbox.github.dispatches, "the dispatch")
        proxy.stop()
        assert sandbox.wecom.wait_for("zhangsan", is_final, within_s=20).text.startswith("✅")
        told(daemon, UNUSABLE.format(proxy.url()))
        assert port_of(sandbox.github) in audit.ports()
        proxy.start()
        wait_for(lambda: daemon.log().count(USABLE.format(proxy.url())) == 2, "the proxy is taken up again")
        before = audit.ports().count(port_of(sandbox.github))
        assert ask(sandbox, "redis:7").startswith("✅")
        assert audit.ports().count(port_of(sandbox.github)) == before


def test_lines_of_the_json_log_carry_the_same_texts(sandbox, begin):
    with OwnProxy() as proxy:
        daemon = begin(proxy.url, log={"format": "json"})
        told(daemon, "GitHub API")
        events = [json.loads(line)["event"] for line in daemon.log().splitlines()]
    wanted = [f"🌐 检测到代理配置: {proxy.url}", "  直连域名: localhost, qingstor.com", f"✅ 代理可用: {proxy.url}",
              "🔗 GitHub API 使用代理"]
    assert [event for event in events if event in wanted] == wanted


def test_a_reload_takes_another_proxy(sandbox, begin, audit, tmp_path):
    with OwnProxy() as one, OwnProxy() as other:
        daemon = begin(one.url)
        told(daemon, USABLE.format(one.url))
        daemon.config.write_text(daemon.config.read_text().replace(one.url, other.url))
        daemon.process.send_signal(signal.SIGHUP)
        told(daemon, "reloaded")
        told(daemon, USABLE.format(other.url))
        before = len(one.targets)
        assert ask(sandbox, "nginx:latest").startswith("✅")
        assert len(one.targets) == before
        assert port_of(sandbox.github) not in audit.ports()
        assert daemon.stop() == 0

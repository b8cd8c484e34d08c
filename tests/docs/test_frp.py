"""The page's settings for FRP: behind a plain TCP forwarder nobody can pretend to come from elsewhere."""

from __future__ import annotations

import re
import urllib.request

import pytest

from tests.support.daemon import DaemonProcess, wait_for
from tests.support.documents import block
from tests.support.forwarder import Forwarder
from tests.support.upstream import OK, ScriptedUpstream
from wxsync.config import ini

FORGED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Real-IP": "203.0.113.7"}


@pytest.fixture
def upstream():
    with ScriptedUpstream(OK) as served:
        yield served


@pytest.fixture
def forged_through(tmp_path, upstream):
    """Return a function that starts a relay with these options and sends it a forged request through the forwarder."""
    daemons = []

    def run(**server: str) -> DaemonProcess:
        settings = {"proxy": {"targets": upstream.url}, "server": {"listen": "127.0.0.1:0=relay", **server}}
        daemon = DaemonProcess(tmp_path, settings)
        daemons.append(daemon)
        daemon.start()
        with Forwarder(daemon.port("relay")) as forwarder:
            url = f"http://127.0.0.1:{forwarder.port}/wework-callback/x"
            with urllib.request.urlopen(urllib.request.Request(url, headers=FORGED), timeout=10) as answer:
                assert answer.status == 200
        return daemon

    yield run
    for daemon in daemons:
        daemon.stop()


def test_with_the_pages_settings_a_forged_source_is_replaced(upstream, forged_through):
    entries = ini.parse(block("front.md", "ini", "trusted_proxies =\n"), "front.md").entries
    trusted = next(entry.text for entry in entries if entry.name == "trusted_proxies")
    daemon = forged_through(trusted_proxies=trusted)
    (request,) = upstream.seen
    assert request.values("X-Forwarded-For") == ["127.0.0.1"]
    assert request.values("X-Forwarded-Proto") == ["http"]
    assert "203.0.113.7" not in request.head
    line = wait_for(lambda: re.search(r"web\.access (\S+) ", daemon.log()), "the access line")
    assert line[1] == "127.0.0.1"


def test_without_them_it_would_be_believed(upstream, forged_through):
    forged_through()
    (request,) = upstream.seen
    assert request.values("X-Forwarded-For") == ["203.0.113.7, 127.0.0.1"]

"""Nothing leaves the daemon but by its one way out, whatever it does."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.daemon.conftest import ask
from tests.support.audit import Audit
from tests.support.daemon import ROOT
from tests.support.proxies import OwnProxy
from tests.support.upstream import OK, ScriptedUpstream
from wxsync.sandbox.stand_ins import ACTIONS, LOCAL


def syncs(sandbox, daemon):
    assert ask(sandbox, "nginx:latest, no-such:1").startswith("❌")
    assert ask(sandbox, "redis:7").startswith("✅")


def uploads(sandbox, daemon):
    origin = f"http://files.test:{sandbox.origin.server.port}"  # a name that only the proxy knows
    assert ask(sandbox, f"{origin}/backup.tar.gz\n{origin}/missing").startswith("❌ 文件上传失败：成功 1 个，失败 1 个")
    assert ask(sandbox, "http://169.254.169.254/").startswith("❌")


def questions(sandbox, daemon):
    assert ask(sandbox, "历史").startswith("ℹ️")


def relayed_callbacks(sandbox, daemon):
    assert daemon.get("/wework-callback/x", "relay")[0] == 200


# What a daemon with every part can do; whoever adds a kind of job adds a row.
DEEDS = (syncs, uploads, questions, relayed_callbacks)


@pytest.mark.parametrize("engine", [ACTIONS, LOCAL])
def test_no_connection_is_opened_outside_the_dialer(engine, sandbox, start, tmp_path):
    audit = Audit(tmp_path)
    settings = sandbox.settings(engine)
    with OwnProxy() as proxy, ScriptedUpstream(OK) as upstream:
        daemon = start(
            audit.command,
            sync=settings.get("sync", {}),
            registry=settings["registry"],
            server={"listen": "127.0.0.1:0=bot, 127.0.0.1:0=relay"},
            proxy={"targets": upstream.url},
            egress={"proxy_url": proxy.url, "no_proxy_domains": "qingstor.com", "check_url": sandbox.github.url},
        )
        for deed in DEEDS:
            deed(sandbox, daemon)
        assert daemon.stop() == 0
    assert bool(sandbox.github.dispatches) is (engine == ACTIONS)
    assert audit.outside() == []
    ways = {int(each.url.rpartition(":")[2]) for each in (sandbox.wecom, proxy, upstream)}
    assert ways <= set(audit.ports()), "the hook saw less than was done"


def test_the_audit_sees_what_is_opened_elsewhere(tmp_path):
    """The proof above is worth nothing if the hook is blind."""
    record = tmp_path / "record"
    deeds = ("socket.create_connection(('127.0.0.1', port))", "socket.getaddrinfo('localhost', 1)",
             "subprocess.run(['true'])", "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))")
    code = (
        "import os, socket, subprocess\nfrom tests.support.audited_daemon import record_to\n"
        "with socket.create_server(('127.0.0.1', 0)) as server:\n    port = server.getsockname()[1]\n"
        f"    record_to(os.open({str(record)!r}, os.O_WRONLY | os.O_CREAT))\n    " + "\n    ".join(deeds)
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    events = {json.loads(line)["event"] for line in record.read_text().splitlines()}
    assert events == {"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "socket.sendto"}

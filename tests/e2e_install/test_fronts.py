"""The pages' nginx and Caddy configurations, through the real programs with TLS, but for names, ports and paths."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import CA_FILE
from tests.support.daemon import ROOT, DaemonProcess, wait_for
from tests.support.documents import block
from tests.support.forwarder import Forwarder
from tests.support.requirement import need
from tests.support.upstream import OK, ScriptedUpstream
from wxsync.sandbox.stand_ins import StandIns

CERTIFICATE = ROOT / "tests/data/tls/server.pem"  # of localhost; certificate and key in one file
FORGED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "ftp", "X-Real-IP": "203.0.113.7"}


@pytest.fixture
def sandbox() -> Iterator[StandIns]:
    with StandIns(pause_s=0.2) as stand_ins:
        yield stand_ins


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(OK) as served:
        yield served


@pytest.fixture
def daemon(sandbox, upstream, tmp_path) -> Iterator[DaemonProcess]:
    settings = {**sandbox.settings(), "proxy": {"targets": upstream.url},
                "server": {"listen": "127.0.0.1:0=bot, 127.0.0.1:0=relay"}}
    process = DaemonProcess(tmp_path, settings).start()
    yield process
    process.stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def pointed(text: str, daemon: DaemonProcess) -> str:
    """Return a page's configuration with the test daemon's ports."""
    assert text.count("127.0.0.1:3000") == text.count("127.0.0.1:8502") == 1
    return text.replace(":3000", f":{daemon.port('bot')}").replace(":8502", f":{daemon.port('relay')}")


def nginx(directory: Path, port: int, daemon: DaemonProcess) -> list[str]:
    text = pointed(block("front.md", "nginx", "listen 443 ssl"), daemon).replace("443 ssl", f"127.0.0.1:{port} ssl")
    text = re.sub(r"/etc/nginx/tls/\S+;", f"{CERTIFICATE};", text)
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(
        f"{user} daemon off; pid {directory}/nginx.pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {directory}/b; proxy_temp_path {directory}/p;"
        f"fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;\n{text}}}\n")
    subprocess.run(["nginx", "-t", "-q", "-c", str(directory / "nginx.conf")], check=True, timeout=60)
    return ["nginx", "-c", str(directory / "nginx.conf")]


def caddy(directory: Path, port: int, daemon: DaemonProcess) -> list[str]:
    text = pointed(block("front.md", "caddyfile", "reverse_proxy"), daemon)
    site = f"https://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {CERTIFICATE} {CERTIFICATE}"
    text = text.replace("bot.example.com {", site)
    (directory / "Caddyfile").write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{text}")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(directory / "Caddyfile")]


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def front(request, daemon, tmp_path) -> Iterator[int]:
    """The port of the front, once it takes connections."""
    need(request.param.__name__)
    port = free_port()
    with (tmp_path / "front.log").open("wb") as log:
        process = subprocess.Popen(request.param(tmp_path, port, daemon), stdout=log, stderr=log,
                                   env={"HOME": str(tmp_path), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    def is_open() -> bool:
        assert process.poll() is None, (tmp_path / "front.log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        wait_for(is_open, "the front")
        yield port
    finally:
        process.terminate()
        process.wait(20)


def fetch(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    tls = ssl.create_default_context(cafile=CA_FILE)
    link = http.client.HTTPSConnection("localhost", port, timeout=20, context=tls)
    try:
        link.request(method, path, body, headers)
        answer = link.getresponse()
        return answer.status, answer.read()
    finally:
        link.close()


def test_the_relay_sees_the_client_and_every_byte_of_the_target(front, daemon, upstream):
    target = "/wework-callback/a%2Fb//c?msg_signature=a%2B&x="
    assert fetch(front, "POST", target, b"x" * 100_000, **FORGED) == (200, b"ok")
    (request,) = upstream.seen
    assert request.line == f"POST {target[len('/wework-callback'):]} HTTP/1.1"
    assert len(request.body) == 100_000
    assert request.values("X-Forwarded-For") == ["127.0.0.1, 127.0.0.1"]  # the client, and the front itself
    assert request.values("X-Forwarded-Proto") == ["https"]
    (host,) = request.values("X-Forwarded-Host")
    assert host.partition(":")[0] == "localhost"
    assert "203.0.113.7" not in " ".join(request.values("X-Forwarded-For"))


def test_a_member_is_answered_through_the_front(front, daemon, sandbox):
    with Forwarder(front, ssl.create_default_context(cafile=CA_FILE)) as forwarder:  # WeCom's stand-in knows no TLS
        sandbox.wecom.call_at(f"http://localhost:{forwarder.port}/wechat/callback")
        assert sandbox.wecom.verify().status == 200
        sandbox.wecom.send_text("zhangsan", "帮助")
        assert sandbox.wecom.wait_for("zhangsan", lambda entry: entry.text.startswith("ℹ️"), within_s=20)
    assert fetch(front, "GET", "/wechat/callback")[0] == 403


def test_nothing_else_is_open(front, daemon):
    for path in ("/", "/health", "/metrics", "/wechat/callback/x", "/api/jobs"):
        assert fetch(front, "GET", path)[0] == 404, path

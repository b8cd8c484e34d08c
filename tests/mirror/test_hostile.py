"""Hosts, redirects and token services that lead inside: refused with their reason, and never connected to."""

from __future__ import annotations

import sys

import pytest

from tests.mirror.conftest import item
from tests.support.shelf import Shelf, noise
from tests.support.table_resolver import TableResolver
from wxsync.jobs import reference
from wxsync.remote.address import Guard
from wxsync.sandbox.registry.images import digest_of
from wxsync.sandbox.server import Answer, Server

CONNECTED: list[tuple] = []
sys.addaudithook(lambda event, args: CONNECTED.append(args[1]) if event == "socket.connect" else None)

NAMES = {  # as members may write them: public names that resolve to the inside
    "inner.example.com": ["10.1.2.3"], "loop.example.com": ["127.0.0.1"], "six.example.com": ["::1"],
    "mapped.example.com": ["::ffff:127.0.0.1"], "nat.example.com": ["64:ff9b::7f00:1"], "any.example.com": ["0.0.0.0"],
    "meta.example.com": ["169.254.169.254"], "shared.example.com": ["100.64.0.1"], "local.example.com": ["fe80::1"],
    "unique.example.com": ["fd00::1"], "mixed.example.com": ["93.184.216.34", "192.168.1.1"],
    "sixtofour.example.com": ["2002:7f00:1::"], "broad.example.com": ["255.255.255.255"],
}
HOSTS = [*NAMES,
         "127.0.0.1:5000", "10.0.0.1:443", "192.168.1.1:5000", "172.16.0.1:80", "169.254.169.254:80", "0.0.0.0:1",
         "localhost:5000", "x.localhost:80", "127.1:80", "0x7f.0.0.1:80", "0177.0.0.1:80", "2130706433:80",
         "127.0.0.1.:80", "100.64.0.1:80"]
PLACES = ["http://127.0.0.1:{port}/x", "http://localhost:{port}/x", "http://[::1]:{port}/x",
          "http://[::ffff:127.0.0.1]:{port}/",
          "http://0.0.0.0:{port}/", "http://2130706433:{port}/", "http://0x7f.1:{port}/", "http://127.1:{port}/",
          "http://inner.example.com:{port}/", "http://169.254.169.254/latest/meta-data", "http://user@127.0.0.1:{port}/",
          "http://loop.example.com:{port}/x", "ftp://127.0.0.1:{port}/", "file:///etc/passwd", "http://[fe80::1%25lo]:{port}/",
          "http://１２７.0.0.1:{port}/", "http://[64:ff9b::7f00:1]:{port}/", "//127.0.0.1:{port}/x"]


@pytest.fixture
def guarded(pair):
    """The pair, a name table, and a third server on loopback that nobody may ask for anything."""
    pair.resolver = TableResolver(NAMES)
    trap = pair.trap
    CONNECTED.clear()
    yield pair
    assert not trap.requests
    own = {pair.from_.server.port, pair.to.server.port}
    assert {address[1] for address in CONNECTED if isinstance(address, tuple)} <= own


@pytest.fixture
def pair(pair):
    pair.trap = Server(lambda request: Answer(200, b"{}"))
    yield pair
    pair.trap.close()


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_a_member_names(guarded, host):
    try:
        reference.parse(f"{host}/team/app:1")
    except reference.BadReference:
        return  # the message is refused already
    guarded.mirrors = []
    job = guarded.run(item(f"{host}/team/app:1"))
    assert job.items[0].result == "failed"
    assert job.items[0].reason.startswith("源仓库的地址不能访问"), job.items[0].reason
    assert not guarded.to.server.seen("POST")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("path", ["/manifests/1", "/blobs/sha256"])
def test_a_redirect_of_a_trusted_source(guarded, place, path):
    Shelf(guarded.from_, "docker.io/library/app").image("1", layers=(noise(100),))
    location = place.format(port=guarded.trap.port)
    guarded.from_.server.fail_next(f"/app{path}", 307, 50, headers=(("Location", header(location)),))
    job = guarded.run(item("app:1"))
    assert job.items[0].result == "failed"
    assert not guarded.digest("app:1")


@pytest.mark.parametrize("place", PLACES)
def test_a_token_service_that_leads_inside_gets_no_login(guarded, place):
    guarded.from_.access.realm = header(place.format(port=guarded.trap.port))
    access = guarded.from_.access
    guarded.logins = [(guarded.from_.address, access.user, access.password)]
    job = guarded.run(item("nginx:1"))
    assert job.items[0].result == "failed"
    assert access.password not in job.items[0].reason


def test_the_destinations_own_redirects_are_judged_too(guarded):
    layer = noise(100)
    Shelf(guarded.from_, "docker.io/library/app").image("1", layers=(layer,))
    place = f"http://127.0.0.1:{guarded.trap.port}/x"
    guarded.to.server.fail_next(f"/blobs/{digest_of(layer)}", 307, 50, method="HEAD", headers=(("Location", place),))
    assert guarded.run(item("app:1")).items[0].result == "failed"


def test_what_the_operator_allows_is_reached(pair):
    """The same redirect, to a host that stands in allow_hosts."""
    layer = noise(100)
    Shelf(pair.from_, "docker.io/library/app").image("1", layers=(layer,))
    pair.guard = Guard((f"127.0.0.1:{pair.trap.port}",), section="registry")
    place = f"http://127.0.0.1:{pair.trap.port}/elsewhere"
    pair.from_.server.fail_next(f"/blobs/{digest_of(layer)}", 307, 50, headers=(("Location", place),))
    job = pair.run(item("app:1"))
    assert job.items[0].reason.startswith("复制后摘要不一致")  # the trap answers, with other bytes
    (asked,) = {request.target for request in pair.trap.requests}
    assert asked == "/elsewhere"
    assert all("authorization" not in request.headers for request in pair.trap.requests)


def header(text: str) -> str:
    """Return a text as bytes that http.server sends unchanged."""
    return text.encode("utf-8").decode("latin-1")

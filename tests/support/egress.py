"""A way through an egress proxy, and what scripted proxies play."""

from __future__ import annotations

from tests.support.table_resolver import TableResolver
from wxsync.clock import SystemClock
from wxsync.options.egress import EXEMPTIONS, parse_proxy
from wxsync.remote.dialer import AUTO, Dialer
from wxsync.remote.egress.way import EgressWay, Use
from wxsync.remote.http import HttpTransport, tls_context

CLOCK = SystemClock()
GITHUB = Use("GitHub API", "api.github.com", 443)


def soon(seconds=5.0):
    return CLOCK.monotonic() + seconds


def way_of(url, *rules, resolver=None, clock=CLOCK):
    return EgressWay(parse_proxy(url), EXEMPTIONS.read(",".join(rules)), uses=(GITHUB,), clock=clock,
                     resolver=resolver or TableResolver())


def dialer_of(url, *rules, resolver=None, policy=AUTO):
    resolver = resolver or TableResolver()
    return Dialer(CLOCK, resolver, policy=policy, egress=way_of(url, *rules, resolver=resolver))


def transport_of(dialer, ca_file=""):
    return HttpTransport(dialer, CLOCK, user_agent="x", tls=tls_context(ca_file))


def proxy_url(server, scheme="http", login=""):
    return f"{scheme}://{login}127.0.0.1:{server.port}"


def connect_answer(raw, then=None):
    """A CONNECT proxy's whole part: the request is read, the answer sent, and what then follows in the tunnel."""
    def play(connection, _):
        connection.sendall(raw)
        if then:
            then(connection)
    return play


def echo_once(connection):
    connection.sendall(b"echo:" + connection.recv(100))


def received(sock, count):
    sock.settimeout(5)
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        assert piece, data
        data += piece
    return data

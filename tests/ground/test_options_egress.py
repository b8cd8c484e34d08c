"""The egress proxy's URL, and which hosts go past it."""

from __future__ import annotations

import pytest

from wxsync.errors import ConfigError
from wxsync.options.egress import EXEMPTIONS, HTTP, PROXY_URL, SOCKS5, EgressProxy, parse_proxy
from wxsync.remote.url import parse_host


@pytest.mark.parametrize(("text", "proxy"), [
    ("http://proxy.example.com:8080", EgressProxy(HTTP, "proxy.example.com", 8080, "http://proxy.example.com:8080")),
    ("http://p", EgressProxy(HTTP, "p", 8080, "http://p")),
    ("http://p:80/", EgressProxy(HTTP, "p", 80, "http://p:80")),
    ("socks5://p", EgressProxy(SOCKS5, "p", 1080, "socks5://p")),
    ("socks5h://[::1]", EgressProxy(SOCKS5, "::1", 1080, "socks5h://[::1]")),
    ("SOCKS5://[::1]:9", EgressProxy(SOCKS5, "::1", 9, "socks5://[::1]:9")),
    ("http://b%6Fb:p%40%3A%E9%92%A5@10.0.0.1:3128",
     EgressProxy(HTTP, "10.0.0.1", 3128, "http://10.0.0.1:3128", "bob", "p@:钥")),
    ("socks5://u:p:q@h", EgressProxy(SOCKS5, "h", 1080, "socks5://h", "u", "p:q")),
])
def test_a_proxy_url_is_taken_apart(text, proxy):
    assert parse_proxy(text) == parse_proxy(PROXY_URL.read(text)) == proxy


@pytest.mark.parametrize("text", [
    "https://secret@p:1", "socks4://p", "p:8080", "http://", "http://u:secret@", "http://u:secret@h:0",
    "http://u:secret@h:x", "http://u:secret@127.1", "socks5://secret@h", "socks5://u:" + "secret" * 50 + "@h",
    "http://a%3Asecret:x@h", "http://:secret@h", "http://@h", "socks5://:secret@h", "http://u:secret%zz@h",
    "http://u:secret%0d%0a@h", "http://u:secret@h/path", "http://u:secret@[::1]:0", "http://u:secret@[h]"])
def test_an_unusable_proxy_url_is_refused_without_repeating_it(text):
    with pytest.raises(ConfigError) as caught:
        PROXY_URL.read(text)
    assert "secret" not in str(caught.value)
    assert caught.value.mend


def test_a_password_does_not_show_in_the_proxys_text():
    assert "hidden" not in repr(parse_proxy("http://u:hidden@p"))


@pytest.mark.parametrize(("rule", "host", "port", "is_exempt"), [
    ("example.com", "example.com", 443, True),
    ("example.com", "a.b.example.com", 443, True),
    ("example.com", "badexample.com", 443, False),
    ("ple.com", "example.com", 443, False),
    (".example.com", "example.com", 443, True),
    (".example.com", "a.example.com", 443, True),
    ("*.example.com", "example.com", 443, True),
    ("*.example.com", "x.a.example.com", 443, True),
    (" EXAMPLE.com. ", "Example.COM.", 443, True),
    ("localhost", "localhost", 80, True),
    ("127.0.0.1", "127.0.0.1", 80, True),
    ("127.0.0.1", "127.0.0.2", 80, False),
    ("10.0.0.0/8", "10.1.2.3", 80, True),
    ("10.1.2.3/8", "10.200.2.3", 80, True),
    ("10.0.0.0/8", "11.1.2.3", 80, False),
    ("10.0.0.0/8", "ten.example", 80, False),
    ("10.0.0.0/8", "[fd00::1]", 80, False),
    ("fd00::/8", "[fd12::1]", 80, True),
    ("[::1]", "[::1]", 80, True),
    ("::1", "[0:0::1]", 80, True),
    ("::ffff:10.0.0.1", "10.0.0.1", 80, False),
    ("10.0.0.0/255.0.0.0", "10.1.2.3", 80, True),
    ("[::1]:8443", "[::1]", 8443, True),
    ("[::1]:8443", "[::1]", 80, False),
    ("host:8443", "host", 8443, True),
    ("host:8443", "a.host", 8443, True),
    ("host:8443", "host", 443, False),
    ("10.0.0.1:8443", "10.0.0.1", 8443, True),
    ("10.0.0.1:8443", "10.0.0.1", 443, False),
    ("*", "anything.example", 1, True),
    ("*", "[2001::1]", 1, True),
    ("*.host:8443", "a.host", 8443, True),
    ("", "example.com", 443, False),
])
def test_which_hosts_go_past_the_proxy(rule, host, port, is_exempt):
    assert any(each.matches(parse_host(host), port) for each in EXEMPTIONS.read(rule)) is is_exempt


def test_any_of_several_rules_exempts():
    rules = EXEMPTIONS.read("localhost, 127.0.0.1,\nqingstor.com")
    assert [each.text for each in rules] == ["localhost", "127.0.0.1", "qingstor.com"]
    assert any(each.matches("tmp.pek3a.qingstor.com", 443) for each in rules)
    assert not any(each.matches("api.github.com", 443) for each in rules)


@pytest.mark.parametrize("rule", [
    "a b", "http://x/", "1.2.3.4/99", "h:", "h:0", "h:99999", "h:x", "h:８０", "[::1", "[::1]x", "[x]", "a..b", "a*b",
    ".", "x/y", "fe80::1%eth0", "10.0.0.0/8:80", "[10.0.0.0/8]", "a" * 64, "a." * 200, "例子.cn",
    "user@h", "192.168.*"])
def test_a_rule_that_is_none_is_counted(rule):
    with pytest.raises(ConfigError, match="第 2 项不是域名或网段"):
        EXEMPTIONS.read(f"ok.example, {rule}")

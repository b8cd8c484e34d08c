"""Texts become places: listeners, networks, hosts, URLs and pairs of them."""

from __future__ import annotations

import ipaddress

import pytest

from wxsync.errors import ConfigError
from wxsync.options.addresses import Listener, read_port
from wxsync.options.settings import OPTIONS

BY_KEY = {option.key: option for option in OPTIONS}


def read(key: str, text: str):
    return BY_KEY[key].row.kind.read(text)


def refused(key: str, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(key, text)
    assert caught.value.what
    assert caught.value.mend
    return caught.value


@pytest.mark.parametrize(("text", "wanted"), [
    ("0.0.0.0:3000=bot", Listener("0.0.0.0", 3000, "bot")),
    ("0.0.0.0:3000 = Bot", Listener("0.0.0.0", 3000, "bot")),
    ("[::]:3000", Listener("::", 3000, "all")),
    (":3000", Listener("0.0.0.0", 3000, "all")),
    ("localhost:0=relay", Listener("localhost", 0, "relay")),
    ("bot.example.com:80=all", Listener("bot.example.com", 80, "all")),
])
def test_a_listener_is_an_address_a_port_and_a_part(text, wanted):
    assert read("server.listen", text) == (wanted,)


@pytest.mark.parametrize("text", [
    "3000", "0.0.0.0", "0.0.0.0:65536", "256.1.1.1:80", "127.1:80", "::1:80", "[127.0.0.1]:80", "[::g]:80", "a b:80",
    "0.0.0.0:3000=web", "0.0.0.0:３０００", "http://0.0.0.0:80", "a:80=", "0.0.0.0:123456"])
def test_what_is_no_listener_is_refused(text):
    refused("server.listen", text)


def test_a_listener_knows_its_reach_and_writes_itself_as_an_address():
    assert str(Listener("::1", 80)) == "[::1]:80"
    assert str(Listener("10.0.0.1", 80)) == "10.0.0.1:80"
    assert Listener("127.9.9.9", 1).is_loopback
    assert Listener("::1", 1).is_loopback
    assert Listener("LocalHost", 1).is_loopback
    assert not Listener("0.0.0.0", 1).is_loopback
    assert not Listener("example.com", 1).is_loopback
    assert Listener("::", 1).is_wildcard
    assert not Listener("127.0.0.1", 1).is_wildcard


def test_the_admin_listener_takes_no_part():
    assert read("server.admin_listen", "127.0.0.1:0") == Listener("127.0.0.1", 0, "admin")
    refused("server.admin_listen", "127.0.0.1:8503=bot")


def test_ports_are_ascii_digits_up_to_65535():
    assert read_port("0") == 0
    for text in ("65536", "-1", "８０", "", "80 ", "1e3"):
        with pytest.raises(ConfigError):
            read_port(text)


def test_networks_are_addresses_or_cidr():
    assert read("server.trusted_proxies", "127.0.0.1, ::1\n10.0.0.0/8, fd00::/8, ::ffff:0:0/96") == (
        ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("::1/128"), ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("fd00::/8"), ipaddress.ip_network("::ffff:0:0/96"))
    for text in ("10.0.0.0/33", "example.com", "１0.0.0.1", "10.0.0", "10/8", "[::1]", "fe80::1%eth0"):
        refused("server.trusted_proxies", text)


def test_a_network_with_host_bits_is_refused_with_the_right_one():
    assert "192.168.1.0/24" in refused("server.trusted_proxies", "192.168.1.5/24").mend


@pytest.mark.parametrize(("text", "wanted"), [
    ("http://h", "http://h"), ("HTTPS://H.Example/", "https://h.example"), ("http://h:8080/Base/", "http://h:8080/Base"),
    ("http://10.0.0.1:80", "http://10.0.0.1:80"), ("http://[fd00::1]:80/x", "http://[fd00::1]:80/x"),
    ("http://my_app:8000", "http://my_app:8000"),
])
def test_urls_lose_the_slash_at_their_end_and_keep_their_path(text, wanted):
    assert read("proxy.targets", text) == (wanted,)


@pytest.mark.parametrize("text", [
    "h:80", "ftp://h", "http://", "http:///x", "http://h?x=1", "http://h#f", "http://h/a b", "http://h\\x",
    "http://h:99999", "http://h:", "http://u:p@h", "http://127.1", "http://0x7f.1/..%zz\x01", "http://2130706433",
    "http://例子.cn", "http://-h", "http://[::1", "http://a/\u200b"])
def test_what_is_no_plain_url_is_refused(text):
    refused("proxy.targets", text)


def test_an_endpoint_may_name_bucket_and_zone_and_nothing_else():
    assert read("qingstor.endpoint", "https://{bucket}.{zone}.qingstor.com/") == "https://{bucket}.{zone}.qingstor.com"
    assert read("qingstor.endpoint", "http://127.0.0.1:9000") == "http://127.0.0.1:9000"
    for text in ("https://{region}.x", "https://{bucket.x", "{bucket}", "https://}x"):
        refused("qingstor.endpoint", text)


@pytest.mark.parametrize(("text", "wanted"), [
    ("registry.cn-hangzhou.aliyuncs.com", "registry.cn-hangzhou.aliyuncs.com"), ("Hub.corp:8443", "hub.corp:8443"),
    ("http://127.0.0.1:5000", "http://127.0.0.1:5000"), ("HTTP://R:1", "http://r:1"), ("[::1]:5000", "[::1]:5000"),
])
def test_a_registry_is_a_host_and_http_marks_a_plain_one(text, wanted):
    assert read("registry.registry", text) == wanted


@pytest.mark.parametrize("text", ["https://r.example", "r.example/ns", "http://r/", "r:port", "u@r", "http://"])
def test_a_registry_has_no_https_and_no_path(text):
    refused("registry.registry", text)


@pytest.mark.parametrize(("text", "wanted"), [
    ("http://proxy.example.com:8080", "http://proxy.example.com:8080"), ("HTTP://p", "http://p"),
    ("socks5://u:p%40w@h:1080/", "socks5://u:p%40w@h:1080"), ("socks5h://[::1]:1", "socks5h://[::1]:1"),
])
def test_an_egress_proxy_is_http_or_socks5(text, wanted):
    assert read("egress.proxy_url", text) == wanted


@pytest.mark.parametrize("text", [
    "https://p:1", "socks4://p", "p:8080", "http://u:p@", "http://u:p w@h", "http://u:%zz@h", "http://u:%ff@h",
    "http://u:%0a@h", "http://h:1:2", "http://u:p@h/path"])
def test_other_proxies_are_refused_without_repeating_them(text):
    assert text not in str(refused("egress.proxy_url", text))


def test_exemptions_are_names_networks_and_ports():
    text = "localhost,127.0.0.1,qingstor.com, .corp, *.x.cn, 10.0.0.0/8, fd00::/8, h:8443, [::1], *"
    assert len(read("egress.no_proxy_domains", text)) == 10
    refused("egress.no_proxy_domains", "a b")
    refused("egress.no_proxy_domains", "例子.cn")


def test_source_credentials_are_percent_decoded():
    assert read("registry.source_auth", "ghcr.io=bob:p%40ss%3A%25, Quay.io:443=a%2Cb:c\nr.x=u:%E5%8F%A3") == (
        ("ghcr.io", "bob", "p@ss:%"), ("quay.io:443", "a,b", "c"), ("r.x", "u", "口"))
    assert read("registry.source_auth", "a.x=u:p b.x=u:p") == (("a.x", "u", "p"), ("b.x", "u", "p"))


@pytest.mark.parametrize("text", [
    "ghcr.io", "ghcr.io=bob", "ghcr.io=:p", "ghcr.io=bob:", "=bob:p", "h=u:p%", "h=u:p%2", "h=u:%ff", "h=u:%00",
    "h/x=u:p"])
def test_wrong_source_credentials_are_refused_without_repeating_them(text):
    assert text not in str(refused("registry.source_auth", text))


def test_a_mirror_of_every_host_names_them_in_its_path():
    assert read("registry.mirrors", "*=http://127.0.0.1:5000/{host}, quay.io=http://m/q") == (
        ("*", "http://127.0.0.1:5000/{host}"), ("quay.io", "http://m/q"))
    for text in ("*=http://127.0.0.1:5000", "*=http://{host}", "*=http://{host}/{host}", "*=http://m/{name}",
                 "quay.io=http://m/{host}", "*.io=http://m/{host}"):
        refused("registry.mirrors", text)


def test_mirrors_are_pairs_of_host_and_url():
    assert read("registry.mirrors", "docker.io=http://127.0.0.1:5000/docker.io, Quay.io = https://m") == (
        ("docker.io", "http://127.0.0.1:5000/docker.io"), ("quay.io", "https://m"))
    for text in ("docker.io", "docker.io=127.0.0.1", "=http://m", "docker.io=http://u:p@m"):
        refused("registry.mirrors", text)


def test_hosts_are_names_or_addresses_with_an_optional_port():
    assert read("upload.allow_hosts", "Files.corp, 10.0.0.5:8080, [fd00::1]:80") == (
        "files.corp", "10.0.0.5:8080", "[fd00::1]:80")
    for text in ("http://x", "a/b", "10.0.0.0/8", "*.x", "x:0x1", "fd00::1"):
        refused("upload.allow_hosts", text)


def test_url_paths_start_with_a_slash_and_end_without():
    assert read("wecom.path", "/wechat/callback") == "/wechat/callback"
    for text in ("wechat", "/", "/a/", "/a//b", "/a?b", "/a b", "/%41", "/路径"):
        refused("wecom.path", text)

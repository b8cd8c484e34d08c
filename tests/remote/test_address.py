"""Which addresses, names and URLs a download may connect to."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import random
from pathlib import Path

import pytest

from wxsync.remote.address import AddressRefused, Guard, Verdict, classify, is_address
from wxsync.remote.url import Url, parse_url

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "ssrf.json").read_text(encoding="utf-8"))


def is_allowed(text: str, resolve: dict[str, list[str]], guard: Guard) -> bool:
    try:
        url = parse_url(text)
        guard.check_name(url.host, url.port)
        addresses = [url.host] if is_address(url.host) else resolve.get(url.host, resolve.get("*", []))
        guard.check_addresses(url.host, url.port, addresses)
    except AddressRefused:
        return False
    return bool(addresses)


@pytest.mark.parametrize("case", VECTORS["addresses"], ids=lambda case: case["address"])
def test_address_vectors(case):
    if case["verdict"] != "any":
        assert classify(case["address"]).is_open is (case["verdict"] == "allow")
        assert Guard().judge(case["address"]).is_open is (case["verdict"] == "allow")


@pytest.mark.parametrize("case", VECTORS["urls"], ids=lambda case: case["url"][:40] or "empty")
def test_url_vectors(case):
    if case["verdict"] != "any":
        assert is_allowed(case["url"], case.get("resolve", {}), Guard()) is (case["verdict"] == "allow")


@pytest.mark.parametrize(("address", "verdict"), [
    ("0.1.2.3", Verdict.UNSPECIFIED), ("127.255.255.255", Verdict.LOOPBACK), ("172.20.1.1", Verdict.PRIVATE),
    ("100.127.255.255", Verdict.SHARED), ("169.254.1.1", Verdict.LINK_LOCAL), ("239.1.1.1", Verdict.MULTICAST),
    ("203.0.113.7", Verdict.DOCUMENTATION), ("198.51.100.7", Verdict.DOCUMENTATION),
    ("198.19.255.255", Verdict.BENCHMARK),
    ("192.88.99.1", Verdict.TRANSITION), ("192.0.0.170", Verdict.RESERVED), ("250.1.1.1", Verdict.RESERVED),
    ("192.52.193.1", Verdict.RESERVED), ("192.175.48.1", Verdict.RESERVED),
    ("fec0::1", Verdict.PRIVATE), ("fc12::1", Verdict.PRIVATE), ("febf::1", Verdict.LINK_LOCAL),
    ("::7f00:1", Verdict.TRANSITION), ("64:ff9b:1::a00:1", Verdict.TRANSITION), ("2001:2::1", Verdict.BENCHMARK),
    ("2001:1::1", Verdict.RESERVED), ("2001:20::1", Verdict.RESERVED), ("2001:1ff::1", Verdict.RESERVED),
    ("2001:200::1", Verdict.PUBLIC), ("3fff:fff::1", Verdict.DOCUMENTATION), ("3fff:1000::1", Verdict.PUBLIC),
    ("4000::1", Verdict.RESERVED), ("200::1", Verdict.RESERVED), ("100::1", Verdict.RESERVED),
    ("100:0:0:1::1", Verdict.RESERVED), ("5f00::1", Verdict.RESERVED), ("1fff::1", Verdict.RESERVED),
    ("2620:4f:8000::1", Verdict.RESERVED), ("::ffff:8.8.8.8", Verdict.PUBLIC), ("64:ff9b::10.0.0.1", Verdict.PRIVATE),
    ("::ffff:0:808:808", Verdict.RESERVED), ("2001::1%1", Verdict.ZONE), ("no address", Verdict.BAD_HOST),
])
def test_each_special_block_has_its_verdict(address, verdict):
    assert classify(address) is verdict


@pytest.mark.parametrize(("text", "verdict"), [
    ("http://" + "a" * 9000 + "/", Verdict.BAD_URL),
    ("http://" + "a." * 127 + "/", Verdict.PUBLIC),
    ("http://" + "a." * 127 + "a/", Verdict.BAD_HOST),
    ("http://" + "a" * 64 + ".com/", Verdict.BAD_HOST),
    ("http://a..b/", Verdict.BAD_HOST),
    ("http://example.com../", Verdict.BAD_HOST),
    ("http://./", Verdict.BAD_HOST),
    ("http://ex ample.com/", Verdict.BAD_CHARACTER),
    ("http://example.com/\u3000x", Verdict.BAD_CHARACTER),
    ("http://example.com/\x85x", Verdict.BAD_CHARACTER),
    ("http://example.com/\ud800", Verdict.BAD_CHARACTER),
    ("http://exa\u200bmple.com/", Verdict.BAD_HOST),
    ("http://exa\u00admple.com/", Verdict.BAD_HOST),
    ("http://exa\ufe0fmple.com/", Verdict.BAD_HOST),
    ("http://exa%6dple.com/", Verdict.BAD_HOST),
    ("http://１２７.0.0.1/", Verdict.LOOPBACK),
    ("http://1.2.3.4.5/", Verdict.BAD_HOST),
    ("http://256.1.1.1/", Verdict.BAD_HOST),
    ("http://1.2.3.0x4/", Verdict.BAD_HOST),
    ("http://example.0x/", Verdict.BAD_HOST),
    ("http://010.8.8.8/", Verdict.BAD_HOST),
    ("http://8.8.8.8./", Verdict.BAD_HOST),
    ("http://example.com／x/", Verdict.BAD_HOST),
    ("http://a.localhost/", Verdict.LOCAL_NAME),
    ("http://LOCALHOST./", Verdict.LOCAL_NAME),
    ("http://[::1]x/", Verdict.BAD_HOST),
    ("http://[]/", Verdict.BAD_HOST),
    ("http://[v1.x]/", Verdict.BAD_HOST),
    ("http://[fe80::1%eth0]/", Verdict.ZONE),
    ("http://::1/", Verdict.BAD_HOST),
    ("http://a::1/", Verdict.BAD_PORT),
    ("http://example.com:+80/", Verdict.BAD_PORT),
    ("http://example.com:８０/", Verdict.BAD_PORT),
    ("http://example.com:000080/", Verdict.BAD_PORT),
    ("http://@example.com/", Verdict.CREDENTIALS),
    ("ftp://example.com/", Verdict.BAD_SCHEME),
    ("http://" + "ä" * 300 + "/", Verdict.BAD_HOST),
    ("http://" + "ä" * 70 + "/", Verdict.BAD_HOST),
])
def test_url_is_refused_with_its_verdict(text, verdict):
    try:
        Guard().check_name(parse_url(text).host, 80)
        seen = Verdict.PUBLIC
    except AddressRefused as refused:
        seen = refused.verdict
        assert not refused.temporary
        assert not refused.maybe_done
        assert refused.mend
    assert seen is verdict


@pytest.mark.parametrize(("text", "url"), [
    ("HTTP://Example.COM", Url("http", "example.com", 80, "/")),
    ("https://example.com:8443?q=1", Url("https", "example.com", 8443, "/?q=1")),
    ("https://bücher.example/文件.zip?名=值#x",
     Url("https", "xn--bcher-kva.example", 443, "/%E6%96%87%E4%BB%B6.zip?%E5%90%8D=%E5%80%BC")),
    ("http://[2606:4700:0::FFFF]:81/a%20b", Url("http", "2606:4700::ffff", 81, "/a%20b")),
    ("http://my_host/a?b=[1]&c=\"<>", Url("http", "my_host", 80, "/a?b=[1]&c=%22%3C%3E")),
])
def test_url_is_taken_apart_and_normalised(text, url):
    assert parse_url(text) == url
    assert parse_url(url.text) == url


def test_authority_and_shown_text_leave_out_what_they_should():
    url = parse_url("https://[2606:4700::1]:8443/a/b?access_token=hidden")
    assert url.authority == "[2606:4700::1]:8443"
    assert url.shown == "https://[2606:4700::1]:8443/a/b"
    assert parse_url("https://example.com:443/").authority == "example.com"
    assert parse_url("https://EXAMPLE.com:443/x").origin == parse_url("https://example.com./").origin
    assert parse_url("http://example.com:443/").origin != parse_url("https://example.com/").origin


def test_operators_allowances_open_hosts_and_networks():
    guard = Guard(("Files.Intra", "10.9.9.9", "localhost", "ported.intra:8443", "[fd99::1]:81"),
                  (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/16")))
    assert guard.judge("10.1.2.3") is Verdict.ALLOWED
    assert guard.judge("::ffff:10.1.2.3") is Verdict.ALLOWED
    assert guard.judge("fd00::1") is Verdict.ALLOWED
    assert guard.judge("10.2.0.1") is Verdict.PRIVATE
    assert guard.judge("8.8.8.8") is Verdict.PUBLIC
    assert guard.judge("fd00::1%eth0") is Verdict.ZONE
    allowed = (("files.intra", 1), ("10.9.9.9", 80), ("localhost", 80), ("ported.intra", 8443), ("fd99::1", 81))
    for host, port in allowed:
        guard.check_name(host, port)
        guard.check_addresses(host, port, ("127.0.0.1",))
    others = (("intra", 80), ("afiles.intra", 80), ("x.files.intra", 80), ("ported.intra", 80), ("fd99::1", 80))
    for host, port in others:
        with pytest.raises(AddressRefused):
            guard.check_addresses(host, port, ("8.8.8.8", "127.0.0.1"))


def test_refused_address_names_host_and_verdict():
    with pytest.raises(AddressRefused, match="intra: address refused: private"):
        Guard().check_addresses("intra", 80, ("192.168.1.1",))


def test_no_text_raises_anything_but_the_refusal():
    random_source = random.Random(20260102)
    alphabet = "http://[]:@.0x127%\\ \t\n？／。ａ１exämple#?\u200b\ud800"
    for _ in range(5000):
        text = "".join(random_source.choices(alphabet, k=random_source.randint(0, 30)))
        with contextlib.suppress(AddressRefused):
            assert parse_url(random_source.choice(("", "http://")) + text).text.isascii()

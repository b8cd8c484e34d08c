"""The table is whole: every promised option with its promised default, and one name for one option."""

from __future__ import annotations

import dataclasses

import pytest

from wxsync.options.sections import Egress, Registry, WeCom
from wxsync.options.settings import OPTIONS, TITLES, Settings

# section: option=default ...; an option without = has none
PROMISED = {
    "server": "listen=0.0.0.0:3000=bot,_0.0.0.0:8502=relay admin_listen=127.0.0.1:8503 admin_token processes=1 "
              "threads=128 max_connections=1024 trusted_proxies=127.0.0.1,_::1 state_dir head_timeout=10 "
              "body_timeout=30 write_timeout=30 idle_timeout=75 max_request_line=8192 max_head=32768 "
              "max_requests=10000",
    "log": "level=info format=text file access=on max_bytes=20M backups=5",
    "wecom": "corp_id agent_id secret token encoding_aes_key path=/wechat/callback public_url "
             "api_base=https://qyapi.weixin.qq.com via_egress=no allow_users admin_users",
    "github": "token repo branch=main workflow=docker-image-sync.yml api_base=https://api.github.com poll=5 wait=300 "
              "follow=6h",
    "sync": "engine workers=4 deadline=2h",
    "registry": "registry namespace username password source_auth precheck=on mirrors allow_hosts allow_networks",
    "qingstor": "access_key_id secret_access_key zone=pek3a bucket=tmp endpoint=https://{bucket}.{zone}.qingstor.com "
                "link_days=7",
    "upload": "max_bytes=5G workers=4 part_size=4M deadline=2h min_rate=10K allow_networks allow_hosts",
    "egress": "proxy_url no_proxy_domains=localhost,127.0.0.1,qingstor.com check_url=https://www.google.com/ ca_file",
    "proxy": "targets prefix=/wework-callback timeout=30 connect_timeout=5 max_body=20M health_path",
    "jobs": "when_busy=reject max_queue=20 upload_workers=2 history_days=90",
    "rollover": "time=00:00:00 enabled=yes",
}
OLD_NAMES = """CORP_ID AGENT_ID SECRET TOKEN ENCODING_AES_KEY GITHUB_TOKEN GITHUB_REPO GITHUB_BRANCH DOCKER_REGISTRY
    DOCKER_NAMESPACE PORT QINGSTOR_ACCESS_KEY_ID QINGSTOR_SECRET_ACCESS_KEY QINGSTOR_ZONE PROXY_URL NO_PROXY_DOMAINS
    TARGET_SERVER_URL FLASK_RUN_PORT FLASK_DEBUG"""
SECRET = """server.admin_token wecom.secret wecom.token wecom.encoding_aes_key github.token registry.password
    registry.source_auth qingstor.access_key_id qingstor.secret_access_key egress.proxy_url"""


def test_every_promised_option_is_there_with_its_default():
    wanted = {}
    for section, text in PROMISED.items():
        for each in text.split():
            name, equals, default = each.partition("=")
            wanted[f"{section}.{name}"] = default.replace("_", " ") if equals and name == "listen" else (
                default if equals else None)
    wanted["server.trusted_proxies"] = "127.0.0.1, ::1"
    assert {option.key: option.row.default for option in OPTIONS} == wanted
    assert list(TITLES) == list(PROMISED)


def test_the_names_of_the_replaced_programs_are_all_there_once():
    names = [name for option in OPTIONS for name in option.row.env]
    assert sorted(names) == sorted(OLD_NAMES.split())


def test_secret_options_are_marked():
    assert {option.key for option in OPTIONS if option.row.secret} == set(SECRET.split())


def test_own_names_are_unique_and_upper_case():
    variables = [option.variable for option in OPTIONS]
    assert len(set(variables)) == len(variables)
    assert "WXSYNC_PROXY_CONNECT_TIMEOUT" in variables
    assert all(name == name.upper() for name in variables)


def test_every_option_has_its_help():
    assert all(option.help for option in OPTIONS)


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().proxy.timeout = 1.0  # type: ignore[misc]


def test_repr_shows_no_secret():
    settings = Settings(
        wecom=WeCom(corp_id="ww1", secret="hide-secret", token="hideToken", encoding_aes_key="hide" * 10 + "abc"),
        registry=Registry(password="hide-password", source_auth=(("h", "u", "hide-auth"),)),
        egress=Egress(proxy_url="http://u:hide-proxy@h"))
    assert "ww1" in repr(settings)
    assert "hide" not in repr(settings)


def test_secrets_are_all_values_to_redact_and_the_proxys_password_both_as_written_and_decoded():
    settings = Settings(
        wecom=WeCom(secret="s://1", token="t1", encoding_aes_key="k1"),
        registry=Registry(password="p1", source_auth=(("h", "u", "auth1"), ("i", "u", "auth2"))),
        egress=Egress(proxy_url="http://bob:p%40w@proxy:8080"))
    assert settings.secrets() == ("s://1", "t1", "k1", "p1", "auth1", "auth2", "bob:p%40w", "p%40w", "p@w")
    assert Settings().secrets() == ()


def test_the_plain_marker_is_no_part_of_the_registrys_host():
    assert Registry(registry="http://127.0.0.1:5000").host == "127.0.0.1:5000"
    assert Registry(registry="r.example").host == "r.example"

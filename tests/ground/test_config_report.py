"""What check-config says of a good configuration."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.support.operator_site import BOT, MIRROR, RELAY, Site
from wxsync.config.report import report

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=timezone(timedelta(hours=8), "CST"))
LOGIN = {"WXSYNC_REGISTRY_USERNAME": "bob", "WXSYNC_REGISTRY_PASSWORD": "hidden-pw"}


@pytest.fixture
def told(tmp_path: Path):
    site = Site(tmp_path)

    def tell(*environ: dict[str, str], now: datetime = NOON) -> str:
        loaded = site.load(*environ)
        return report(loaded.settings, loaded.sources, loaded.warnings, now)

    return tell


def test_the_whole_text_of_a_usual_bot_and_relay(told):
    assert told(BOT, MIRROR, RELAY, {"WXSYNC_SERVER_STATE_DIR": "/s"}) == """\
配置没有错误

配置来源（后面的优先）：
  环境变量 AGENT_ID CORP_ID DOCKER_NAMESPACE DOCKER_REGISTRY ENCODING_AES_KEY GITHUB_REPO GITHUB_TOKEN SECRET \
TARGET_SERVER_URL TOKEN WXSYNC_SERVER_STATE_DIR

各部分：
  机器人：启用
  镜像同步：启用，由 GitHub Actions 复制（给了 github.token 和 github.repo）：acme/sync 的 main 分支
    目标 r.example/acme/
    开始前先查源仓库：启用
  文件上传：没有启用；要启用请设置 qingstor.access_key_id、qingstor.secret_access_key
  转发：启用

回调地址（填到企业微信后台「接收消息」的 URL，先启动服务再保存）：
  http://<服务器地址>:3000/wechat/callback
  换成企业微信能访问到的地址；有域名或前置代理时请设置 wecom.public_url

转发：
  /wework-callback/* → http://10.1.2.3:9000/*

监听：
  0.0.0.0:3000  机器人
  0.0.0.0:8502  转发
  127.0.0.1:8503  管理

时间：
  时区 CST（UTC+08:00），现在 2026-01-02 12:00:00
  下次清空 images.txt：2026-01-03 00:00:00

其他：
  状态目录 /s
  日志 标准错误，级别 info，格式 text
  保密的选项，已设置：wecom.secret、wecom.token、wecom.encoding_aes_key、github.token
"""


def test_no_secret_is_shown(told):
    text = told(BOT, MIRROR, LOGIN, {
        "PROXY_URL": "http://u:hidden-proxy@p", "WXSYNC_REGISTRY_SOURCE_AUTH": "ghcr.io=u:hidden-source"})
    assert "hidden" not in text
    assert not [value for value in (*BOT.values(), *MIRROR.values())[2:6] if value in text.replace("acme/sync", "")]
    assert "egress.proxy_url" in text


@pytest.mark.parametrize(("environ", "url"), [
    ({}, "http://<服务器地址>:3000/wechat/callback"),
    ({"PORT": "80", "WXSYNC_WECOM_PATH": "/cb"}, "http://<服务器地址>:80/cb"),
    ({"PORT": "0"}, "http://<服务器地址>:<端口>/wechat/callback"),
    ({"WXSYNC_SERVER_LISTEN": "10.0.0.5:81"}, "http://10.0.0.5:81/wechat/callback"),
    ({"WXSYNC_SERVER_LISTEN": "[fd00::5]:81"}, "http://[fd00::5]:81/wechat/callback"),
    ({"WXSYNC_SERVER_LISTEN": "127.0.0.1:81"}, "http://<服务器地址>:81/wechat/callback"),
    ({"WXSYNC_WECOM_PUBLIC_URL": "https://bot.example.com/"}, "https://bot.example.com/wechat/callback"),
])
def test_the_callback_url_is_the_one_to_enter_at_wecom(environ, url, told):
    assert f"\n  {url}\n" in told(BOT, environ)


def test_the_egress_proxy_is_explained(told):
    text = told(BOT, MIRROR, {"PROXY_URL": "http://bob:hidden@proxy.example.com:8080"})
    assert """
出口代理：
  http://proxy.example.com:8080（HTTP CONNECT，带用户名和口令）
  经代理：GitHub、镜像仓库
  直连：青云对象存储、转发、企业微信；以及 localhost、127.0.0.1、qingstor.com
  启动时和之后每 2 分钟经代理试连 https://www.google.com，连不上就全部直连，恢复后再经代理
""" in text
    text = told(BOT, {"PROXY_URL": "socks5h://p", "NO_PROXY_DOMAINS": "", "WXSYNC_WECOM_VIA_EGRESS": "yes"})
    assert """
  socks5h://p（SOCKS5，域名由代理解析）
  经代理：企业微信
  直连：青云对象存储、转发；以及 （no_proxy_domains 是空的）
""" in text
    assert "socks5h://p（SOCKS5，域名由代理解析）\n  没有要经代理的部分，不会使用\n" in told(RELAY, {"PROXY_URL": "socks5h://p"})
    assert "出口代理" not in told(BOT)


def test_a_part_without_a_listener_is_told(told):
    assert "没有机器人的监听地址" in told(BOT, RELAY, {"WXSYNC_SERVER_LISTEN": ":1=relay"})
    assert "没有转发的监听地址" in told(BOT, RELAY, {"WXSYNC_SERVER_LISTEN": ":1=bot"})


def test_parts_that_are_off_say_what_switches_them_on(told):
    text = told(RELAY)
    assert "机器人：没有启用；要启用请设置 wecom.corp_id、" in text
    assert "镜像同步：没有启用；要启用请设置 registry.registry、registry.namespace、github.token、github.repo" in text
    assert "回调地址" not in text


def test_which_engine_mirrors_and_why(told):
    local = {name: MIRROR[name] for name in ("DOCKER_REGISTRY", "DOCKER_NAMESPACE")} | LOGIN
    assert "由 GitHub Actions 复制（给了 github.token 和 github.repo）" in told(MIRROR, LOGIN)
    text = told(local)
    assert "镜像同步：启用，由本机直接复制（给了 registry.username 和 registry.password，没有 github.token）" in text
    assert "同时 4 个镜像，总时限 7200 秒，不用 GitHub" in text
    assert "由本机直接复制（engine 指定）" in told(MIRROR, LOGIN, {"WXSYNC_SYNC_ENGINE": "local"})
    assert "没有 GitHub 时改为 registry.username、registry.password" in told(RELAY)


def test_the_public_address_is_the_callbacks(told):
    text = told(BOT, {"WXSYNC_WECOM_PUBLIC_URL": "https://bot.example.com"})
    assert "\n  https://bot.example.com/wechat/callback\n" in text
    assert "不起作用" not in text


def test_an_upload_names_its_bucket_and_where_it_is(told):
    keys = {"QINGSTOR_ACCESS_KEY_ID": "id", "QINGSTOR_SECRET_ACCESS_KEY": "hidden", "QINGSTOR_ZONE": "sh1a"}
    assert "存储桶 tmp，https://tmp.sh1a.qingstor.com" in told(keys)


@pytest.mark.parametrize(("clock", "at", "wanted"), [
    ((23, 59, 59), "00:00:00", "2026-01-03 00:00:00"), ((0, 0, 0), "00:00:00", "2026-01-03 00:00:00"),
    ((12, 0, 0), "12:00:01", "2026-01-02 12:00:01"), ((12, 0, 2), "12:00:01", "2026-01-03 12:00:01")])
def test_the_next_rollover_is_the_next_such_time_of_day(clock, at, wanted, told):
    now = NOON.replace(hour=clock[0], minute=clock[1], second=clock[2])
    assert f"下次清空 images.txt：{wanted}" in told(MIRROR, {"WXSYNC_ROLLOVER_TIME": at}, now=now)


def test_a_relay_has_no_list_to_empty(told):
    assert "images.txt" not in told(RELAY)


def test_a_rollover_that_is_off_is_told(told):
    assert "不清空 images.txt" in told(MIRROR, {"WXSYNC_ROLLOVER_ENABLED": "no"})


@pytest.mark.parametrize(("environ", "warning"), [
    ({"WXSYNC_WECOM_API_BASE": "http://w"}, "wecom.api_base 是 http://"),
    ({"WXSYNC_GITHUB_API_BASE": "http://g"}, "github.api_base 是 http://"),
    ({**MIRROR, "GITHUB_REPO": "owner/repo"}, "示例里的 owner/repo"),
    ({"QINGSTOR_ACCESS_KEY_ID": "id", "QINGSTOR_SECRET_ACCESS_KEY": "k"}, "存储桶 tmp 少于 6 个字符"),
    ({"WXSYNC_SERVER_ADMIN_TOKEN": "short"}, "server.admin_token 少于 16 个字符"),
    (MIRROR, "没有启用机器人"),
])
def test_what_is_odd_but_works_is_a_warning(environ, warning, told):
    assert warning in told(RELAY, environ).partition("提醒：")[2]


def test_a_usual_configuration_has_no_warning(told):
    assert "提醒" not in told(BOT, MIRROR, RELAY)


def test_a_free_port_says_where_it_will_be_written(told):
    text = told(RELAY, {"FLASK_RUN_PORT": "0"})
    assert "0.0.0.0:0  转发（启动时选一个空闲端口，写在状态目录的 listeners.json）" in text


def test_the_pre_check_tells_that_it_is_off_and_where_else_it_asks(told):
    off = told(BOT, MIRROR, {"WXSYNC_REGISTRY_PRECHECK": "off",
                             "WXSYNC_REGISTRY_MIRRORS": "docker.io=http://127.0.0.1:5000/docker.io"})
    assert "开始前先查源仓库：关闭（registry.precheck = off）\n" in off
    assert "    源仓库 docker.io 由 http://127.0.0.1:5000/docker.io 代替\n" in off

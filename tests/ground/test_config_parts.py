"""Parts are whole or off; listeners, engine, admin token and paths fit them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.operator_site import BOT, MIRROR, RELAY, Site

LOGIN = {"WXSYNC_REGISTRY_USERNAME": "bob", "WXSYNC_REGISTRY_PASSWORD": "pw"}
DESTINATION = {name: MIRROR[name] for name in ("DOCKER_REGISTRY", "DOCKER_NAMESPACE")}
GITHUB = {name: MIRROR[name] for name in ("GITHUB_TOKEN", "GITHUB_REPO")}
UPLOAD = {"QINGSTOR_ACCESS_KEY_ID": "id", "QINGSTOR_SECRET_ACCESS_KEY": "key"}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def listening(site: Site, *environ: dict[str, str]) -> list[str]:
    return [f"{listener}={listener.part}" for listener in site.load(*environ).settings.server.listen]


@pytest.mark.parametrize(("environ", "parts"), [
    (BOT, "bot"), (RELAY, "relay"), (BOT | RELAY, "bot relay"), (BOT | MIRROR, "bot mirror"), (MIRROR, "mirror"),
    (DESTINATION | LOGIN, "mirror"), (MIRROR | LOGIN, "mirror"), (UPLOAD, "upload"), (BOT | UPLOAD, "bot upload"),
])
def test_each_part_stands_alone(environ, parts, site):
    settings = site.load(environ).settings
    on = [name for name in ("bot", "mirror", "upload", "relay") if getattr(settings, f"has_{name}")]
    assert on == parts.split()


@pytest.mark.parametrize("name", BOT)
def test_a_half_filled_bot_names_what_is_missing(name, site):
    (problem,) = site.problems({key: value for key, value in BOT.items() if key != name})
    assert problem.startswith("机器人只配置了一部分，缺少：")
    assert f"（环境变量 {name}）" in problem
    assert problem.count("环境变量") == 1


@pytest.mark.parametrize(("environ", "missing"), [
    (DESTINATION, "github.token（环境变量 GITHUB_TOKEN）、github.repo（环境变量 GITHUB_REPO）"),
    (GITHUB, "registry.registry（环境变量 DOCKER_REGISTRY）、registry.namespace（环境变量 DOCKER_NAMESPACE）"),
    (DESTINATION | {"GITHUB_TOKEN": "t"}, "github.repo（环境变量 GITHUB_REPO）"),
    (DESTINATION | {"WXSYNC_REGISTRY_USERNAME": "u"}, "registry.password（环境变量 WXSYNC_REGISTRY_PASSWORD）"),
    (MIRROR | {"WXSYNC_REGISTRY_USERNAME": "u"}, "registry.password（环境变量 WXSYNC_REGISTRY_PASSWORD）"),
    (DESTINATION | LOGIN | {"GITHUB_TOKEN": "t"}, "github.repo（环境变量 GITHUB_REPO）"),
    (LOGIN, "registry.registry（环境变量 DOCKER_REGISTRY）、registry.namespace（环境变量 DOCKER_NAMESPACE）"),
    (DESTINATION | {"GITHUB_TOKEN": "t", "WXSYNC_REGISTRY_USERNAME": "u"},
     "github.repo（环境变量 GITHUB_REPO）、registry.password（环境变量 WXSYNC_REGISTRY_PASSWORD）"),
])
def test_a_half_filled_mirror_names_what_is_missing(environ, missing, site):
    (problem,) = site.problems(environ)
    assert problem == f"镜像同步只配置了一部分，缺少：{missing} (补上这些，或删掉这一部分的全部设置)"


def test_a_half_filled_upload_names_what_is_missing(site):
    (problem,) = site.problems(RELAY, {"QINGSTOR_ACCESS_KEY_ID": "id"})
    assert "文件上传只配置了一部分，缺少：qingstor.secret_access_key" in problem


def test_what_was_written_wrong_is_not_missing_too(site):
    problems = site.problems(BOT, {"TOKEN": "not a token"})
    assert len(problems) == 1


def test_the_engine_follows_what_is_configured(site):
    assert site.load(BOT).settings.engine == ""
    assert site.load(MIRROR).settings.engine == "actions"
    assert site.load(MIRROR, LOGIN).settings.engine == "actions"
    assert site.load(DESTINATION, LOGIN).settings.engine == "local"
    assert site.load(MIRROR, LOGIN, {"WXSYNC_SYNC_ENGINE": "local"}).settings.engine == "local"
    assert site.load(RELAY, {"WXSYNC_SYNC_ENGINE": "local"}).settings.engine == ""


def test_an_engine_without_its_credentials_is_an_error(site):
    (problem,) = site.problems(MIRROR, {"WXSYNC_SYNC_ENGINE": "local"})
    assert "engine = local 需要 registry.username、registry.password" in problem
    (problem,) = site.problems(DESTINATION, LOGIN, {"WXSYNC_SYNC_ENGINE": "actions"})
    assert "engine = actions 需要 github.token、github.repo" in problem


def test_default_listeners_open_for_the_parts_that_are_on(site):
    assert listening(site, BOT) == ["0.0.0.0:3000=bot"]
    assert listening(site, RELAY) == ["0.0.0.0:8502=relay"]
    assert listening(site, BOT, RELAY) == ["0.0.0.0:3000=bot", "0.0.0.0:8502=relay"]
    assert listening(site, MIRROR) == []


def test_old_port_variables_replace_the_default_ports_only(site):
    ports = {"PORT": "80", "FLASK_RUN_PORT": "0"}
    assert listening(site, BOT, RELAY, ports) == ["0.0.0.0:80=bot", "0.0.0.0:0=relay"]
    assert listening(site, RELAY, ports) == ["0.0.0.0:0=relay"]
    assert listening(site, BOT, ports, {"WXSYNC_SERVER_LISTEN": ":81"}) == ["0.0.0.0:81=all"]
    assert listening(site, BOT, {"PORT": "tcp://1.2.3.4:80", "WXSYNC_SERVER_LISTEN": ":81"}) == ["0.0.0.0:81=all"]


def test_an_explicit_listener_of_a_part_that_is_off_is_an_error(site):
    (problem,) = site.problems(RELAY, conf="[server]\nlisten = :1=relay, :2=bot\n")
    assert "etc/wxsync.conf:2 [server] listen = :1=relay, :2=bot: 监听 0.0.0.0:2 的部分（机器人）没有启用" in problem
    (problem,) = site.problems(BOT, {"WXSYNC_SERVER_LISTEN": ":1=relay"})
    assert "[proxy] targets" in problem
    assert listening(site, RELAY, {"WXSYNC_SERVER_LISTEN": ":1"}) == ["0.0.0.0:1=all"]


@pytest.mark.parametrize(("listen", "collides"), [
    (":80, :80", True), (":80=bot, 127.0.0.1:80", True), ("127.0.0.1:80, 127.0.0.2:80", False), ("[::]:80, :80", False),
    ("[::]:80, [::1]:80", True), (":0, :0", False), (":8503", True), ("10.0.0.1:8503", False), (":80, :81", False)])
def test_listeners_that_would_take_each_others_port_are_errors(listen, collides, site):
    environ = BOT | {"WXSYNC_SERVER_LISTEN": listen}
    if collides:
        assert "占用同一个端口" in site.problems(environ)[0]
    else:
        assert site.load(environ)


def test_one_port_for_both_old_programs_is_an_error(site):
    assert "占用同一个端口" in site.problems(BOT, RELAY, {"PORT": "80", "FLASK_RUN_PORT": "80"})[0]


def test_an_admin_listener_that_others_can_reach_needs_a_token(site):
    far = {"WXSYNC_SERVER_ADMIN_LISTEN": "0.0.0.0:8503"}
    (problem,) = site.problems(RELAY, far)
    assert "必须设置 server.admin_token" in problem
    assert site.load(RELAY, far, {"WXSYNC_SERVER_ADMIN_TOKEN": "0123456789abcdef"})
    assert site.load(RELAY, {"WXSYNC_SERVER_ADMIN_LISTEN": "localhost:1"})
    assert site.load(RELAY, {"WXSYNC_SERVER_ADMIN_LISTEN": "[::1]:1"})


@pytest.mark.parametrize(("environ", "what"), [
    ({"WXSYNC_WECOM_PATH": "/health"}, "留给健康检查"), ({"WXSYNC_PROXY_PREFIX": "/health"}, "留给健康检查"),
    ({"WXSYNC_WECOM_PATH": "/wework-callback"}, "在转发前缀"),
    ({"WXSYNC_WECOM_PATH": "/wework-callback/x"}, "在转发前缀"),
    ({"WXSYNC_WECOM_PUBLIC_URL": "https://b.example/wechat/callback"}, "带了回调路径")])
def test_paths_that_would_hide_each_other_are_errors(environ, what, site):
    assert what in site.problems(BOT, RELAY, environ)[0]


def test_paths_side_by_side_are_fine(site):
    assert site.load(BOT, RELAY, {"WXSYNC_WECOM_PATH": "/wework-callback2", "WXSYNC_WECOM_PUBLIC_URL": "https://b/x"})

"""Where settings come from, which source wins, and what is told of each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.operator_site import BOT, MIRROR, RELAY, Site
from wxsync.config.load import ConfigErrors
from wxsync.config.sources import DEFAULT_FILE, surroundings
from wxsync.options.addresses import Listener
from wxsync.options.settings import OPTIONS

DATA = Path(__file__).resolve().parents[1] / "data" / "dotenv"
RELAY_CONF = "[proxy]\ntargets = http://10.1.2.3:9000\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_later_sources_win(site):
    conf = RELAY_CONF + "timeout = 1\nconnect_timeout = 1\nmax_body = 1\n"
    assert site.load(conf=conf).settings.proxy.timeout == 1
    env = {"WXSYNC_PROXY_CONNECT_TIMEOUT": "2", "WXSYNC_PROXY_MAX_BODY": "2"}
    site.write("credentials/proxy.max_body", "3\n")
    loaded = site.load(env, conf=conf)
    proxy = loaded.settings.proxy
    assert (proxy.timeout, proxy.connect_timeout, proxy.max_body, proxy.prefix) == (1, 2, 3, "/wework-callback")
    assert loaded.sources == (
        f"配置文件 {site.default}", "环境变量 WXSYNC_PROXY_CONNECT_TIMEOUT WXSYNC_PROXY_MAX_BODY",
        "凭据 proxy.max_body")


# A value that differs from the default, for the options that do not take "9", "abcdefg" or a changed switch.
OTHER_VALUES = {
    "server.listen": ":1=relay", "server.admin_listen": "127.0.0.1:2", "server.trusted_proxies": "10.0.0.1",
    "server.state_dir": "/s", "server.max_head": "2048", "server.max_request_line": "512", "log.file": "/l",
    "log.level": "error", "log.format": "json", "log.max_bytes": "4096", "wecom.corp_id": "ww1", "wecom.path": "/cb",
    "wecom.encoding_aes_key": "a" * 43, "wecom.public_url": "https://b", "wecom.api_base": "https://b",
    "github.repo": "o/r", "github.workflow": "w.yml", "github.api_base": "https://b", "sync.engine": "local",
    "registry.source_auth": "h=u:p", "registry.mirrors": "h=http://m", "registry.allow_networks": "10.0.0.0/8",
    "qingstor.endpoint": "http://q:1", "upload.part_size": "5M", "upload.allow_networks": "10.1.0.0/16",
    "egress.proxy_url": "http://p", "egress.check_url": "https://c", "egress.ca_file": "/ca",
    "proxy.targets": "http://t", "proxy.prefix": "/p", "proxy.health_path": "/hz", "jobs.when_busy": "queue",
    "rollover.time": "01:02:03",
}


def test_every_option_can_come_by_its_own_variable_and_by_credential(site):
    default = site.load(RELAY).settings
    values = dict(OTHER_VALUES)
    for option in OPTIONS:
        if option.key not in values:
            was = default.value(option)
            simple = {bool: "no" if was else "yes", float: "9", int: "9", str: "abcdefg", tuple: "abcdefg"}
            values[option.key] = simple[type(was)]
    by_variable = site.load({option.variable: values[option.key] for option in OPTIONS}).settings
    for key, value in values.items():
        site.write(f"credentials/{key}", value)
    by_credential = site.load().settings
    assert by_variable == by_credential
    assert not [option.key for option in OPTIONS if by_variable.value(option) == default.value(option)]


@pytest.mark.parametrize("name", [option.key for option in OPTIONS if option.row.secret])
def test_no_error_shows_a_secret(name, site):
    option = next(each for each in OPTIONS if each.key == name)
    hidden = "hidden value: \u200b!"
    site.write(f"credentials/{name}", hidden)
    for problems in (site.problems({option.variable: hidden}), site.problems({option.variable: '"hidden"'}),
                     site.problems(conf=f"[{option.section}]\n{option.name} = {hidden}\n  {hidden}\n{hidden}\n")):
        assert problems
        assert "hidden" not in "".join(problems)


def test_the_seeds_env_files_work_unchanged(site):
    site.write("cwd/.env", (DATA / "bot.env").read_bytes())
    settings = site.load().settings
    assert settings.has_bot
    assert settings.has_mirror
    assert not settings.has_upload
    assert not settings.has_relay
    assert settings.server.listen == (Listener("0.0.0.0", 3000, "bot"),)
    assert settings.engine == "actions"
    assert (settings.wecom.agent_id, settings.registry.namespace) == (1000002, "acme")

    site.write("cwd/.env", (DATA / "bot-all.env").read_bytes())
    settings = site.load().settings
    assert settings.has_upload
    assert settings.egress.proxy_url == "http://proxy.example.com:8080"

    site.write("cwd/.env", (DATA / "relay.env").read_bytes())
    settings = site.load().settings
    assert (settings.has_bot, settings.has_relay) == (False, True)
    assert settings.server.listen == (Listener("0.0.0.0", 8502, "relay"),)
    assert settings.proxy.targets == ("http://10.1.2.3:9000",)
    assert settings.log.level == "debug"

    site.write("cwd/.env", b"\xef\xbb\xbf" + (DATA / "bot.env").read_bytes() + (DATA / "relay.env").read_bytes())
    listen = site.load().settings.server.listen
    assert [(listener.port, listener.part) for listener in listen] == [(3000, "bot"), (8502, "relay")]


def test_env_files_are_read_when_there_is_no_configuration_file_or_when_named(site):
    site.write("cwd/.env", "TARGET_SERVER_URL=http://local\n")
    site.write("other.env", "TARGET_SERVER_URL=http://other\n")
    assert site.load().settings.proxy.targets == ("http://local",)
    assert site.load(env_file="../other.env").settings.proxy.targets == ("http://other",)
    assert site.load(conf=RELAY_CONF).settings.proxy.targets == ("http://10.1.2.3:9000",)
    assert site.load(env_file=str(site.root / "other.env")).settings.proxy.targets == ("http://other",)
    site.default.unlink()
    site.write("named.conf", RELAY_CONF)
    assert site.load(config=str(site.root / "named.conf")).settings.proxy.targets == ("http://10.1.2.3:9000",)


def test_the_real_environment_wins_over_an_env_file(site):
    site.write("cwd/.env", "TARGET_SERVER_URL=http://file\nWXSYNC_PROXY_TIMEOUT=1\n")
    settings = site.load({"TARGET_SERVER_URL": "http://real"}).settings
    assert settings.proxy.targets == ("http://real",)
    assert settings.proxy.timeout == 1


def test_an_options_own_name_wins_over_its_old_one(site):
    assert site.load(RELAY, {"WXSYNC_PROXY_TARGETS": "http://own"}).settings.proxy.targets == ("http://own",)
    assert site.load(RELAY, {"FLASK_DEBUG": "1", "WXSYNC_LOG_LEVEL": "error"}).settings.log.level == "error"


def test_a_missing_default_file_is_fine_and_a_missing_named_one_is_an_error(site):
    assert site.load(RELAY).settings.has_relay
    (problem, *_) = site.problems(RELAY, config="nothing.conf")
    assert problem.startswith("cwd/nothing.conf: 没有这个文件")
    (problem, *_) = site.problems(RELAY, env_file="nothing.env")
    assert problem.startswith("cwd/nothing.env: 没有这个文件")


def test_nothing_configured_is_an_error_that_says_what_to_write(site):
    (problem,) = site.problems()
    assert problem.startswith("没有启用任何部分")
    assert "[wecom]" in problem
    with pytest.raises(ConfigErrors, match="没有找到任何配置"):
        site.load()
    (problem,) = site.problems(conf="[proxy]\ntargets =\n[egress]\nproxy_url = http://p\n[qingstor]\nzone = sh1a\n")
    assert problem.startswith("没有启用任何部分")


def test_all_mistakes_are_told_at_once_in_the_files_order_with_place_value_and_mend(site):
    conf = """\
[proxy]
targets = ftp://h
timeuot = 30
timeout = 30x
[wecmo]
secret = hidden
[jobs]
timeout = 1
max_queue =
timeout = 2
oddly = 3
"""
    assert site.problems({"WXSYNC_PROXY_TIMOUT": "1", "PORT": "http"}, conf=conf) == [
        "etc/wxsync.conf:2 [proxy] targets = ftp://h: 不是地址 (写 https://主机[:端口][/路径]，没有空格、? 和 #)",
        "etc/wxsync.conf:3 [proxy] timeuot: 没有这个选项 (是不是 timeout？)",
        "etc/wxsync.conf:4 [proxy] timeout = 30x: 不是时间 (写秒数，可带单位 s m h d，例如 30、1.5、5m、6h)",
        "etc/wxsync.conf:5 [wecmo]: 没有这一节 (是不是 [wecom]？)",
        "etc/wxsync.conf:8 [jobs] timeout: 没有这个选项 (它属于 [proxy])",
        "etc/wxsync.conf:9 [jobs] max_queue = : 值是空的 (删掉它就用默认值 20)",
        "etc/wxsync.conf:10 [jobs] timeout: 这个选项在第 8 行已经写过 (只留一处)",
        "etc/wxsync.conf:11 [jobs] oddly: 没有这个选项 "
        "([jobs] 的选项：when_busy、max_queue、upload_workers、history_days)",
        "环境变量 WXSYNC_PROXY_TIMOUT: 没有这个选项 (是不是 WXSYNC_PROXY_TIMEOUT？)",
        "环境变量 PORT [server] listen = http: 不是端口号 (写 0 到 65535 之间的整数，例如 3000)",
    ]


def test_the_exceptions_text_has_every_problem_and_the_sources(site):
    with pytest.raises(ConfigErrors) as caught:
        site.load(conf="[proxy]\ntargets = http://h\ntimeout = x\nprefix = x\n")
    lines = str(caught.value).splitlines()
    assert lines[0] == f"配置有 2 处错误（读取了：配置文件 {site.default}）"
    assert [line.strip().split(" ")[0] for line in lines[1:]] == [f"{site.default}:3", f"{site.default}:4"]


def test_names_like_nothing_known_list_what_there_is(site):
    problems = site.problems({"WXSYNC_": "1"}, conf="[zzz]\nx = 1\n" + RELAY_CONF + "[DEFAULT]\ny = 2\n")
    assert problems[0].endswith(
        "(节只有：server、log、wecom、github、sync、registry、qingstor、upload、egress、proxy、jobs、rollover)")
    assert problems[1].startswith("etc/wxsync.conf:5 [DEFAULT]: 没有这一节")
    assert problems[2] == "环境变量 WXSYNC_: 没有这个选项 (名字是 WXSYNC_节_选项，见 docs/configuration.md)"


def test_mistakes_in_an_env_file_carry_file_line_and_name(site):
    site.write("cwd/.env", "# head\nTARGET_SERVER_URL=nowhere\nWXSYNC_LOG_LEVL=info\n")
    assert site.problems() == [
        "cwd/.env:2 TARGET_SERVER_URL [proxy] targets = nowhere: 不是地址 "
        "(写 https://主机[:端口][/路径]，没有空格、? 和 #)",
        "cwd/.env:3 WXSYNC_LOG_LEVL: 没有这个选项 (是不是 WXSYNC_LOG_LEVEL？)",
    ]


def test_what_python_dotenv_would_pass_over_is_a_warning(site):
    site.write("cwd/.env", "TARGET_SERVER_URL=http://h\n=broken\nCORPID=ww1\nFLASK_ENV=x\nUNRELATED_THING=1\n")
    warnings = [warning.replace(f"{site.root}/", "") for warning in site.load().warnings]
    assert warnings[:2] == ["cwd/.env:2 这一行读不懂，已忽略", "cwd/.env:3 不认识 CORPID，已忽略（是不是 CORP_ID？）"]
    assert not [warning for warning in warnings if "UNRELATED" in warning]


@pytest.mark.parametrize("text", [
    "your_corp_id", "wwxxxxxxxxxxxxxxxx", "your-id", "YOUR_ID", "xxxxxxxx", "<corp id>", "您的企业ID"])
def test_example_texts_are_errors(text, site):
    (problem, *_) = site.problems(conf=f"[wecom]\ncorp_id = {text}\n")
    assert "还是示例里的文字" in problem


@pytest.mark.parametrize(("key", "text"), [
    ("github.repo", "your_username/your_repo"), ("github.token", "ghp_xxxxxxxxxxxxxxxxxxxx"),
    ("proxy.targets", "http://ok, http://your-internal-server.com"), ("registry.namespace", "your_namespace"),
    ("wecom.encoding_aes_key", "your_43_chars_encoding_aes_key"), ("registry.source_auth", "ghcr.io=your-user:x"),
    ("registry.registry", "your-registry.example"), ("registry.username", "用户名"),
    ("registry.password", "目标仓库的口令"), ("registry.source_auth", "ghcr.io=用户名:口令"),
    ("egress.proxy_url", "http://用户:口令@proxy.example.com:8080")])
def test_example_texts_inside_a_value_are_errors(key, text, site):
    section, _, name = key.partition(".")
    assert any("还是示例里的文字" in problem for problem in site.problems(conf=f"[{section}]\n{name} = {text}\n"))


def test_real_values_are_never_taken_for_examples(site):
    real = {"SECRET": "ab-your_x-xxxxx", "TOKEN": "xxx", "GITHUB_REPO": "owner/repo", "DOCKER_NAMESPACE": "my-your"}
    assert site.load(BOT, MIRROR, real).settings.has_mirror


@pytest.mark.parametrize(("text", "what"), [
    ('"http://h"', "值带着引号"), ("'http://h'", "值带着引号"), ("http://h\x07", "不可见"),
    ("http://h\u200b", "不可见"), ("x" * 70_000, "值太长")])
def test_what_no_option_may_be_is_refused_for_every_kind(text, what, site):
    (problem, *_) = site.problems(conf=f"[proxy]\ntargets = {text}\n")
    assert what in problem
    assert len(problem) < 500


def test_an_option_indented_by_mistake_is_explained(site):
    (problem, *_) = site.problems(conf=RELAY_CONF + "prefix = /a\n  timeout = 30\n")
    assert "prefix = /a, timeout = 30: 值有好几行" in problem
    assert "顶格写" in problem


def test_an_error_never_shows_the_password_inside_a_url(site):
    (problem,) = site.problems(conf="[proxy]\ntargets = http://user:hidden@10.0.0.1\n")
    assert "hidden" not in problem
    assert "http://…@10.0.0.1" in problem


def test_quotes_in_a_credential_belong_to_the_value(site):
    site.write("credentials/registry.password", '"p w"\n')
    settings = site.load(MIRROR, {"WXSYNC_REGISTRY_USERNAME": "u"}).settings
    assert settings.registry.password == '"p w"'


@pytest.mark.parametrize(("key", "wanted"), [
    ("server.trusted_proxies", ()), ("egress.no_proxy_domains", ()), ("egress.proxy_url", ""), ("sync.engine", "")])
def test_an_empty_value_is_the_empty_list_or_not_given(key, wanted, site):
    section, _, name = key.partition(".")
    settings = site.load(conf=f"{RELAY_CONF}[{section}]\n{name} =\n").settings
    assert getattr(getattr(settings, section), name) == wanted


def test_an_old_variable_that_is_empty_is_not_given_but_for_a_list(site):
    empty = dict.fromkeys(("GITHUB_BRANCH", "PORT", "FLASK_DEBUG", "QINGSTOR_ZONE", "CORP_ID", "NO_PROXY_DOMAINS"), "")
    settings = site.load(RELAY, empty, conf="[github]\nbranch = dev\n").settings
    assert (settings.github.branch, settings.log.level, settings.qingstor.zone) == ("dev", "info", "pek3a")
    assert settings.egress.no_proxy_domains == ()
    (problem,) = site.problems(RELAY, {"WXSYNC_GITHUB_BRANCH": ""})
    assert problem == "环境变量 WXSYNC_GITHUB_BRANCH [github] branch = : 值是空的 (删掉它就用默认值 main)"


@pytest.mark.parametrize(("text", "level"), [("True", "debug"), ("1", "debug"), ("False", "info"), ("0", "info")])
def test_flask_debug_is_the_log_level_and_nothing_else(text, level, site):
    settings = site.load(RELAY, {"FLASK_DEBUG": text}).settings
    assert settings.log.level == level
    assert settings == site.load(RELAY, {"WXSYNC_LOG_LEVEL": level}).settings
    (problem,) = site.problems(RELAY, {"FLASK_DEBUG": "maybe"})
    assert problem.startswith("环境变量 FLASK_DEBUG [log] level = maybe: 不是开关值")


def test_files_of_other_encodings_and_sizes_are_refused_clearly(site):
    site.write("etc/wxsync.conf", "[proxy]\n# 中文\n".encode("gbk"))
    assert "etc/wxsync.conf: 不是 UTF-8 文本（第 2 行）" in site.problems(RELAY)[0]
    site.write("etc/wxsync.conf", b"#" * (1 << 20) + b"\n")
    assert "文件超过" in site.problems(RELAY)[0]
    site.default.unlink()
    site.default.mkdir()
    assert "读不了" in site.problems(RELAY)[0]


def test_a_default_file_that_may_not_be_looked_at_is_told_and_not_taken_for_missing(site):
    site.default = site.root / ("x" * 300)
    assert "读不了" in site.problems(RELAY)[0]


def test_marks_and_line_ends_of_windows_are_read(site):
    site.write("etc/wxsync.conf", "\ufeff[proxy]\r\ntargets =\r\n  http://a\r\n  http://b\r\n".encode())
    assert site.load().settings.proxy.targets == ("http://a", "http://b")


def test_a_percent_sign_and_a_hash_in_a_value_are_plain(site):
    conf = "[registry]\nregistry = r\nnamespace = n\nusername = u\npassword = 50%%(x)s #no ;comment\n"
    assert site.load(conf=conf).settings.registry.password == "50%%(x)s #no ;comment"


@pytest.mark.parametrize("text", ['"s3cret!"   ; 口令', "hunter2 # mine", "50% #no ;comment"])
def test_what_looks_like_a_comment_behind_a_value_is_doubted_without_showing_it(text, site):
    conf = f"[registry]\nregistry = r\nnamespace = n\nusername = u\npassword = {text}\n"
    (warning,) = site.load(conf=conf).warnings
    assert ":5 [registry] password 的值里有空格和 # 或 ;" in warning
    assert text[:6] not in warning


@pytest.mark.parametrize(("mode", "conf", "is_doubted"), [
    (0o644, "[server]\nadmin_token = 0123456789abcdef\n", True), (0o640, "[server]\nadmin_token = t\n", False),
    (0o644, "[server]\nthreads = 4\n", False)])
def test_secrets_in_a_file_that_everybody_can_read_are_doubted(mode, conf, is_doubted, site):
    site.write("etc/wxsync.conf", conf).chmod(mode)
    warnings = site.load(RELAY).warnings
    assert [f"chmod 600 {site.default}" in each for each in warnings] == [True] * is_doubted


def test_quotes_that_are_kept_are_doubted_and_plain_values_are_not(site):
    site.write("credentials/registry.password", '"p w"\n')
    (warning,) = site.load(MIRROR, {"WXSYNC_REGISTRY_USERNAME": "u#;"}).warnings
    assert warning == "凭据 registry.password [registry] password 的值带着引号，引号算作值"


def test_credentials_with_foreign_names_are_left_alone_and_misspelt_ones_told(site):
    for name in ("tls.pem", "other", "wecom.secret~"):
        site.write(f"credentials/{name}", "x")
    assert site.load(RELAY).settings.has_relay
    site.write("credentials/wecom.secrte", "hidden")
    site.write("credentials/wecom.token", b"\xff")
    problems = site.problems(RELAY)
    assert problems[0] == "凭据 wecom.secrte [wecom] secrte: 没有这个选项 (是不是 secret？)"
    assert problems[1].startswith("credentials/wecom.token: 不是 UTF-8 文本（第 1 行）")


def test_a_credentials_directory_that_is_away_is_told(site):
    (problem,) = site.problems(RELAY, {"CREDENTIALS_DIRECTORY": "/does/not/exist"})
    assert problem.startswith("$CREDENTIALS_DIRECTORY = /does/not/exist: 读不了凭据目录")


def test_the_state_directory_comes_from_systemd_or_from_who_runs(site):
    def state_dir(**environ: str) -> str:
        return site.load(RELAY, environ).settings.server.state_dir

    assert state_dir() == f"{site.home}/.local/state/wxsyncd"
    assert state_dir(STATE_DIRECTORY="/var/lib/a:/var/lib/b") == "/var/lib/a"
    assert state_dir(STATE_DIRECTORY="/var/lib/a", WXSYNC_SERVER_STATE_DIR="~/s") == f"{site.home}/s"
    assert state_dir(WXSYNC_SERVER_STATE_DIR="s") == f"{site.cwd}/s"
    assert site.load(RELAY, is_root=True).settings.server.state_dir == "/var/lib/wxsyncd"
    assert site.load(RELAY, {"WXSYNC_LOG_FILE": "a.log"}).settings.log.file == f"{site.cwd}/a.log"


def test_the_surroundings_of_a_process_need_no_home():
    around = surroundings({"HOME": "/home/x"}, is_root=False)
    assert (around.home, around.default_file) == (Path("/home/x"), DEFAULT_FILE)
    assert surroundings({}, is_root=True).home == Path("/")
    assert around.cwd == Path.cwd()

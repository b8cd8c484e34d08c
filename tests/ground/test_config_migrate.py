"""What import-env writes means what the .env meant, and every problem stands beside its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.operator_site import BOT, MIRROR, RELAY, Site
from wxsync.config import migrate
from wxsync.config.load import ConfigErrors, settle
from wxsync.config.sources import Surroundings, read_env_files
from wxsync.options.settings import OPTIONS

SYNC = {**BOT, **MIRROR, "PORT": "3000"}
OLD_NAMES = [name for option in OPTIONS for name in option.row.env]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def env_text(variables: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def read(site: Site, *texts: str) -> migrate.Imported:
    names = []
    for number, text in enumerate(texts):
        names.append(str(site.write(f"{number}.env", text)))
    around = Surroundings({}, site.cwd, site.home, False, str(site.default))
    findings, foreign = read_env_files(names, around)
    return migrate.imported(settle(findings, around), findings, foreign)


def conf(found: migrate.Imported) -> str:
    return migrate.conf(found, hides_secrets=False)


def test_both_old_files_become_one_configuration_that_means_the_same(site):
    texts = (env_text(SYNC), env_text({**RELAY, "FLASK_RUN_PORT": "8600", "FLASK_DEBUG": "True"}))
    found = read(site, *texts)
    assert found.problems == ()
    site.write("cwd/.env", "".join(texts))
    direct = site.load().settings
    assert site.load(conf=conf(found)).settings == direct == found.settings
    assert "listen = 0.0.0.0:3000=bot, 0.0.0.0:8600=relay\n" in conf(found)
    assert "level = debug\n" in conf(found)
    assert f"# 来自 {site.root}/0.env:1 CORP_ID\ncorp_id = {BOT['CORP_ID']}\n" in conf(found)


def test_default_ports_are_not_written(site):
    assert "listen" not in conf(read(site, env_text(SYNC)))


def test_each_problem_stands_above_its_line_and_the_others_at_the_top(site):
    found = read(site, "CORP_ID=your_corp_id\nSECRET='a b'\nPORT=x\nWXSYNC_SERVER_PROCESSES=many\n")
    text = conf(found)
    assert "# 错误：还是示例里的文字（换成真实的值：企业 ID，见管理后台「我的企业」）\ncorp_id = your_corp_id\n" in text
    assert "可见的英文字符）\nsecret = a b\n" in text
    assert "# 错误：不是整数（写 1 到 64 之间的整数）\nprocesses = many\n" in text
    head = text.partition("\n[server]\n")[0]
    assert "机器人只配置了一部分" in head
    assert "不是端口号" in head
    assert len(found.problems) == 5
    with pytest.raises(ConfigErrors):
        site.load(conf=text)


def test_values_that_the_file_cannot_hold_are_left_out_and_told(site):
    found = read(site, r"""SECRET='"abc"'
TOKEN="two\nlines"
ENCODING_AES_KEY="a\ab"
GITHUB_TOKEN=""" + "x" * 70_000 + "\n")
    text = conf(found)
    for name in ("secret", "token", "encoding_aes_key"):
        assert f"\n{name} = <没有带入>\n" in text
    assert "# 错误：值两边都是引号，配置文件里写不了（改用环境变量或 systemd 凭据）\nsecret = <没有带入>\n" in text
    assert '"abc"' not in text
    assert "x" * 100 not in text


def test_secrets_are_in_the_file_but_not_in_a_preview_problem_or_remark(site):
    variables = {**SYNC, **RELAY, "PROXY_URL": "http://u:Pa55word@p:1", "QINGSTOR_ACCESS_KEY_ID": "QYkeyid0"}
    found = read(site, env_text(variables), "TOKEN=An0therT0ken\nnot a name\nQ0xhbG9uZWtleQ==\n")
    secrets = [BOT["SECRET"], BOT["ENCODING_AES_KEY"], MIRROR["GITHUB_TOKEN"], "Pa55word", "QYkeyid0", "An0therT0ken"]
    preview = migrate.conf(found, hides_secrets=True)
    told = "".join([preview, *map(str, found.problems), *found.remarks])
    assert all(secret in conf(found) for secret in secrets)
    assert not any(secret in told for secret in secrets)
    assert BOT["CORP_ID"] in preview
    assert any("示例里的文字" in problem for problem in site.problems(conf=preview))


def test_what_is_left_behind_or_doubtful_is_named(site):
    found = read(site, env_text(RELAY) + "FLASK_APP=app.py\n=x\n", "TARGET_SERVER_URL=http://10.9.9.9\n")
    remarks = "\n".join(found.remarks)
    assert f"没有带入，本程序不用：FLASK_APP（{site.root}/0.env:2）" in remarks
    assert "0.env:3 这一行读不懂" in remarks
    assert f"{site.root}/1.env:1 TARGET_SERVER_URL 与 {site.root}/0.env:1 TARGET_SERVER_URL 不同，用前者" in remarks
    assert found.settings.proxy.targets == ("http://10.9.9.9",)
    assert f"# 提醒：{found.remarks[0]}\n" in conf(found)


def test_the_template_has_every_old_name_and_loads_once_its_placeholders_are_filled(site):
    template = migrate.template()
    assert all(f"\n{name}=" in template or f"\n#{name}=" in template for name in OLD_NAMES)
    site.write("cwd/.env", template)
    problems = site.problems()
    assert len(problems) == len({*BOT, *MIRROR})
    assert all("示例里的文字" in problem for problem in problems)
    filled = template
    for name, value in {**BOT, **MIRROR}.items():
        filled = filled.replace(f"\n{name}=your_{name.lower()}\n", f"\n{name}={value}\n")
    site.write("cwd/.env", filled)
    assert site.load().settings == site.load(conf=conf(read(site, filled))).settings


# Values near the border of what is right: right ones, wrong ones, and ones that dotenv or INI could read differently.
PIECES = ["a", "Zq3", "=", ":", " ", "\t", "#", ";", "%", "$", "'", '"', "\\", ",", "\n", "http://h:1", "10.0.0.0/8",
          "[x]", "1", "30", "yes", "\u3000", "\x07", "\u2028", "中", "your_x", "all", "h=u:p", "/p", "{", "}", "@"]
VALUES = st.one_of(st.lists(st.sampled_from(PIECES), max_size=5).map("".join), st.text(max_size=8))
CHOSEN = st.dictionaries(
    st.sampled_from([*OLD_NAMES, *(option.variable for option in OPTIONS)]), VALUES, max_size=6)
BASES = st.sampled_from([SYNC, RELAY, {**SYNC, **RELAY}, {**BOT, **RELAY, "NO_PROXY_DOMAINS": ""}])


def quoted(value: str) -> str:
    """Write a value so that .env rules give it back, wherever there is such a way."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\r", "").replace("${", "$")
    return f"'{escaped}'"


@given(base=BASES, chosen=CHOSEN)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_files_mean_the_same_directly_and_imported(base, chosen, tmp_path_factory):
    root = tmp_path_factory.mktemp("random")
    site = Site(root)
    text = env_text({name: quoted(value) for name, value in {**base, **chosen}.items()})
    found = read(site, text)
    written = conf(found)
    site.write("cwd/.env", text)
    try:
        direct = site.load().settings
    except ConfigErrors as errors:
        assert len(found.problems) >= len(errors.problems)
        with pytest.raises(ConfigErrors):
            site.load(conf=written)
        return
    if found.problems:  # .env can hold a value between quotes of its own, the INI file cannot
        assert all("引号" in problem.what for problem in found.problems)
        with pytest.raises(ConfigErrors):
            site.load(conf=written)
    else:
        assert site.load(conf=written).settings == direct == found.settings

"""The command line as an operator types it: exit statuses, languages, old .env files."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from datetime import datetime, timedelta, timezone

import pytest

from tests.daemon.conftest import is_final
from tests.support.daemon import ROOT, DaemonProcess, clean_environment, wait_for
from wxsync.version import VERSION

ENTRY = str(ROOT / "wxsyncd.py")
# The examples of the two replaced programs, with real values in place of their placeholders.
SYNC_ENV = """# 企业微信配置
CORP_ID={corp_id}
AGENT_ID={agent_id}
SECRET={secret}
TOKEN={token}
ENCODING_AES_KEY={encoding_aes_key}

# GitHub 配置
GITHUB_TOKEN={github_token}
GITHUB_REPO={repo}
GITHUB_BRANCH=main

# 阿里云配置（GitHub Secrets）
DOCKER_REGISTRY=registry.cn-hangzhou.aliyuncs.com
DOCKER_NAMESPACE=mirror

# 服务配置
PORT=3000
"""
RELAY_ENV = """TARGET_SERVER_URL=http://127.0.0.1:9
FLASK_RUN_PORT=8502
FLASK_DEBUG=True
"""


def run(*arguments: str, cwd, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=clean_environment(**environ), text=True,
                          capture_output=True, timeout=60, check=False)


def test_version_and_help(tmp_path):
    assert run(ENTRY, "--version", cwd=tmp_path).stdout == f"wxsyncd {VERSION}\n"
    done = run(ENTRY, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "check-config" in done.stdout
    assert done.stdout.startswith("用法：wxsyncd")
    assert "options:" not in done.stdout
    assert "web-process" not in done.stdout
    assert "用法：wxsyncd demo" in run(ENTRY, "demo", "--help", cwd=tmp_path).stdout


@pytest.mark.parametrize(("arguments", "told"), [
    (("no-such-command",), "没有命令 'no-such-command'；见 wxsyncd --help"),
    (("web-process",), "缺少参数 state_dir, inherited；"), (("upload",), "缺少参数 URL|FILE；"),
    (("check-config", "--x"), "不认识的参数 --x；"), (("jobs", "--limit", "x"), "--limit 不是整数：'x'；"),
    (("demo", "--engine", "x"), "--engine 不能是 'x'；"), (("sync", "--file"), "--file 后面要写值；")])
def test_wrong_arguments_are_told_in_chinese_without_the_internal_command(tmp_path, arguments, told):
    done = run(ENTRY, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith(told)
    assert "web-process" not in last or arguments[0] == "web-process"


def test_the_entry_works_in_isolated_mode(tmp_path):
    assert run("-I", ENTRY, "--version", cwd=tmp_path).stdout == f"wxsyncd {VERSION}\n"


def test_check_config_prints_callback_url_time_zone_and_next_rollover(sandbox, tmp_path):
    daemon = DaemonProcess(tmp_path, {**sandbox.settings(), "server": {"listen": "0.0.0.0:3000=bot"}})
    done = run(ENTRY, "check-config", "--config", str(daemon.config), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ":3000/wechat/callback" in done.stdout
    tomorrow = datetime.now(timezone(timedelta(hours=8))).date() + timedelta(days=1)
    assert str(tomorrow) in done.stdout
    assert "+08:00" in done.stdout or "UTC+8" in done.stdout or "CST" in done.stdout
    for secret in ("secret", "token", "encoding_aes_key"):
        assert sandbox.settings()["wecom"][secret] not in done.stdout


def test_all_errors_are_listed_at_once_with_exit_status_78(tmp_path):
    (tmp_path / "wxsync.conf").write_text("[wecom]\ncorp_idd = ww1\ntoken = a b\n[github]\npoll = soon\n")
    for command in ("check-config", "run"):
        done = run(ENTRY, command, "--config", "wxsync.conf", cwd=tmp_path)
        assert done.returncode == 78
        text = done.stdout + done.stderr
        assert "wxsync.conf:2" in text
        assert "corp_id" in text
        assert "wxsync.conf:3" in text
        assert "wxsync.conf:5" in text
    assert run(ENTRY, "--config", "missing.conf", cwd=tmp_path).returncode == 78


def test_the_option_may_stand_before_or_after_the_command(sandbox, tmp_path):
    daemon = DaemonProcess(tmp_path, sandbox.settings())
    option = ("--config", str(daemon.config))
    for arguments in ((*option, "check-config"), ("check-config", *option)):
        assert run(ENTRY, *arguments, cwd=tmp_path).returncode == 0


@pytest.fixture
def launch(tmp_path):
    processes = []

    def start(**environ: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen([sys.executable, ENTRY], cwd=tmp_path, stdout=log, stderr=log,
                                       env=clean_environment(STATE_DIRECTORY=str(tmp_path / "state"), **environ))
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.terminate()
        process.wait(20)


def test_both_old_env_files_start_a_bot_and_a_relay_without_any_ini(sandbox, tmp_path, launch):
    settings = sandbox.settings()
    text = SYNC_ENV.format(**settings["wecom"], github_token=settings["github"]["token"],
                           repo=settings["github"]["repo"])
    (tmp_path / ".env").write_text(text + RELAY_ENV)
    # Only what points to the sandbox instead of the internet is added, by the new names.
    launch(WXSYNC_WECOM_API_BASE=sandbox.wecom.url, WXSYNC_GITHUB_API_BASE=sandbox.github.url,
           WXSYNC_GITHUB_POLL="0.05")
    wait_for(lambda: (tmp_path / "state" / "listeners.json").exists(), "listeners.json")
    sandbox.wecom.call_at("http://127.0.0.1:3000/wechat/callback")
    sandbox.wecom.verify()
    sandbox.wecom.send_text("zhangsan", "nginx:latest")
    answer = sandbox.wecom.wait_for("zhangsan", is_final, within_s=20).text
    assert "docker pull registry.cn-hangzhou.aliyuncs.com/mirror/nginx:latest" in answer
    for port in (3000, 8502):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            assert json.load(answer)["status"] == "ok"

"""The image: built from packed wheels without a network, run read-only and without rights, on an old .env."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

import pytest

from tests.e2e.runner import find_tool
from tests.e2e_install.containers import HARDENED, IMAGE
from tests.support.daemon import wait_for
from tests.support.documents import PAGES
from tests.support.requirement import lacks
from wxsync.version import VERSION

SHANGHAI = timezone(timedelta(hours=8))
FINAL = "✅❌⚠ℹ"


def sync(sandbox, text: str) -> str:
    after = max((entry.number for entry in sandbox.wecom.chat("zhangsan")), default=0)
    assert sandbox.wecom.send_text("zhangsan", text).is_accepted
    return sandbox.wecom.wait_for("zhangsan", lambda entry: entry.text[0] in FINAL, within_s=20, after=after).text


def test_the_image_says_how_it_runs_and_holds_no_secret(store):
    (image,) = json.loads(store.podman("image", "inspect", IMAGE).stdout)
    config = image["Config"]
    assert re.fullmatch("[1-9][0-9]*:[1-9][0-9]*", config["User"])
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"][0] == "python3"
    assert "/var/lib/wxsyncd" in config["Volumes"]
    assert store.podman("run", "--rm", "--network=none", IMAGE, "--version").stdout.strip() == f"wxsyncd {VERSION}"
    inside = ("run", "--rm", "--network=none", "--entrypoint=sh", IMAGE, "-c")
    assert store.podman(*inside, "ls -A /opt/wxsyncd").stdout.split() == ["LICENSE", "vendor", "wxsync", "wxsyncd.py"]
    look = "find /opt -perm /022 ! -type l; find / -xdev -name .env; grep -rl must-not-be-in /opt /var/lib || true"
    assert store.podman(*inside, look).stdout == ""
    licence = "ls /opt/wxsyncd/LICENSE /opt/wxsyncd/vendor/pycryptodome-*.dist-info/licenses/LICENSE.rst"
    store.podman(*inside, licence)


def test_an_old_env_serves_a_member_and_a_new_container_goes_on(sandbox, start):
    container = start()
    sandbox.wecom.verify()
    assert "docker pull" in sync(sandbox, "nginx:latest")
    assert container.execute("id", "-u").stdout.strip() == "10001"
    assert container.execute("touch", "/opt/wxsyncd/x", check=False).returncode != 0
    assert container.is_healthy()
    assert container.stop() == 0
    container = start()
    assert "nginx:latest" in sync(sandbox, "历史")
    assert container.stop() == 0


def test_chinas_midnight_empties_the_list(sandbox, start):
    began = time.monotonic()
    container = start(WXSYNC_ROLLOVER_TIME=f"{datetime.now(SHANGHAI) - timedelta(hours=1):%H:%M:%S}")
    sync(sandbox, "nginx:latest")
    day = container.read("images.txt")
    assert "nginx:latest" in day
    assert container.stop() == 0
    # Far enough for the next container to be there before, however slow the machine is.
    at = datetime.now(SHANGHAI) + timedelta(seconds=3 + time.monotonic() - began)
    container = start(WXSYNC_ROLLOVER_TIME=f"{at:%H:%M:%S}")
    wait_for(lambda: container.read("images.txt") == "", "the emptied list", within_s=90)
    assert datetime.now(SHANGHAI) >= at.replace(microsecond=0)
    assert sandbox.github.text("images.txt") == day


def test_a_container_that_does_not_listen_is_not_healthy(store):
    store.podman("run", "--detach", "--name=idle", "--network=none", *HARDENED, "--entrypoint=sleep", IMAGE, "60")
    assert store.podman("healthcheck", "run", "idle", check=False).returncode != 0


def test_a_wrong_configuration_ends_it_with_78_and_every_error(store, tmp_path):
    (tmp_path / ".env").write_text("CORP_ID=your_corp_id\nPORT=x\n")
    done = store.podman("run", "--rm", "--network=none", *HARDENED, f"--env-file={tmp_path}/.env", IMAGE, check=False)
    assert done.returncode == 78
    assert "还是示例里的文字" in done.stderr
    assert "不是端口号" in done.stderr


def test_a_wheel_that_is_not_the_locked_one_stops_the_build(store, tmp_path):
    context = tmp_path / "context"
    shutil.copytree(store.directory / "context", context)
    (wheel,) = (context / "wheels").glob("*.whl")
    with wheel.open("r+b") as file:
        file.seek(1000)
        file.write(b"\0")
    done = store.build(context, check=False)
    assert done.returncode != 0
    assert "wrong sha256" in done.stdout + done.stderr


@pytest.fixture
def composed(store, tmp_path):
    """The project as an operator starts it: docker-compose.yml beside an old .env of the replaced relay."""
    tool = find_tool("podman-compose") or lacks("missing: podman-compose (see tests/requirements-e2e.txt)")
    context = tmp_path / "project"
    shutil.copytree(store.directory / "context", context)
    (context / ".env").write_text("TARGET_SERVER_URL=http://127.0.0.1:9\nFLASK_RUN_PORT=18502\nPORT=13000\n")
    (context / "images.txt").write_text("alpine:3 to r.example/acme/alpine:3\n")

    def compose(*arguments: str) -> str:
        command = [tool, "--podman-path", str(store.podman_path), *arguments]
        done = store.run(command, cwd=context)
        return done.stdout + done.stderr

    yield compose
    compose("down", "--volumes")


def fetch(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_compose_starts_it_on_the_old_ports_and_keeps_what_nginx_on_the_host_says(composed):
    take_list = re.search(r"(?m)^docker-compose (run --rm .*?)(?: +#.*)?$", PAGES["operation.md"])
    composed(*shlex.split(take_list[1]))
    composed("up", "--detach", "--no-build")
    wait_for(lambda: fetch("http://127.0.0.1:18502/health") == 200, "the published port")
    assert "image-sync" in composed("ps")
    assert fetch("http://127.0.0.1:18502/wework-callback/x", **{"X-Forwarded-For": "203.0.113.7"}) == 502
    line = wait_for(lambda: re.search("web.access (.*)/wework-callback/x", composed("logs", "image-sync")), "the log")
    assert line[1].startswith("203.0.113.7 ")
    for command in re.findall(r"(?m)^docker-compose (exec image-sync .*?)(?: +#.*)?$", PAGES["operation.md"]):
        assert "Error" not in composed(*shlex.split(command))
    assert "alpine:3 -> alpine:3" in composed("exec", "image-sync", "cat", "images.txt")
    assert "backup.sqlite3" in composed("exec", "image-sync", "ls")

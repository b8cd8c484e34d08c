"""What the container tests share: one store with the built image, and old .env files on a sandbox."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e_install import containers
from tests.e2e_install.containers import Container, Store
from tests.support.requirement import need
from wxsync.sandbox.github.runs import Pace
from wxsync.sandbox.stand_ins import StandIns


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    """A store with the image; not below tmp_path, which pytest keeps for days."""
    need("debootstrap", "podman", "buildah", "runc", "unshare", root=True)
    made = Store(Path(tempfile.mkdtemp(prefix="wxsyncd-store-")))
    try:
        made.lay_base()
        made.build(containers.context(made.directory / "context"))
        yield made
    finally:
        made.close()


@pytest.fixture
def sandbox() -> Iterator[StandIns]:
    with StandIns(pause_s=0.2, pace=Pace(queued=0.02, plan=0.02, image=0.05)) as stand_ins:
        yield stand_ins


@pytest.fixture
def old_env(sandbox: StandIns, tmp_path: Path) -> Path:
    """An .env of the replaced bot, in its names alone."""
    settings = sandbox.settings()
    wecom, github, registry = settings["wecom"], settings["github"], settings["registry"]
    path = tmp_path / ".env"
    path.write_text(f"""# 企业微信配置
CORP_ID={wecom["corp_id"]}
AGENT_ID={wecom["agent_id"]}
SECRET={wecom["secret"]}
TOKEN={wecom["token"]}
ENCODING_AES_KEY={wecom["encoding_aes_key"]}

GITHUB_TOKEN={github["token"]}
GITHUB_REPO={github["repo"]}
GITHUB_BRANCH={github["branch"]}
DOCKER_REGISTRY={registry["registry"]}
DOCKER_NAMESPACE={registry["namespace"]}
PORT=0
FLASK_DEBUG=False
""", encoding="utf-8")
    return path


@pytest.fixture
def start(store: Store, sandbox: StandIns, old_env: Path, tmp_path: Path) -> Iterator[Callable[..., Container]]:
    """Return a function that starts a container on the sandbox and joins the two; the volume is the test's own."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    shutil.chown(state, 10001, 10001)
    started: list[Container] = []

    def run(**environ: str) -> Container:
        # Only what points to the sandbox instead of the internet, and free ports.
        new = {"WXSYNC_WECOM_API_BASE": sandbox.wecom.url, "WXSYNC_GITHUB_API_BASE": sandbox.github.url,
               "WXSYNC_GITHUB_POLL": "0.05", "WXSYNC_REGISTRY_PRECHECK": "off",
               "WXSYNC_SERVER_ADMIN_LISTEN": "127.0.0.1:0", **environ}
        container = Container(store, f"t{len(started)}-{tmp_path.name[:20]}", old_env, new,
                              f"--volume={state}:/var/lib/wxsyncd")
        started.append(container)
        sandbox.wecom.call_at(f"http://127.0.0.1:{container.port('bot')}/wechat/callback")
        return container

    yield run
    for container in started:
        store.podman("rm", "--force", "--ignore", "--time=5", container.name)

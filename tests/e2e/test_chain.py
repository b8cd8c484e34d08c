"""The whole way: a chat message, the daemon, one of its engines, two real registries, the answer.

Engine `actions`: GitHub's interface and the real workflow; engine `local`: the daemon copies by itself. The same list
must give the same content and the same answers.
"""
from __future__ import annotations

import configparser
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.daemon.conftest import FINAL, ask, join
from tests.e2e.acted_github import ActedGitHub
from tests.e2e.conftest import PUBLIC_HOSTS, Mirror, Site, described, need
from tests.e2e.registries import PASSWORD, USER
from tests.support.daemon import DaemonProcess
from wxsync.sandbox.bodies import Body
from wxsync.sandbox.wecom.stand_in import WeCom

THREE = ("linux/amd64", "linux/arm64/v8", "linux/arm/v7")
OTHER = {"DOCKER_REGISTRY": "registry.example.com", "DOCKER_NAMESPACE": "somewhere-else"}


class Chain:
    """One daemon between a chat and a GitHub that runs the workflow. The secrets name another registry and namespace:
    the daemon's own settings must win. precheck: the daemon asks the sources first, where the workflow finds them."""

    def __init__(self, site: Site, mirror: Mirror, directory: Path, precheck: str = "off") -> None:
        self.source, self.mirror, self._precheck = site.source, mirror, precheck
        self.wecom = WeCom(pause_s=0.2)
        self.github = ActedGitHub(directory / "work", site.home, {**mirror.secrets, **OTHER})
        self.site, self.prefix = site, f"{site.destination.address}/{mirror.namespace}/"
        identity = self.wecom.identity
        wecom = {"corp_id": identity.corp_id, "agent_id": str(identity.agent_id), "secret": identity.secret,
                 "token": identity.token, "encoding_aes_key": identity.encoding_aes_key, "api_base": self.wecom.url}
        self.daemon = DaemonProcess(directory, {"wecom": wecom, **self.settings()})
        join(self, self.daemon.start())

    def settings(self) -> dict[str, dict[str, str]]:
        """Return what chooses the engine and leads it."""
        return {
            "github": {"token": self.github.token, "repo": self.github.repo, "api_base": self.github.url,
                       "poll": "0.1"},
            "registry": {"registry": self.site.destination.address, "namespace": self.mirror.namespace,
                         **self.sources()},
        }

    def sources(self) -> dict[str, str]:
        """Return where the daemon finds the sources; without mirrors it would take the plain ones for TLS ones."""
        public = [f"{host}=http://{self.site.source.address}/{host}" for host in PUBLIC_HOSTS]
        private = f"{self.site.private.address}=http://{self.site.private.address}"
        return {"precheck": self._precheck, "mirrors": ", ".join([*public, private])}

    def spoil_password(self) -> None:
        """Give the engine a wrong password of the destination."""
        self.github.dispatching.secrets["DOCKER_PASSWORD"] = "quite-wrong-7"

    def log_in_to_private(self) -> None:
        """Give the engine the private source's login."""
        logins = {self.site.private.address: f"{USER}:{PASSWORD}"}
        self.github.dispatching.secrets["SOURCE_AUTH_JSON"] = json.dumps(logins)

    def ask(self, text: str) -> list[str]:
        """Return the lines of the final answer; no secret may stand in any answer."""
        answer = ask(self, text, within_s=120)
        assert not any(PASSWORD in each for each in self.wecom.answers("zhangsan"))
        return answer.splitlines()

    def assert_mirrored(self, text: str, **digests: str) -> None:
        """Ask, and compare each destination's digest with skopeo; the name's `__` stands for its last colon."""
        lines = self.ask(text)
        assert lines[0] == f"✅ 镜像同步完成！成功 {len(digests)} 个", lines
        places = {name.replace("__", ":"): digest for name, digest in digests.items()}
        assert [line for line in lines if line.startswith("docker pull ")] == [
            f"docker pull {self.prefix}{name}" for name in places]
        for name, digest in places.items():
            assert self.mirror.digest(name) == digest

    def check(self, description: Any) -> None:
        """One answer for each request, and one run unless it was refused; GitHub was spoken to as it describes it."""
        finals = [text for text in self.wecom.answers("zhangsan") if text[0] in FINAL]
        started = [text for text in finals if not text.startswith("⚠️ 没有开始")]
        assert len(started) == len(self.github.dispatches) == len(self.github.commits())
        if description:
            described_answers = [description.check(request, answer) for request, answer in self.github.said]
            assert sum(described_answers) > 4

    def close(self) -> None:
        self.daemon.stop()
        self.wecom.close()
        self.github.close()


class LocalChain(Chain):
    """The same on the daemon's own engine; no GitHub is asked for anything."""

    def settings(self) -> dict[str, dict[str, str]]:
        self._registry = {
            "registry": f"http://{self.site.destination.address}", "namespace": self.mirror.namespace,
            "username": USER, "password": PASSWORD, **self.sources()}
        return {"registry": self._registry}

    def spoil_password(self) -> None:
        self._restart(password="quite-wrong-7")

    def log_in_to_private(self) -> None:
        password = quote(PASSWORD)
        self._restart(source_auth=f"{self.site.private.address}={USER}:{password}")

    def _restart(self, **changes: str) -> None:
        self.daemon.stop()
        sections = configparser.RawConfigParser()
        sections.read(self.daemon.config, encoding="utf-8")
        sections["registry"].update(changes)
        with self.daemon.config.open("w", encoding="utf-8") as file:
            sections.write(file)
        join(self, self.daemon.start())

    def check(self, description: Any) -> None:
        assert not self.github.dispatches and not self.github.said


@pytest.fixture
def precheck() -> str:
    """On, but for tests of what the engines themselves say of images that are not there."""
    return "on"


@pytest.fixture
def acted(site: Site, mirror: Mirror, tmp_path: Path) -> Iterator[Chain]:
    need("act", "git")
    yield from _running(Chain(site, mirror, tmp_path))


@pytest.fixture(params=[Chain, LocalChain], ids=["actions", "local"])
def chain(
        request: pytest.FixtureRequest, site: Site, mirror: Mirror, tmp_path: Path, precheck: str) -> Iterator[Chain]:
    yield from _running(request.param(site, mirror, tmp_path, precheck))


def _running(made: Chain) -> Iterator[Chain]:
    try:
        yield made
        made.check(None)
    finally:
        made.close()


def test_all_that_is_said_to_github_is_as_github_describes_it(acted: Chain) -> None:
    chain = acted
    description = described()
    errors = pytest.importorskip("openapi_core.exceptions")
    stored = chain.source.put_image("docker.io/library/spoken", "1")
    chain.assert_mirrored("spoken:1", spoken__1=stored["digest"])
    chain.github.actions.can_annotate = False
    assert chain.ask("spoken:1, absent:1")[0] == "❌ 镜像同步失败：成功 1 个，失败 1 个"
    chain.check(description)
    request, answer = next(each for each in chain.github.said if "/jobs" in each[0].path)
    with pytest.raises(AssertionError, match="total_count"):
        description.check(request, replace(answer, body=answer.body.replace(b'"total_count": ', b'"total_count": -0.')))
    request, answer = next(each for each in chain.github.said if each[0].path.endswith("/dispatches"))
    with pytest.raises(errors.OpenAPIError):
        body = request.body.replace(b'"ref"', b'"rev"')
        description.check(replace(request, received=Body(body, len(body))), answer)


def test_a_single_image(chain: Chain) -> None:
    stored = chain.source.put_image("docker.io/library/single", "latest")
    chain.assert_mirrored("single:latest", single__latest=stored["digest"])
    assert chain.ask("single:latest")[2] == "其中 1 个目标已是同一摘要，未重复复制"


def test_an_index_with_attestations_keeps_its_platforms(chain: Chain) -> None:
    stored = chain.source.put_index("docker.io/library/attested", "2", THREE, attested=True)
    assert chain.ask("attested:2")[0] == "✅ 镜像同步完成！成功 1 个"
    index = json.loads(chain.mirror.raw("attested:2"))
    assert index["manifests"] == [entry for entry in stored["manifests"] if "annotations" not in entry]
    assert chain.mirror.platforms("attested:2") == list(THREE)


def test_one_platform_and_two_platforms(chain: Chain) -> None:
    stored = chain.source.put_index("docker.io/library/plats", "1", THREE)
    chain.assert_mirrored("--platform=linux/arm64 plats:1", plats__1=stored["manifests"][1]["digest"])
    assert chain.mirror.platforms("plats:1") == ["linux/arm64/v8"]
    two = "plats:1-linux-amd64_linux-arm"
    lines = chain.ask("--platform=linux/amd64,linux/arm plats:1")
    assert f"docker pull {chain.prefix}{two}" in lines, lines
    assert chain.mirror.platforms(two) == ["linux/amd64", "linux/arm/v7"]
    lines = chain.ask("--platform=linux/s390x plats:1")
    assert lines[0] == "⚠️ 没有开始"
    assert lines[2] == "- plats:1：该镜像没有平台 linux/s390x，已有：linux/amd64、linux/arm64、linux/arm/v7"


@pytest.mark.parametrize("precheck", ["off"])
def test_a_platform_that_the_source_lacks_is_told_by_the_engine_too(chain: Chain) -> None:
    chain.source.put_index("docker.io/library/plats", "1", THREE)
    lines = chain.ask("--platform=linux/s390x plats:1")
    assert lines[0] == "❌ 镜像同步失败：成功 0 个，失败 1 个"
    assert lines[1].startswith("1. plats:1（linux/s390x）：该镜像没有所要的平台")


def test_slips_of_the_pen_are_told_at_once_and_the_others_arrive(chain: Chain) -> None:
    stored = chain.source.put_index("docker.io/library/slip", "7.0", THREE, attested=True)
    other = chain.source.put_image("quay.io/team/other", "1.27")
    lines = chain.ask("slip:7.00, quay.io/team/other:1.27, slip:7.0, nobody:1")
    first = chain.wecom.answers("zhangsan")[0].splitlines()
    assert first[2:6] == [
        "1. ❌ slip:7.00：源仓库没有标签 7.00，相近的标签：7.0",
        f"2. quay.io/team/other:1.27 → {chain.prefix}other:1.27",
        f"3. slip:7.0 → {chain.prefix}slip:7.0",
        "4. ❌ nobody:1：源仓库没有这个镜像，请检查名称（私有镜像需要管理员配置 source_auth）",
    ]
    assert lines[0] == "❌ 镜像同步失败：成功 2 个，失败 2 个"
    assert lines[1:3] == [first[2].replace("❌ ", ""), first[5].replace("❌ ", "")]
    assert chain.mirror.digest("other:1.27") == other["digest"]
    assert len(chain.mirror.platforms("slip:7.0")) == len(stored["manifests"]) // 2
    for run in chain.github.acted.values():
        assert len(run.images) == 2


def test_a_digest_reference_and_a_nested_path(chain: Chain) -> None:
    stored = chain.source.put_image("docker.io/library/pinned", "1")
    deep = chain.source.put_image("registry.k8s.io/coredns/deep/dns", "v1.11.1")
    digest = stored["digest"]
    lines = chain.ask(f"pinned@{digest}, registry.k8s.io/coredns/deep/dns:v1.11.1")
    assert lines[0] == "✅ 镜像同步完成！成功 2 个"
    assert chain.mirror.digest(f"pinned:sha256-{digest[7:19]}") == digest
    assert chain.mirror.digest("dns:v1.11.1") == deep["digest"]


def test_one_image_of_each_public_registry(chain: Chain) -> None:
    stored = {host: chain.source.put_image(f"{host}/group/{host.replace('.', '-')}", "3")["digest"]
              for host in PUBLIC_HOSTS}
    lines = chain.ask("\n".join(f"{host}/group/{host.replace('.', '-')}:3" for host in PUBLIC_HOSTS))
    assert lines[0] == "✅ 镜像同步完成！成功 5 个"
    for host, digest in stored.items():
        assert chain.mirror.digest(f"{host.replace('.', '-')}:3") == digest


@pytest.mark.parametrize("precheck", ["off"])
def test_twelve_images_side_by_side_one_of_them_missing_then_only_that_one_again(chain: Chain) -> None:
    crowd = f"crowd-{chain.mirror.namespace[3:]}-"  # the source is every test's
    stored = {n: chain.source.put_image(f"docker.io/library/{crowd}{n}", "1") for n in range(1, 13) if n != 5}
    lines = chain.ask("，".join(f"{crowd}{n}:1" for n in range(1, 13)))
    assert lines[0] == "❌ 镜像同步失败：成功 11 个，失败 1 个"
    assert lines[1].startswith(f"5. {crowd}5:1：镜像或标签不存在（或是私有镜像），请检查名称和标签")
    for n, image in stored.items():
        assert chain.mirror.digest(f"{crowd}{n}:1") == image["digest"]
    for run in chain.github.acted.values():
        assert run.most_at_once > 1
    stored_late = chain.source.put_image(f"docker.io/library/{crowd}5", "1")
    chain.assert_mirrored("重试", **{f"{crowd}5__1": stored_late["digest"]})


def test_a_wrong_destination_password_is_told(chain: Chain) -> None:
    chain.source.put_image("docker.io/library/locked", "1")
    chain.spoil_password()
    lines = chain.ask("locked:1")
    assert lines[1].startswith("1. locked:1：目标仓库拒绝写入，请让管理员检查 ")
    assert "quite-wrong-7" not in chain.daemon.log() + "".join(chain.wecom.answers("zhangsan"))


def test_a_private_source_with_its_login(chain: Chain, site: Site) -> None:
    stored = site.private.put_index("team/closed", "1", THREE)
    image = f"{site.private.address}/team/closed:1"
    assert "源仓库拒绝访问" in chain.ask(image)[1]
    chain.log_in_to_private()
    chain.assert_mirrored("重试", closed__1=stored["digest"])


def test_both_engines_say_and_do_the_same(site: Site, tmp_path: Path) -> None:
    """One list with everything that can be asked for: same first lines, same reasons, same bytes at the destination."""
    source = site.source
    source.put_index("docker.io/library/same", "1", THREE, attested=True)
    source.put_image("quay.io/team/same", "1")
    wanted = ("same:1, same:1 -> whole:1, no-such-image:1, quay.io/team/same:1\n"
              "--platform=linux/arm64 same:1 -> arm:1\n--platform=linux/arm,linux/amd64 same:1 -> two:1\n"
              "--platform=linux/s390x same:1 -> lack:1")
    told, stored = [], []
    for kind in (Chain, LocalChain):
        mirror = Mirror(site)
        (tmp_path / kind.__name__).mkdir()
        made = kind(site, mirror, tmp_path / kind.__name__)
        try:
            lines = made.ask(wanted)
        finally:
            made.close()
        reasons = [line.partition("（")[0] for line in lines if not line.startswith(("用时", "各镜像", "详情", "#"))]
        told.append([line.replace(made.prefix, "") for line in reasons])
        stored.append([mirror.raw(name) for name in ("same:1", "whole:1", "arm:1", "two:1", "team_same:1")])
    assert told[0] == told[1]
    assert stored[0] == stored[1]

"""What the end-to-end tests share: three registries, the GitHub stand-in, a HOME that points public names at them."""
from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.front import Front
from tests.e2e.registries import PASSWORD, USER, Registry, digest_of
from tests.e2e.runner import Run, Runner, find_tool
from tests.support.requirement import lacks
from wxsync.sandbox.github.stand_in import GitHub

PUBLIC_HOSTS = ("docker.io", "gcr.io", "registry.k8s.io", "quay.io", "ghcr.io")


def need(*tools: str) -> None:
    """Skip with the reason where a tool is missing; on CI that is a failure."""
    missing = [tool for tool in tools if not find_tool(tool)]
    if missing:
        lacks(f"missing: {', '.join(missing)} (see tests/requirements-e2e.txt)")


def described() -> Any:
    """Return GitHub's OpenAPI description; skip, or fail on CI, where it is not there."""
    if importlib.util.find_spec("openapi_core") is None:
        lacks("missing: openapi-core (see tests/requirements-e2e.txt)")
    from tests.e2e.openapi import FILE, Description

    if not FILE.exists():
        lacks(f"missing: {FILE} (`make e2e` fetches it with npm)")
    return Description()


class Site:
    """The registries and what is told of them. Every test gets its own namespace at the destination."""

    def __init__(self, directory: Path) -> None:
        self.source = Registry(directory / "source")
        self.private = Registry(directory / "private", private=True)
        self.destination = Registry(directory / "destination", private=True)
        self.github = GitHub()
        self.source_front, self.destination_front = Front(self.source.address), Front(self.destination.address)
        self.home = directory / "home"
        self._write_home()
        self.runner = Runner(directory / "work", self.home, self.github)

    def _write_home(self) -> None:
        """Point skopeo at the registries; it reads this file below HOME, 1.9 no variable that names another."""
        plain = [self.source, self.private, self.destination, self.source_front, self.destination_front]
        places = {each.address: each.address for each in plain}
        places.update({host: f"{self.source.address}/{host}" for host in PUBLIC_HOSTS})
        containers = self.home / ".config/containers"
        containers.mkdir(parents=True)
        (containers / "registries.conf").write_text("".join(
            f'[[registry]]\nprefix = "{name}"\nlocation = "{place}"\ninsecure = true\n'
            for name, place in places.items()))

    def skopeo(self, *arguments: str) -> bytes:
        """Return what skopeo prints as the destination's user."""
        return subprocess.run(["skopeo", *arguments], env={**os.environ, "HOME": str(self.home)}, check=True,
                              timeout=60, stdout=subprocess.PIPE).stdout

    def close(self) -> None:
        """End every server."""
        for each in (self.source_front, self.destination_front, self.github, self.source, self.private,
                     self.destination):
            each.close()


class Mirror:
    """One test's view: a namespace, the secrets, runs, and what skopeo then sees at the destination."""

    def __init__(self, site: Site) -> None:
        self.site, self.namespace = site, f"ns-{uuid.uuid4().hex[:12]}"
        self.secrets = {"DOCKER_REGISTRY": site.destination.address, "DOCKER_NAMESPACE": self.namespace,
                        "DOCKER_USERNAME": USER, "DOCKER_PASSWORD": PASSWORD}

    def run(self, images: str, **inputs: str) -> Run:
        """Run the workflow on this list; no secret may show in anything that was printed."""
        run = self.site.runner.run(images, self.secrets, **inputs)
        assert run.plan.result, run.output
        assert PASSWORD not in run.output
        return run

    def raw(self, name: str) -> bytes:
        """Return the manifest at the destination."""
        return self.site.skopeo("inspect", "--raw", f"--creds={USER}:{PASSWORD}", self._place(name))

    def digest(self, name: str) -> str:
        """Return its digest."""
        return digest_of(self.raw(name))

    def platforms(self, name: str) -> list[str]:
        """Return the platforms at the destination, each of them complete: a pull of the whole must succeed."""
        place = self.site.home / uuid.uuid4().hex
        self.site.skopeo("copy", "--all", f"--src-creds={USER}:{PASSWORD}", self._place(name), f"dir:{place}")
        manifest = json.loads(self.raw(name))
        if "manifests" in manifest:
            return [_platform(entry["platform"]) for entry in manifest["manifests"]]
        config = self.site.skopeo("inspect", "--config", "--raw", f"--creds={USER}:{PASSWORD}", self._place(name))
        return [_platform(json.loads(config))]

    def tags(self, name: str) -> list[str]:
        """Return the tags of a name; none when it is not there."""
        with self.site.destination.request("GET", "/v2/_catalog?n=1000") as answer:
            known = json.load(answer)["repositories"]
        if f"{self.namespace}/{name}" not in known:
            return []
        with self.site.destination.request("GET", f"/v2/{self.namespace}/{name}/tags/list") as answer:
            return json.load(answer)["tags"] or []

    def _place(self, name: str) -> str:
        return f"docker://{self.site.destination.address}/{self.namespace}/{name}"


def _platform(named: dict[str, Any]) -> str:
    return "/".join(named[key] for key in ("os", "architecture", "variant") if named.get(key))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The registries with nothing in them."""
    need("act", "skopeo", "docker-registry", "git")
    started = Site(tmp_path_factory.mktemp("site"))
    yield started
    started.close()


@pytest.fixture
def mirror(site: Site) -> Iterator[Mirror]:
    """A fresh namespace; faults that a test orders end with it."""
    yield Mirror(site)
    site.source_front.rules.clear()
    site.destination_front.rules.clear()

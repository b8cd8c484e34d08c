"""podman and buildah on a store of their own, and the image built on a stand-in of Python's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e_install import debian
from tests.support.daemon import ROOT, wait_for

BASE = "docker.io/library/python:3.12-slim"
IMAGE = "wxsyncd"
CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_config_dir = "{networks}"
"""
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")
CONTEXT = ("Dockerfile", ".dockerignore", "docker-compose.yml", "LICENSE", "wxsyncd.py", "wxsync", "systemd")


class Store:
    """Images, containers and networks below one directory; `close` ends and removes them all."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.options = ["--storage-driver=vfs", f"--root={directory}/root", f"--runroot={directory}/run"]
        configuration = directory / "containers.conf"
        configuration.write_text(CONFIGURATION.format(networks=directory / "networks"))
        self.environ = {**os.environ, "CONTAINERS_CONF": str(configuration)}
        self.podman_path = directory / "podman"
        self.podman_path.write_text(f'#!/bin/sh\nexec podman {" ".join(self.options)} "$@"\n')
        self.podman_path.chmod(0o755)

    def podman(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run podman to its end."""
        return self.run(["podman", *self.options, *arguments], check=check)

    def run(
        self, command: list[str], *, check: bool = True, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command that uses the store. (podman tells on stderr that no systemd runs its health checks.)"""
        done = subprocess.run(command, env=self.environ, cwd=cwd, text=True, capture_output=True, timeout=180,
                              check=False)
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def lay_base(self) -> None:
        """Put a Debian with python3 where the Dockerfile looks for Python's image."""
        tar = subprocess.Popen(["tar", "-C", str(debian.root("bookworm")), "--exclude=./var/cache",
                                "--exclude=./usr/share/doc", "-c", "."], stdout=subprocess.PIPE)
        subprocess.run(["podman", *self.options, "import", "-", BASE], stdin=tar.stdout, env=self.environ, check=True,
                       capture_output=True, timeout=180)
        assert tar.wait() == 0

    def build(self, context: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Build the image without any network."""
        return self.run(["unshare", "--net", "buildah", *self.options, "bud", "--isolation=chroot", "--format=docker",
                         "--pull-never", "-t", IMAGE, str(context)], check=check)

    def close(self) -> None:
        """End every container and remove the store."""
        self.podman("rm", "--all", "--force", "--time=5", check=False)
        shutil.rmtree(self.directory)


class Container:
    """One container on the machine's own network, so that it reaches the stand-ins on loopback."""

    def __init__(self, store: Store, name: str, env_file: Path, environ: Mapping[str, str], *more: str) -> None:
        self.store, self.name = store, name
        variables = [f"--env={key}={value}" for key, value in environ.items()]
        store.podman("run", "--detach", f"--name={name}", "--network=host", *HARDENED, f"--env-file={env_file}",
                     *variables, *more, IMAGE)

    def execute(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.store.podman("exec", self.name, *command, check=check)

    def read(self, name: str) -> str:
        """Return a file of the state directory, empty when it is not there."""
        return self.execute("cat", f"/var/lib/wxsyncd/{name}").stdout

    def port(self, part: str) -> int:
        """Return where a part listens, once it does."""
        wait_for(lambda: self.is_healthy() or self.is_over(), "a healthy container")
        assert not self.is_over(), self.log()
        listeners: list[dict[str, Any]] = json.loads(self.read("listeners.json"))["listeners"]
        return next(int(each["port"]) for each in listeners if each["part"] == part)

    def is_healthy(self) -> bool:
        return self.store.podman("healthcheck", "run", self.name, check=False).returncode == 0

    def is_over(self) -> bool:
        return self.store.podman("inspect", self.name, "--format={{.State.Status}}").stdout.strip() == "exited"

    def log(self) -> str:
        done = self.store.podman("logs", self.name)
        return done.stdout + done.stderr

    def stop(self) -> int:
        """End it as `docker stop` does; return its exit status."""
        self.store.podman("stop", "--time=15", self.name)
        status = self.store.podman("inspect", self.name, "--format={{.State.ExitCode}}").stdout.split()[-1]
        self.store.podman("rm", self.name)
        return int(status)


def context(directory: Path) -> Path:
    """Lay out what an unpacked release has for a build: the sources and the wheel of this machine."""
    directory.mkdir()
    for name in CONTEXT:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, directory / name)
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--require-hashes", "-r", "systemd/pycryptodome.lock", "-d", str(directory / "wheels")],
                   cwd=ROOT, check=True, timeout=180)
    (directory / ".env").write_text("SECRET=must-not-be-in-the-image\n")
    return directory

"""Get the packed library's wheels, by the lock file's hashes; what was fetched once is not fetched again."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

PLATFORMS = ("manylinux2014_aarch64", "manylinux2014_x86_64")
_PIN = re.compile(r"(pycryptodome)==([0-9.]+)", re.ASCII)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})", re.ASCII)
_LICENCE = re.compile(r"[^/]+\.dist-info/licenses/(.+[^/])", re.ASCII)


@dataclass(frozen=True)
class Lock:
    """What systemd/pycryptodome.lock pins."""

    name: str
    version: str
    hashes: frozenset[str]


@dataclass(frozen=True)
class Wheel:
    """One wheel whose bytes the lock knows; licences: name to text, of the library and of what it contains."""

    name: str
    data: bytes
    sha256: str
    licences: dict[str, bytes]


def read_lock(path: Path) -> Lock:
    """Return the pin and its hashes. Raises ValueError."""
    text = path.read_text(encoding="utf-8")
    pin = _PIN.search(text)
    if not pin:
        raise ValueError(f"{path}: no pin")
    return Lock(pin[1], pin[2], frozenset(_HASH.findall(text)))


def fetch(lock: Lock, directory: Path) -> list[Wheel]:
    """Return the wheels for all platforms, downloaded into the directory when they are not there. Raises ValueError."""
    directory.mkdir(parents=True, exist_ok=True)
    return [_one(lock, platform, directory) for platform in PLATFORMS]


def _one(lock: Lock, platform: str, directory: Path) -> Wheel:
    pattern = f"{lock.name}-{lock.version}-*{platform}*.whl"
    if not list(directory.glob(pattern)):
        subprocess.run(  # noqa: S603 - pip of this interpreter; the hash is checked below
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--only-binary=:all:", "--implementation", "cp", "--python-version", "3.9", "--abi", "abi3",
             "--platform", platform, "-d", str(directory), f"{lock.name}=={lock.version}"], check=True, timeout=300)
    paths = sorted(directory.glob(pattern))
    if len(paths) != 1:
        raise ValueError(f"{directory}: {len(paths)} files are {pattern}")
    data = paths[0].read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 not in lock.hashes:
        raise ValueError(f"{paths[0]}: its sha256 {sha256} is not in the lock file")
    return Wheel(paths[0].name, data, sha256, _licences(paths[0], platform))


def _licences(path: Path, platform: str) -> dict[str, bytes]:
    """Return the wheel's licences; its own metadata must name the platform that its file name does."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/WHEEL"))
        if f"-{platform}\n" not in archive.read(metadata).decode():
            raise ValueError(f"{path}: is not for {platform}")
        found = {match[1]: archive.read(match[0]) for match in map(_LICENCE.fullmatch, names) if match}
    if not found:
        raise ValueError(f"{path}: has no licence")
    return found

"""Debian root directories with little more than python3, made once and kept in build/roots, or $WXSYNC_ROOTS."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.daemon import ROOT

KEPT = Path(os.environ.get("WXSYNC_ROOTS") or ROOT / "build" / "roots")
PACKAGES = "python3,ca-certificates,tzdata"
BOOTABLE = "python3,systemd,systemd-sysv,dbus,iproute2,procps"


def foreign_root(suite: str, architecture: str) -> Path:
    """Return a root of another architecture, unpacked but not configured: enough to run its python3 under qemu."""
    place = KEPT / f"{suite}-{architecture}"
    if not place.exists():
        unfinished = KEPT / f"{place.name}.part"
        shutil.rmtree(unfinished, ignore_errors=True)
        KEPT.mkdir(parents=True, exist_ok=True)
        subprocess.run(["debootstrap", f"--arch={architecture}", "--foreign", "--variant=minbase", "--include=python3",
                        suite, str(unfinished)], check=True, timeout=900, stdout=subprocess.DEVNULL)
        for package in (unfinished / "var/cache/apt/archives").glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(unfinished)], check=True, timeout=120)
        unfinished.rename(place)
    return place


def root(suite: str, packages: str = PACKAGES) -> Path:
    """Return a root that must not be changed; the first call takes most of a minute. Needs root and a mirror."""
    name = suite if packages == PACKAGES else f"{suite}-boot"
    place = KEPT / name
    if not place.exists():
        unfinished = KEPT / f"{name}.part"
        shutil.rmtree(unfinished, ignore_errors=True)
        KEPT.mkdir(parents=True, exist_ok=True)
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={packages}", suite, str(unfinished)],
                       check=True, timeout=900, stdout=subprocess.DEVNULL)
        unfinished.rename(place)
    return place

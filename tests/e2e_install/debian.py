"""Debian root directories with nothing but python3, made once and kept in build/roots."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.daemon import ROOT

KEPT = ROOT / "build" / "roots"
PACKAGES = "python3,ca-certificates,tzdata"


def root(suite: str) -> Path:
    """Return a root that must not be changed; the first call takes most of a minute. Needs root and a mirror."""
    place = KEPT / suite
    if not place.exists():
        unfinished = KEPT / f"{suite}.part"
        shutil.rmtree(unfinished, ignore_errors=True)
        KEPT.mkdir(parents=True, exist_ok=True)
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(unfinished)],
                       check=True, timeout=900, stdout=subprocess.DEVNULL)
        unfinished.rename(place)
    return place

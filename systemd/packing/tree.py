"""What git has of a checkout: the list of files with their modes, and the time of the commit."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

# Where a file of the checkout stands in the release; a directory stands for all below it. The first match holds.
PLACES = {
    "systemd/packing": "",
    "systemd/install.sh": "install.sh",
    **{name: name for name in (
        "systemd", "wxsync", "wxsyncd.py", "wxsync.conf.example", "docs", "README.md", "LICENSE", "Dockerfile",
        "docker-compose.yml", ".dockerignore", ".github/workflows/docker-image-sync.yml")},
}


@dataclass(frozen=True)
class File:
    """One file of the release."""

    name: str
    data: bytes
    is_executable: bool = False


def files(checkout: Path) -> list[File]:
    """Return the release's files as they are in the checkout; which ones, and their modes, git says.

    Line ends are those that git keeps: core.autocrlf changes them in the checkout, and scripts would not run.
    """
    found = []
    widened = _with_other_line_ends(checkout)
    for entry in _git(checkout, "ls-files", "--stage", "-z").split("\0"):
        if not entry:
            continue
        mode, path = entry.split(" ", 1)[0], entry.split("\t", 1)[1]
        place = _place(path)
        if place:
            data = (checkout / path).read_bytes()
            found.append(File(place, data.replace(b"\r\n", b"\n") if path in widened else data, mode == "100755"))
    return found


def is_changed(checkout: Path) -> bool:
    """Tell whether tracked files differ from the last commit."""
    return bool(_git(checkout, "status", "--porcelain", "--untracked-files=no"))


def committed_at(checkout: Path) -> int:
    """Return the time of the last commit, in epoch seconds."""
    return int(_git(checkout, "log", "-1", "--format=%ct"))


def _with_other_line_ends(checkout: Path) -> set[str]:
    """Return the files whose lines end in LF for git, and in CRLF in the checkout (git-ls-files --eol)."""
    rows = (entry.partition("\t") for entry in _git(checkout, "ls-files", "--eol", "-z").split("\0"))
    return {path for ends, _, path in rows if ends.split()[:2] == ["i/lf", "w/crlf"]}


def _place(path: str) -> str:
    for prefix, place in PLACES.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            return place + path[len(prefix):] if place else ""
    return ""


def _git(checkout: Path, *arguments: str) -> str:
    return subprocess.run(  # noqa: S603 - our own words
        ["git", "-C", str(checkout), *arguments], check=True, capture_output=True, timeout=60).stdout.decode()  # noqa: S607

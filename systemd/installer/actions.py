"""One step of a plan: what it says and what it does; and the file operations that a power cut cannot halve."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


class Failed(Exception):
    """A step could not be done; the text (Chinese) is for the operator."""


@dataclass(frozen=True)
class Action:
    """text is what --dry-run prints, and the real run before it calls act. act raises Failed or OSError."""

    text: str
    act: Callable[[], None]


def write(path: Path, text: str, mode: int) -> Action:
    """Write a file, whole or not at all."""
    return Action(f"写入 {path}", lambda: _write(path, text, mode))


def link(path: Path, target: str) -> Action:
    """Point a link somewhere; it leads to the old place or the new one, never nowhere."""
    return Action(f"链接 {path} → {target}", lambda: _link(path, target))


def make_directory(path: Path, mode: int) -> Action:
    """Make a directory that is not there yet."""

    def act() -> None:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        path.chmod(mode)

    return Action(f"建立目录 {path}", act)


def remove(path: Path) -> Action:
    """Remove a file, a link (not what it leads to) or a whole directory."""

    def act() -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    return Action(f"删除 {path}", act)


def remove_if_empty(path: Path) -> Action:
    """Remove a directory that nobody else uses."""

    def act() -> None:
        with suppress(OSError):
            path.rmdir()

    return Action(f"删除目录 {path}（如果已空）", act)


def sync(path: Path) -> None:
    """Have what stands in a file or directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(top: Path) -> None:
    """The same for everything in a directory."""
    for directory, _, names in os.walk(top):
        for name in names:
            sync(Path(directory, name))
        sync(Path(directory))


def _write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync(path.parent)


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    part.symlink_to(target)
    try:
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync(path.parent)

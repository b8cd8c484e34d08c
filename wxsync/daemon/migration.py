"""Bring what the replaced programs left into place: a configuration file, the day's list. Floor: daemon."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wxsync.config.given import Findings
from wxsync.config.load import settle
from wxsync.config.migrate import Imported, imported
from wxsync.config.sources import Surroundings, read_env_files, read_text
from wxsync.daemon.state_dir import StateDir, enter
from wxsync.errors import InputMissing, WxsyncError
from wxsync.jobs import imagelist
from wxsync.jobs.imagelist import BadLine
from wxsync.store.files import DayList

LIST_NAME = "images.txt"


def read_env(names: Sequence[str], around: Surroundings) -> Imported:
    """Return what these files hold. Raises InputMissing for the first one that cannot be read at all."""
    findings, foreign = read_env_files(names, around)
    if len(findings.sources) < len(names):
        raise _unread(findings)
    return imported(settle(findings, around), findings, foreign)


def write_new(path: Path, text: str) -> None:
    """Write a file that only its owner reads; one that is there already is left alone. Raises WxsyncError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise WxsyncError("已有这个文件，不覆盖", where=str(path), mend="换一个文件名，或先把它移走") from None
    except OSError as error:
        raise WxsyncError(f"不能写：{error.strerror}", where=str(path), mend="检查目录和权限") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        path.unlink()
        raise WxsyncError(f"写到一半失败：{error.strerror}", where=str(path), mend="检查磁盘空间") from error


def make_private(descriptor: int) -> bool:
    """Make a file that a stream was redirected to its owner's alone; False where the stream is no file, or closed."""
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if is_file:
            os.fchmod(descriptor, 0o600)
    except OSError:
        return False
    return is_file


@dataclass(frozen=True)
class TakenList:
    """What became of an old images.txt."""

    images: int
    bad_lines: tuple[BadLine, ...]
    path: Path


def take_list(old: Path, state_dir: Path) -> TakenList:
    """Lay an old images.txt into the state directory. Raises InputMissing, Busy while a daemon runs on it, WxsyncError.

    A list that the state directory has already is left alone, unless it is the very same. Run as root it changes for
    good to the directory's owner: the files must be the service's, and it must not lead root astray by a link there.
    """
    text, bad_lines, images = _converted(_old_text(old))
    path = state_dir / LIST_NAME
    enter(state_dir)
    state, day_list = StateDir(Path()), DayList(Path(LIST_NAME))
    state.take()
    try:
        present = day_list.read()
        if present.strip() and present != text:
            raise WxsyncError("状态目录里已有今天的列表，不覆盖", where=str(path), mend="零点之后再带入，或先把它移走")
        day_list.write(text)
    finally:
        state.give_back()
    return TakenList(images, bad_lines, path)


def _old_text(old: Path) -> str:
    findings = Findings()
    text = read_text(old, findings)
    if text is None:
        raise _unread(findings)
    return text


def _unread(findings: Findings) -> InputMissing:
    first = findings.problems[0]
    return InputMissing(first.what, where=first.where, mend=first.mend)


def _converted(old_text: str) -> tuple[str, tuple[BadLine, ...], int]:
    """Return the list in its present form, the lines that are no image (kept as comments), and how many are."""
    lines, bad_lines, images = [], [], 0
    for block in imagelist.parse(old_text):
        if block.request_id:
            lines.append(f"# request {block.request_id}")
        for entry in block.lines:
            if isinstance(entry, BadLine):
                bad_lines.append(entry)
                lines.append(f"# 读不懂：{entry.written}")
            else:
                images += 1
                lines.append(str(entry))
    return "".join(f"{line}\n" for line in lines), tuple(bad_lines), images

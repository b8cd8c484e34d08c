"""Make the text that a command's arguments ask for, as a member would send it. Floor: cli."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from wxsync.errors import InputMissing, MemberError
from wxsync.jobs import command, imagelist, links
from wxsync.jobs.imagelist import BadLine

MAX_LIST_BYTES = 1 << 20
PREFIXES = ("docker pull ", "image:")


class Unusable(Exception):
    """The arguments ask for nothing that the command does (Chinese)."""


def sync_text(images: Sequence[str], listed: Sequence[str], platforms: str) -> str:
    """Return the message for images as a member writes them and lines of a list. Raises Unusable.

    platforms: for those that name none themselves.
    """
    option = f"--platform={platforms} " if platforms else ""
    lines = [_as_image(line, option) for line in [*images, *listed] if line.strip()]
    parsed = command.parse("\n".join(lines))
    if isinstance(parsed, (command.SyncImages, command.Refusal)):
        return "\n".join(lines)  # what is wrong with an image is told by the job, as to a member
    if isinstance(parsed, command.UploadFiles):
        raise Unusable("这是链接，不是镜像；上传文件用 wxsyncd upload")
    raise Unusable("没有要同步的镜像，例如：wxsyncd sync nginx:latest redis:7.0")


def listed_images(path: Path) -> list[str]:
    """Return the lines of a day list (images.txt), each once. Raises MemberError naming each bad line, InputMissing."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST_BYTES + 1)
    except OSError as error:
        raise InputMissing(f"读不出清单：{error.strerror}", where=str(path), mend="检查路径和权限") from error
    if len(data) > MAX_LIST_BYTES:
        raise MemberError("清单太大", where=str(path), mend=f"最多 {MAX_LIST_BYTES} 字节")
    entries = [entry for block in imagelist.parse(data.decode("utf-8", "replace")) for entry in block.lines]
    bad = [f"  {entry.written[:200]}：{entry.reason}" for entry in entries if isinstance(entry, BadLine)]
    if bad:
        raise MemberError("\n".join(["清单中有认不出的行，没有开始：", *bad[:100]]), where=str(path))
    return list(dict.fromkeys(map(str, entries)))


def upload_text(found: Iterable[str]) -> str:
    """Return the message for links. Raises Unusable."""
    text = "\n".join(found)
    if isinstance(command.parse(text), (command.UploadFiles, command.Refusal)):
        return text
    raise Unusable("这是镜像的网页，不是文件；同步镜像用 wxsyncd sync")


def is_link(argument: str) -> bool:
    """Tell whether an argument of `upload` is a link, and no file."""
    return links.begins(argument) or "://" in argument


def _as_image(argument: str, option: str) -> str:
    """Return the argument as a line; a lone word is an image here, where in a chat it might be a greeting."""
    text = argument.strip()
    if links.begins(text):
        return text
    for prefix in PREFIXES:
        if text.lower().startswith(prefix):
            text = text[len(prefix):].strip()
    return f"image: {option}{text}"

"""What a member reads of images that are not at their source, before anything starts. Floor: jobs, pure."""

from __future__ import annotations

from collections.abc import Sequence

from wxsync.jobs.replies import layout

MARK = "❌"
MAX_PLATFORMS = 12


def no_tag(tag: str, near: Sequence[str]) -> str:
    """Return why an image of this tag cannot be mirrored; near: tags that may have been meant."""
    return f"源仓库没有标签 {tag}" + (f"，相近的标签：{'、'.join(near)}" if near else "，请检查标签")


def no_repository() -> str:
    """Return why an image of a repository that is not there cannot be mirrored."""
    return "源仓库没有这个镜像，请检查名称（私有镜像需要管理员配置 source_auth）"


def no_digest() -> str:
    """Return why an image of a digest that is not there cannot be mirrored."""
    return "源仓库没有这个摘要的镜像，请检查摘要"


def no_platform(missing: Sequence[str], present: Sequence[str]) -> str:
    """Return why an image cannot be mirrored for these platforms, and which ones it has."""
    more = "…" if len(present) > MAX_PLATFORMS else ""
    return f"该镜像没有平台 {'、'.join(missing)}，已有：{'、'.join(present[:MAX_PLATFORMS])}{more}"


def all_absent(lines: Sequence[tuple[str, str]], job_number: int) -> str:
    """Refuse because no image can be mirrored: (image as written, reason) each."""
    entries = [layout.Line(f"- {written}", f"- {written}", reason) for written, reason in lines]
    head = ["⚠️ 没有开始", "以下镜像在源仓库里找不到，请改正后重新发送："]
    shown = layout.shortened(job_number, entries, layout.REFUSAL_STEPS)
    return layout.within_bounds(job_number, head, shown, [], "…其余 {} 个没有列出")

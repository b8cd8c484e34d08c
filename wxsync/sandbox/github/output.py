"""What a simulated job leaves behind: annotations, log and the run's page, secrets masked. Floor: sandbox."""

from __future__ import annotations

import html
from collections.abc import Iterable
from datetime import datetime, timezone

from wxsync.sandbox.github.runs import JobView, RunView

NOTICE = "演示：GitHub 替身模拟了这次运行，没有真正拷贝任何镜像。"
_EXIT = "Process completed with exit code 1."
_PAGE = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body{{font:15px/1.6 -apple-system,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;margin:0}}
body{{background:#f6f8fa;color:#1f2328}}
main{{max-width:760px;margin:0 auto;padding:24px 16px}}h1{{font-size:20px;margin:0 0 4px;overflow-wrap:anywhere}}
.note{{background:#fff8c5;border:1px solid #d4a72c66;border-radius:6px;padding:10px 14px;margin:16px 0}}
ul{{list-style:none;margin:0;padding:0;background:#fff;border:1px solid #d1d9e0;border-radius:6px}}
li{{padding:10px 14px;overflow-wrap:anywhere}}li+li{{border-top:1px solid #d1d9e0}}small{{color:#59636e;display:block}}
</style><main><h1>{title}</h1><div>{state}</div><p class="note">{notice}</p><ul>{jobs}</ul></main></html>
"""
_WORDS = {"success": "✅ 成功", "failure": "❌ 失败", "cancelled": "⚠️ 已取消", "skipped": "跳过", "queued": "排队中",
          "in_progress": "进行中"}


def mask(text: str, secrets: Iterable[str]) -> str:
    """Replace every secret's text as the runner does, even inside ordinary words."""
    for secret in sorted((secret for secret in secrets if secret), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def notes(job: JobView, plan_error: str) -> list[dict[str, object]]:
    """Return the annotations of an ended job, unmasked."""
    if job.status != "completed" or job.conclusion in ("cancelled", "skipped"):
        return []
    if job.image is None:
        return [_annotation("failure", "", _EXIT), _annotation("failure", "plan", plan_error)] if plan_error else []
    own = _annotation(job.image.level, f"image {job.image.number}", job.image.message)
    return [_annotation("failure", "", _EXIT), own] if job.image.is_failure else [own]


def log(job: JobView, plan_error: str) -> str:
    """Return the log of an ended job, unmasked: BOM, time stamps, CRLF; the titles of the commands do not show."""
    lines = ["Current runner version: '2.330.0'", NOTICE, f"##[group]Run {job.name}", "##[endgroup]"]
    if job.image and not job.image.is_failure:
        lines.append(f"##[notice]{job.image.message}")
    reason = job.image.message if job.image and job.image.is_failure else plan_error if job.image is None else ""
    if job.conclusion == "cancelled":
        lines.append("##[error]The operation was canceled.")
    elif reason:
        lines += [f"##[error]{reason}", f"##[error]{_EXIT}"]
    lines.append("Cleaning up orphan processes")
    stamp = datetime.fromtimestamp(job.ended or job.started, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f") + "7Z"
    return "\ufeff" + "".join(f"{stamp} {line}\r\n" for line in lines)


def page(view: RunView) -> str:
    """Return the run's page in the browser; it says that the run is simulated."""
    jobs = "".join(
        f"<li>{_WORDS[job.conclusion or job.status]} · {html.escape(job.name)}"
        + (f"<small>{html.escape(job.image.message)}</small>" if job.image and job.conclusion else "") + "</li>"
        for job in view.jobs
    )
    return _PAGE.format(title=html.escape(view.run.title), state=_WORDS[view.conclusion or view.status],
                        notice=NOTICE, jobs=jobs or "<li>还没有任务</li>")


def _annotation(level: str, title: str, message: str) -> dict[str, object]:
    return {"path": ".github", "start_line": 1, "end_line": 1, "start_column": None, "end_column": None,
            "annotation_level": level, "title": title, "message": message, "raw_details": "",
            "blob_href": ""}

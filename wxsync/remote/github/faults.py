"""Tell GitHub's refusals apart: what happened, what to do, whether trying again helps. Floor: remote, pure.

Sources: docs.github.com/rest (troubleshooting, rate limits, contents, workflow dispatch).
"""

from __future__ import annotations

import json

from wxsync.errors import RemoteFault
from wxsync.remote.exchange import Response
from wxsync.remote.retryafter import instant_of, retry_after_s

SECONDARY_LIMIT_S = 60.0  # what GitHub asks for when it names no time
MESSAGE_CHARACTERS = 300
REPLACE_WORKFLOW = "请用本项目的 .github/workflows/docker-image-sync.yml 替换仓库默认分支上的同名文件"


class GitHubFault(RemoteFault):
    """A call that failed.

    kind: token permission rate-limit missing conflict old-workflow branch disabled redirect unavailable bad-answer
    refused.
    """

    def __init__(
        self,
        kind: str,
        what: str,
        *,
        where: str,
        mend: str,
        status: int | None = None,
        temporary: bool = False,
        retry_after_s: float | None = None,
        maybe_done: bool = False,
    ) -> None:
        super().__init__(
            what,
            where=where,
            mend=mend,
            status=status,
            temporary=temporary,
            retry_after_s=retry_after_s,
            maybe_done=maybe_done,
        )
        self.kind = kind


class Conflict(GitHubFault):
    """The list changed since it was read: read it again, then write (409, or 422 that names the sha)."""


def fault_of(response: Response, *, method: str, path: str, place: str) -> GitHubFault:
    """Return what an answer other than success means. path: below the repository; place: owner/repo@branch."""
    status, where = response.status, f"{method} {place} {path}"
    message = message_of(response)
    if status in {403, 429}:
        return _refused_or_limited(response, message, where)
    if status in {409, 422} and method == "PUT" and (status == 409 or "sha" in message):
        return Conflict(
            "conflict", "GitHub: 清单刚被别人改过", where=where, mend="稍后重新发送", status=status, temporary=True
        )
    if status == 422 and path.endswith("/dispatches"):
        return _unprocessable_dispatch(message, where)
    if status == 401:
        kind, what, mend = "token", "GitHub 不接受令牌（401）", "令牌错误或已过期，请管理员更新 GITHUB_TOKEN"
    elif status == 404:
        what = f"GitHub 找不到 {place} 的 {path.strip('/') or '仓库'}（404）"
        kind, mend = "missing", _mend_missing(path)
    elif 300 <= status < 400:
        kind, what, mend = "redirect", f"GitHub 转到了别处（{status}）", "仓库可能改了名，请管理员核对 GITHUB_REPO"
    elif status >= 500:
        return GitHubFault(
            "unavailable",
            f"GitHub 暂时不可用（{status}）",
            where=where,
            mend="稍后重新发送",
            status=status,
            temporary=True,
            maybe_done=method != "GET",
            retry_after_s=_asked_s(response),
        )
    else:
        kind, what, mend = "refused", f"GitHub 拒绝了请求（{status}）：{message}", "请管理员按提示检查仓库设置"
    return GitHubFault(kind, what, where=where, mend=mend, status=status)


def message_of(response: Response) -> str:
    """Return GitHub's own words for an error, one short line, empty when there are none."""
    try:
        data = json.loads(response.body)
    except ValueError:
        return ""
    message = data.get("message", "") if isinstance(data, dict) else ""
    return " ".join(str(message)[: 4 * MESSAGE_CHARACTERS].split())[:MESSAGE_CHARACTERS]


def _refused_or_limited(response: Response, message: str, where: str) -> GitHubFault:
    """403 and 429 are a rate limit, primary or secondary, or a missing permission."""
    pause_s = _asked_s(response)
    if pause_s is None and response.header("x-ratelimit-remaining") == "0":
        pause_s = _until_reset(response)
    if pause_s is None and (response.status == 429 or "rate limit" in message.lower()):
        pause_s = SECONDARY_LIMIT_S
    if pause_s is not None:
        return GitHubFault(
            "rate-limit",
            f"GitHub 限制了调用次数，{max(1, round(pause_s / 60))} 分钟后恢复",
            where=where,
            mend="请到时重新发送",
            status=response.status,
            temporary=True,
            retry_after_s=pause_s,
        )
    if "disabled" in message.lower():
        return _disabled(where, response.status)
    needed = response.header("X-Accepted-GitHub-Permissions") or "contents=write; actions=write"
    return GitHubFault(
        "permission",
        f"GitHub 令牌没有权限（403）：{message}",
        where=where,
        mend=f"请管理员给令牌加上该仓库的权限：{needed[:MESSAGE_CHARACTERS]}",
        status=response.status,
    )


def _unprocessable_dispatch(message: str, where: str) -> GitHubFault:
    """422 on a dispatch: nothing was started; GitHub's message tells which of four things is wrong."""
    text = message.lower()
    if "disabled" in text:  # before the next: its text names workflow_dispatch too
        return _disabled(where, 422)
    if "input" in text or "workflow_dispatch" in text:
        what = "仓库里的工作流文件是旧版本（不能由程序启动）"
        return GitHubFault("old-workflow", what, where=where, mend=REPLACE_WORKFLOW, status=422)
    if "ref" in text:
        what, mend = f"GitHub 上没有这个分支：{message}", "请管理员核对 GITHUB_BRANCH"
        return GitHubFault("branch", what, where=where, mend=mend, status=422)
    what = f"GitHub 拒绝启动工作流（422）：{message}"
    return GitHubFault("refused", what, where=where, mend="请管理员按提示检查仓库设置", status=422)


def _disabled(where: str, status: int) -> GitHubFault:
    return GitHubFault(
        "disabled",
        "仓库的 GitHub Actions 或这个工作流被停用",
        where=where,
        mend="请管理员在仓库的 Actions 页面和 Settings → Actions 里启用",
        status=status,
    )


def _mend_missing(path: str) -> str:
    if path.endswith("/dispatches"):
        return f"默认分支上没有这个工作流，或令牌看不到这个仓库。{REPLACE_WORKFLOW}"
    return "请管理员核对 GITHUB_REPO、GITHUB_BRANCH，以及令牌能访问这个仓库"


def _asked_s(response: Response) -> float | None:
    return retry_after_s(response.header("Retry-After"), date=response.header("Date"))


def _until_reset(response: Response) -> float:
    """Seconds from the answer's own Date to x-ratelimit-reset, so that a wrong clock here does not matter."""
    reset, now = _epoch(response.header("x-ratelimit-reset")), instant_of(response.header("Date"))
    return SECONDARY_LIMIT_S if reset is None or now is None else max(1.0, reset - now.timestamp())


def _epoch(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 13 else None

"""What the command line asks of the running daemon: its admin API's meaning. Floor: remote, pure."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from wxsync.errors import ConfigError, MemberError, RemoteFault
from wxsync.remote.exchange import Body, Pieces, Request, Response, Transport
from wxsync.remote.url import bracketed

ANSWER_S = 30.0
MAX_BYTES = 64 << 20  # a hundred jobs of a hundred images with their reasons
JSON = ("Content-Type", "application/json")
BYTES = ("Content-Type", "application/octet-stream")
TOLD = frozenset({"id", "kind", "state", "result", "created_at", "ended_at", "run_url", "items"})
TOLD_OF_ONE = TOLD | {"request", "reason", "is_queued", "text", "progress"}


class Admin:
    """The jobs of one daemon; the same methods as `jobs.desk.Desk` has.

    Each raises RemoteFault when the daemon does not answer or cannot (maybe_done: it may have been done), MemberError
    when it refuses, ConfigError when it wants another token.
    """

    def __init__(self, transport: Transport, *, host: str, port: int, token: str, file_s: float) -> None:
        """file_s: seconds in which the bytes of a file must be through."""
        self._transport = transport
        self._base = f"http://{bracketed(host)}:{port}/api/jobs"
        self._authorization = (("Authorization", f"Bearer {token}"),) if token else ()
        self._file_s = file_s

    def jobs(self, limit: int, before: int | None = None) -> list[dict[str, Any]]:
        """Return the newest jobs first, numbers below before."""
        more = f"&before={before}" if before is not None else ""
        listed = self._ask("GET", f"?limit={limit}{more}").get("jobs")
        if not isinstance(listed, list) or not all(isinstance(job, dict) and job.keys() >= TOLD for job in listed):
            raise _foreign(self._base)
        return listed

    def job(self, number: int) -> dict[str, Any] | None:
        """Return one job, or None."""
        found = self._ask("GET", f"/{number}", may_miss=True)
        if found and not found.keys() >= TOLD_OF_ONE:
            raise _foreign(self._base)
        return found or None

    def take(self, text: str) -> int:
        """Start the job that a text asks for; return its number."""
        return self._number(self._ask("POST", "", json.dumps({"text": text}).encode(), (JSON,)))

    def take_file(self, name: str, body: Pieces) -> int:
        """Start the upload of a file; return its number."""
        answer = self._ask("POST", f"?name={quote(name, safe='')}", body, (BYTES,), timeout_s=self._file_s)
        return self._number(answer)

    def cancel(self, number: int) -> bool:
        """Have a job end; False when there is none."""
        return bool(self._ask("POST", f"/{number}/cancel", b"{}", (JSON,), may_miss=True))

    def retry(self, number: int) -> int:
        """Start a job for what another did not bring about; return its number, 0 when there is none."""
        answer = self._ask("POST", f"/{number}/retry", b"{}", (JSON,), may_miss=True)
        return self._number(answer) if answer else 0

    def _ask(
        self,
        method: str,
        place: str,
        body: Body | None = None,
        fields: tuple[tuple[str, str], ...] = (),
        *,
        may_miss: bool = False,
        timeout_s: float = ANSWER_S,
    ) -> dict[str, Any]:
        """Return the answer; empty for a job that is not there when that may be."""
        request = Request(method, self._base + place, (*self._authorization, *fields), body)
        answer = self._transport.send(request, timeout_s=timeout_s, max_bytes=MAX_BYTES)
        told = _read(answer, self._base)
        if answer.status in (200, 201, 202):
            return told
        if answer.status == 404 and may_miss:
            return {}
        what, mend = str(told.get("error", "")), str(told.get("mend", ""))
        if answer.status == 401:
            raise ConfigError("守护进程要求另一个口令", where="[server] admin_token", mend="与守护进程用同一份配置")
        if answer.status >= 500 or answer.status == 408:
            raise RemoteFault(what, where=self._base, mend=mend, status=answer.status, temporary=True)
        raise MemberError(what, mend=mend)

    def _number(self, answer: dict[str, Any]) -> int:
        number = answer.get("id")
        if not isinstance(number, int):
            raise _foreign(self._base)
        return number


def _read(answer: Response, where: str) -> dict[str, Any]:
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise _foreign(where)
    return told


def _foreign(where: str) -> RemoteFault:
    mend = "升级之后请重启守护进程；端口被别的程序占用时请先停掉它"
    return RemoteFault("应答的不是同一版本的 wxsyncd", where=where, mend=mend)

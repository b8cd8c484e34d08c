"""The admin API below /api: jobs as JSON, and what starts, cancels and repeats them. Floor: web."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl

from wxsync.errors import MemberError
from wxsync.http1.refusal import Refusal
from wxsync.log.logger import logger
from wxsync.store.database import StoreFault
from wxsync.store.spool import SpoolFull
from wxsync.web.exchange import Exchange
from wxsync.web.gate import Denied, Gate
from wxsync.web.routes import Rule

LOG = logger("web.api")
ROOT = b"/api"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")  # those not served get a JSON answer as well
READING, WRITING = ("GET", "HEAD"), ("POST",)
JSON = "application/json"
MAX_JSON = 256 << 10  # a text of 16 KiB in which every byte is escaped, and room
MAX_NAME_BYTES = 255  # of a file: NAME_MAX
MAX_LISTED, LISTED = 100, 20
MAX_QUERY_FIELDS = 8
MALFORMED = ("请求体写错了", "检查 Content-Length 和 Transfer-Encoding")
REFUSED = {
    408: ("请求体来得太慢", "检查网络后再试"),
    413: ("请求体太大", "文件最大 [upload] max_bytes 字节，文字最多 16 KiB"),
}
_PATH = re.compile(rb"/api/jobs(?:/([1-9][0-9]{0,17})(?:/(cancel|retry))?)?")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


class Desk(Protocol):
    """Where the jobs are asked; called by request threads at the same time. Every method raises StoreFault."""

    def jobs(self, limit: int, before: int | None = None) -> list[dict[str, Any]]:
        """Return the newest jobs first, numbers below before."""

    def job(self, number: int) -> dict[str, Any] | None:
        """Return one job, or None."""

    def take(self, text: str) -> int:
        """Start the job that a text asks for; return its number."""

    def take_file(self, name: str, blocks: Iterable[bytes | memoryview]) -> int:
        """Start the upload of a file; return its number. Raises SpoolFull, MemberError, and what the blocks raise."""

    def cancel(self, number: int) -> bool:
        """Have a job end; False when there is none. Raises MemberError when it cannot be."""

    def retry(self, number: int) -> int:
        """Start a job for what another did not bring about; 0 when there is none. Raises MemberError."""


class Bounds(NamedTuple):
    """Of the bytes of one file, and the seconds in which they must all have come."""

    max_bytes: int
    within_s: float


class Api:
    """One on the admin listener; every answer is JSON, an error too: {"error": …, "mend": …}."""

    def __init__(self, desk: Desk | None, gate: Gate, bounds: Bounds) -> None:
        """desk: None when this daemon has no jobs."""
        self._desk = desk
        self._gate = gate
        self._bounds = bounds

    def rule(self) -> Rule:
        """Return the rule for the router."""
        return Rule(ROOT, METHODS, self.answer, below=True)

    def answer(self, exchange: Exchange) -> None:
        """Serve one request."""
        fields: tuple[tuple[str, str], ...] = ()
        try:
            self._gate.check(exchange)
            status, body = self._served(exchange)
        except Denied as denied:
            status, body, fields = denied.status, _error(denied.what, denied.mend), denied.fields
        except MemberError as error:
            status, body = 409, _error(error.what, error.mend)
        except Refusal as refusal:
            exchange.may_keep = exchange.may_keep and not refusal.closes
            exchange.reason = refusal.what
            status, body = refusal.status, _error(*REFUSED.get(refusal.status, MALFORMED))
        except StoreFault as fault:
            LOG.error("request not stored", why=str(fault))
            status, body = 507 if isinstance(fault, SpoolFull) else 503, _error(fault.what, fault.mend)
        text = json.dumps(body, ensure_ascii=False) + "\n"
        no_store = ("Cache-Control", "no-store")
        exchange.answer(status, text.encode("utf-8", "replace"), JSON, headers=(no_store, *fields))

    def _served(self, exchange: Exchange) -> tuple[int, dict[str, Any]]:
        match = _PATH.fullmatch(exchange.path)
        if match is None:
            raise Denied(404, "没有这个地址", "见文档的「接口」")
        if self._desk is None:
            raise Denied(503, "这个守护进程没有任务功能", "补上 [wecom]、[registry] 或 [qingstor] 的配置，再重新加载")
        number = int(match[1] or 0)
        if match[2]:
            _only(exchange, WRITING)
            return self._changed(exchange, self._desk, number, match[2].decode())
        if number:
            _only(exchange, READING)
            found = _found(number, self._desk.job(number))
            exchange.is_polling = True
            return 200, found
        _only(exchange, READING + WRITING)
        query = _query(exchange)
        if exchange.method == "POST":
            return 201, {"id": self._taken(exchange, self._desk, query)}
        limit, before = _number(query, "limit"), _number(query, "before")
        _no_more(query)
        return 200, {"jobs": self._desk.jobs(min(limit or LISTED, MAX_LISTED), before)}

    def _taken(self, exchange: Exchange, desk: Desk, query: dict[str, str]) -> int:
        if "name" in query:
            name = _file_name(query.pop("name"))
            _no_more(query)
            if _content_type(exchange) == "multipart/form-data":
                raise Denied(415, "请求体应当就是文件的内容", "用 curl --data-binary @FILE，不用 -F")
            return desk.take_file(name, exchange.blocks(self._bounds.max_bytes, self._bounds.within_s))
        _no_more(query)
        return desk.take(_text(exchange))

    @staticmethod
    def _changed(exchange: Exchange, desk: Desk, number: int, change: str) -> tuple[int, dict[str, Any]]:
        _no_more(_query(exchange))
        _expect_json(exchange, is_needed=False)
        exchange.body(MAX_JSON)  # nothing in it is looked at, but it must not cost the connection
        if change == "cancel":
            return 202, {"id": _found(number, number if desk.cancel(number) else None)}
        return 201, {"id": _found(number, desk.retry(number) or None)}


def _found(number: int, found: Any) -> Any:
    if found is None:
        raise Denied(404, f"没有任务 #{number}", "用 GET /api/jobs 或 wxsyncd jobs 查看已有的任务")
    return found


def _only(exchange: Exchange, methods: tuple[str, ...]) -> None:
    if exchange.method not in methods:
        raise Denied(405, f"不接受 {exchange.method}", f"用 {'、'.join(methods)}", (("Allow", ", ".join(methods)),))


def _error(what: str, mend: str) -> dict[str, Any]:
    return {"error": what, "mend": mend}


def _query(exchange: Exchange) -> dict[str, str]:
    """Return the query's fields, each once; the head's limit bounds its length."""
    try:
        pairs = parse_qsl(
            exchange.query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(exchange.query),
            errors="strict", max_num_fields=MAX_QUERY_FIELDS,
        )  # fmt: skip
    except ValueError:  # UnicodeDecodeError is one
        raise Denied(400, "地址里 ? 之后的部分写错了", "用 UTF-8 和百分号编码，例如 ?name=a%20b.pdf") from None
    if len(dict(pairs)) != len(pairs):
        raise Denied(400, "地址里有重复的参数", "每个参数只写一次")
    return dict(pairs)


def _number(query: dict[str, str], name: str) -> int | None:
    text = query.pop(name, None)
    if text is not None and not _NUMBER.fullmatch(text):
        raise Denied(400, f"{name} 不是正整数", f"例如 ?{name}=50")
    return None if text is None else int(text)


def _no_more(query: dict[str, str]) -> None:
    if query:
        raise Denied(400, "有不认识的参数", "可用的参数：limit、before；上传文件时 name")


def _file_name(name: str) -> str:
    is_short = 0 < len(name.encode()) <= MAX_NAME_BYTES
    if not is_short or name in {".", ".."} or "/" in name or "\\" in name or not name.isprintable():
        raise Denied(400, "文件名不对", "name 只写文件名本身，不带目录和控制字符，最多 255 字节")
    return name


def _content_type(exchange: Exchange) -> str:
    values = exchange.request.values(b"content-type")
    return values[0].partition(b";")[0].strip().lower().decode("latin-1") if len(values) == 1 else ""


def _expect_json(exchange: Exchange, *, is_needed: bool) -> None:
    """A page of another site can post forms and plain text without asking first, but no JSON (Fetch, 3.2.2 CORS)."""
    is_given = is_needed or exchange.request.fields.has_body or exchange.request.values(b"content-type")
    if is_given and _content_type(exchange) != JSON:
        raise Denied(415, "请求体不是 JSON", "带上 Content-Type: application/json")


def _text(exchange: Exchange) -> str:
    """Return the text of the body {"text": …}."""
    _expect_json(exchange, is_needed=True)
    try:
        body = json.loads(exchange.body(MAX_JSON).decode("utf-8"))
        text = body["text"] if isinstance(body, dict) and list(body) == ["text"] else None
        if isinstance(text, str) and text.strip():
            text.encode("utf-8")  # a lone surrogate can be escaped in JSON, and nothing can store it
            return text
    except (ValueError, RecursionError):
        pass
    raise Denied(400, "请求体写错了", '写 {"text": "nginx:latest"}，内容与聊天消息相同')

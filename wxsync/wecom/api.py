"""Call WeCom's API once and tell success from failure by errcode alone. Floor: wecom."""

from __future__ import annotations

import json
from collections.abc import Mapping

from wxsync.errors import RemoteFault
from wxsync.log.redaction import Redactor
from wxsync.remote.exchange import Request, Response, Transport
from wxsync.wecom.errcodes import Action, action, explain

TIMEOUT_S = 10.0
MAX_ANSWER = 64 << 10


class ApiRefused(RemoteFault):
    """WeCom answered with an errcode other than 0; the call had no effect."""

    def __init__(self, errcode: int, errmsg: str, *, where: str) -> None:
        super().__init__(f"errcode {errcode}", where=where, mend=explain(errcode, errmsg))
        self.errcode = errcode
        self.action: Action = action(errcode)


class Api:
    """The API of one installation: its address, and what may not turn up in any error. Any thread may call."""

    def __init__(self, transport: Transport, api_base: str, redactor: Redactor) -> None:
        self._transport = transport
        self._base = api_base.rstrip("/")
        self._redactor = redactor

    def get(self, call: str, query: str) -> Mapping[str, object]:
        """Return what a GET of /cgi-bin/{call} answers; raises ApiRefused or RemoteFault, neither with the query."""
        return self._send(call, Request("GET", f"{self._base}/cgi-bin/{call}?{query}"))

    def post(self, call: str, query: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """Return what a POST of the body as JSON answers; raises as `get` does."""
        # WeCom refuses JSON with \\uXXXX escapes (40033).
        data = json.dumps(body, ensure_ascii=False).encode("utf-8")
        fields = (("Content-Type", "application/json; charset=utf-8"),)
        return self._send(call, Request("POST", f"{self._base}/cgi-bin/{call}?{query}", fields, data))

    def _send(self, call: str, request: Request) -> Mapping[str, object]:
        where = f"WeCom {call}"
        response = self._transport.send(request, timeout_s=TIMEOUT_S, max_bytes=MAX_ANSWER)
        if 300 <= response.status < 400:
            mend = "企业微信接口返回了跳转，请检查 [wecom] api_base"
            raise RemoteFault(f"HTTP {response.status}", where=where, mend=mend, status=response.status)
        answer = _read(response)
        errcode = answer.get("errcode")
        if response.status != 200 or not isinstance(errcode, int) or isinstance(errcode, bool):
            mend = "企业微信接口的答复无法识别，稍后自动重试；一直如此请检查 [wecom] api_base 和网络设备"
            raise RemoteFault(f"HTTP {response.status}, no answer of the API", where=where, mend=mend,
                              status=response.status, temporary=True, maybe_done=True)
        if errcode != 0:
            raise ApiRefused(errcode, self._redactor.text(str(answer.get("errmsg", ""))), where=where)
        return answer


def _read(response: Response) -> Mapping[str, object]:
    """Return the JSON object of the answer, an empty one when it holds none."""
    try:
        value = json.loads(response.body.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}

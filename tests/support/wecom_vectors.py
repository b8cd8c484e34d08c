"""The cases of tests/data/wecom.json, as requests."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

Case = dict[str, Any]
DATA = Path(__file__).resolve().parents[1] / "data"
CASES: list[Case] = json.loads((DATA / "wecom.json").read_text(encoding="utf-8"))


def cases(*kinds: str) -> list[Case]:
    return [case for case in CASES if case["kind"] in kinds]


def requests(case: Case) -> list[tuple[str, bytes, bytes]]:
    """Return (method, query, body) of every request of the case, in order."""
    return [(each["method"], each["query"].encode(), _body(each)) for each in [case["request"], *case.get("then", [])]]


def _body(request: dict[str, Any]) -> bytes:
    if request.get("body_b64") is not None:
        return base64.b64decode(request["body_b64"])
    if request.get("body_fill") is not None:
        fill = request["body_fill"]
        return (fill["head"] + fill["unit"] * fill["times"] + fill["tail"]).encode()
    return (request.get("body") or "").encode()

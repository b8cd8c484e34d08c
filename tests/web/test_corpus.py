"""Every case of the callback corpus holds, through one process and through two."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import proxy_runner
from tests.support.relay_process import RelayProcess

CASES = json.loads((Path(__file__).parents[1] / "data" / "proxy.json").read_text(encoding="utf-8"))["cases"]


@pytest.fixture(scope="module", params=[1, 2], ids=["one", "two"])
def played(request) -> Iterator[tuple[tuple[str, int], proxy_runner.Upstream]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        upstream_port = free.getsockname()[1]
    upstream = proxy_runner.Upstream(upstream_port)
    options = {
        "targets": [f"http://127.0.0.1:{upstream_port}"], "processes": request.param, "timeout": 1, "head_timeout": 1,
        "body_timeout": 1, "idle_timeout": 5, "max_body": 1 << 20}
    with RelayProcess(options) as relay:
        proxy_runner.NAMES.update({"@PROXY@": f"127.0.0.1:{relay.port}", "@UP@": f"127.0.0.1:{upstream_port}"})
        yield ("127.0.0.1", relay.port), upstream
    with contextlib.suppress(OSError):
        upstream.sock.close()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(played, case) -> None:
    address, upstream = played
    assert proxy_runner.run(case, address, upstream, 2.5) == []

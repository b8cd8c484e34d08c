"""The screen: bars that are drawn over themselves on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import io
from typing import Any

from tests.support.clock import FakeClock
from wxsync.commands.screen import Screen

JOB: dict[str, Any] = {
    "id": 1, "kind": "upload", "state": "fetching", "ended_at": None, "result": "", "is_queued": False,
    "items": [{"source": "a.bin", "result": ""}], "progress": [{"done": 0, "total": 100}]}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def moved(done: int) -> dict[str, Any]:
    return {**JOB, "progress": [{"done": done, "total": 100}]}


def test_a_terminal_is_drawn_over_and_left_clean():
    out, clock = Terminal(), FakeClock()
    screen = Screen(out, clock)
    screen.show([moved(0)])
    screen.show([moved(10)])
    clock.advance(2)
    screen.show([moved(50)])
    screen.say("stays")
    first, second, third, last = out.getvalue().split("\x1b")[0], *out.getvalue().split("\x1b[J")[1:]
    assert first.count("\n") == 1
    assert "10 字节 / 100 字节 a.bin" in second
    assert "20 字节/秒 a.bin" in third
    assert last == "stays\n"
    assert "\x1b[2A\x1b[J" in out.getvalue()
    screen.clear()
    assert out.getvalue().endswith("stays\n")


def test_elsewhere_only_a_change_is_a_line():
    out = io.StringIO()
    screen = Screen(out, FakeClock())
    for done in (0, 10, 50):
        screen.show([moved(done)])
    screen.show([{**JOB, "state": "uploading"}])
    screen.clear()
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("#1 文件上传：") for line in lines)

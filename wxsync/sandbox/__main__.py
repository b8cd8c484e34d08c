"""All stand-ins and the chat page in one process: `python3 -m wxsync.sandbox`. Floor: sandbox.

Prints one line of JSON with all addresses and the daemon's settings. Ends on SIGTERM, SIGINT, or (asked to) when
stdin ends; a demo that was killed thus takes its stand-ins along, and the processes that it told them to guard.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Iterable
from types import FrameType

from wxsync.sandbox.chat import Chat
from wxsync.sandbox.github.runs import Pace
from wxsync.sandbox.stand_ins import ACTIONS, LOCAL, StandIns

PACE = Pace(visible=0.4, queued=0.6, plan=0.8, image=1.2)


def main(argv: list[str] | None = None) -> int:
    """Run until told to end."""
    options = _options(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    host, _, port = options.page.rpartition(":")
    with StandIns(pace=PACE) as stand_ins:
        chat = Chat(stand_ins.wecom, options.member, engine=options.engine, host=host, port=int(port))
        print(json.dumps({
            "chat": chat.url, "member": chat.member, "wecom": stand_ins.wecom.url, "github": stand_ins.github.url,
            "qingstor": stand_ins.qingstor.url, "origin": stand_ins.origin.server.url,
            "settings": stand_ins.settings(options.engine),
        }), flush=True)
        try:
            if options.until_stdin_ends:
                _follow_parent(sys.stdin)
            else:
                threading.Event().wait()
        finally:
            chat.close()
    return 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    cast = "企业微信、GitHub、QingStor 和镜像仓库的本机替身"
    parser = argparse.ArgumentParser(prog="wxsync.sandbox", description=cast)
    parser.add_argument("--member", default="zhangsan", help="聊天页面上的成员")
    parser.add_argument("--page", default="127.0.0.1:0", metavar="HOST:PORT", help="聊天页面的监听地址")
    parser.add_argument("--engine", choices=(ACTIONS, LOCAL), default=LOCAL, help="守护进程用哪种方式同步镜像")
    parser.add_argument("--until-stdin-ends", action="store_true", help="标准输入结束时退出")
    options = parser.parse_args(argv)
    if not re.fullmatch(r"[^\s:]+:[0-9]{1,5}", options.page):
        parser.error("--page 应为 HOST:PORT，例如 127.0.0.1:8080")
    return options


def _follow_parent(lines: Iterable[str]) -> None:
    """Read `guard PID` and `forget PID` until the parent is gone, then end what is still guarded."""
    guarded: set[int] = set()
    for line in lines:
        word, _, pid = line.strip().partition(" ")
        if not re.fullmatch("[1-9][0-9]{0,9}", pid):
            continue
        if word == "guard":
            guarded.add(int(pid))
        elif word == "forget":
            guarded.discard(int(pid))
    for pid_left in guarded:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid_left, signal.SIGTERM)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())

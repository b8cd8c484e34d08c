"""Follow jobs to their end; the first Ctrl-C cancels them, the second leaves. Floor: cli."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from typing import Any

from wxsync.clock import Clock
from wxsync.commands.office import Away, Office
from wxsync.commands.screen import Screen
from wxsync.errors import MemberError

PAUSE_S = 0.25
SLOWEST_S = 2.0


class Interrupts:
    """Counts SIGINT instead of being torn out of a call by the first; only a number is touched in the handler."""

    def __init__(self) -> None:
        self.count = 0

    def listen(self) -> None:
        """Take SIGINT over; the main thread only."""
        signal.signal(signal.SIGINT, lambda *_: self._on_signal())

    def _on_signal(self) -> None:
        self.count += 1
        if self.count > 1:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a third must not tear the way out
            raise KeyboardInterrupt


def follow(
    office: Office, numbers: Sequence[int], screen: Screen, interrupts: Interrupts, clock: Clock
) -> list[dict[str, Any]]:
    """Return the jobs in this order when all have ended. Raises Away, naming the jobs, when the daemon goes away."""
    ended: dict[int, dict[str, Any]] = {}
    is_cancelling, pause_s = False, PAUSE_S
    try:
        while len(ended) < len(numbers):
            if interrupts.count and not is_cancelling:
                is_cancelling = True
                _cancel(office, [number for number in numbers if number not in ended], screen)
            jobs = [_present(office, number) for number in numbers if number not in ended]
            ended.update({job["id"]: job for job in jobs if job["ended_at"]})
            screen.show([job for job in jobs if not job["ended_at"]])
            if len(ended) < len(numbers):
                clock.wait(threading.Event(), pause_s)  # it ends early for nobody: an interrupt is seen after it
                pause_s = PAUSE_S if screen.is_terminal else min(SLOWEST_S, pause_s * 1.2)
    except Away as away:
        left = "、".join(f"#{number}" for number in numbers if number not in ended)
        mend = f"任务 {left} 已存下，守护进程恢复后会接着做；用 wxsyncd jobs 查看结果（{away.mend}）"
        raise Away(away.what, where=away.where, mend=mend) from away
    finally:
        screen.clear()
    return [ended[number] for number in numbers]


def _cancel(office: Office, numbers: Sequence[int], screen: Screen) -> None:
    for number in numbers:
        try:
            office.cancel(number)
            screen.say(f"正在取消任务 #{number}，停下后显示结果；再按一次 Ctrl-C 不等结果就离开")
        except MemberError as error:  # it has ended just now
            screen.say(error.what)


def _present(office: Office, number: int) -> dict[str, Any]:
    job = office.job(number)
    if job is None:
        raise MemberError(f"任务 #{number} 不在了", mend="守护进程可能换了状态目录")
    return job

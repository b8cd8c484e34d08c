"""Child processes of the demo: ended for certain, their last words kept."""

from __future__ import annotations

import os
import signal
import sys

from wxsync.sandbox.children import TAIL_LINES, Child


def child(tmp_path, program, **options):
    return Child("x", [sys.executable, "-c", program], log=tmp_path / "log", cwd=tmp_path, env=os.environ, **options)


def test_a_child_that_ignores_sigterm_is_killed(tmp_path):
    stubborn = child(tmp_path, "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', "
                               "flush=True); time.sleep(60)", is_spoken_with=True)
    assert stubborn.answers.readline() == b"x\n"
    assert stubborn.end(0.2) == -signal.SIGKILL
    assert stubborn.end(0.2) == -signal.SIGKILL


def test_talking_to_a_child_that_is_gone_does_no_harm(tmp_path):
    gone = child(tmp_path, "pass", is_spoken_with=True)
    assert gone.answers.read() == b""
    gone.end(10, terminate=False)
    gone.tell("hello")
    gone.hang_up()
    assert gone.status == 0


def test_the_tail_holds_the_last_lines(tmp_path):
    talker = child(tmp_path, "for n in range(5000): print('line', n)")
    assert talker.end(10, terminate=False) == 0
    lines = talker.tail().splitlines()
    assert (len(lines), lines[-1]) == (TAIL_LINES, "line 4999")

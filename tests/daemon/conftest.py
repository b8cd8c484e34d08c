"""A sandbox and daemons on it, ended at the end of each test."""

from __future__ import annotations

import pytest

from tests.support.daemon import DaemonProcess
from wxsync.sandbox.github.runs import Pace
from wxsync.sandbox.stand_ins import StandIns

FINAL = "✅❌⚠ℹ"


@pytest.fixture
def sandbox():
    with StandIns(pause_s=0.2, pace=Pace(queued=0.02, plan=0.02, image=0.05)) as stand_ins:
        yield stand_ins


@pytest.fixture
def start(sandbox, tmp_path):
    """Return a function that starts a daemon on the sandbox, with these options changed, and joins the two."""
    daemons: list[DaemonProcess] = []

    def start_daemon(command: tuple[str, ...] = (), **changes: dict[str, str]) -> DaemonProcess:
        settings = sandbox.settings()
        settings["github"]["poll"] = "0.05"
        for section, options in changes.items():
            settings.setdefault(section, {}).update(options)
        daemon = DaemonProcess(tmp_path, settings, **({"command": command} if command else {}))
        daemons.append(daemon)
        return join(sandbox, daemon.start())

    yield start_daemon
    for daemon in daemons:
        daemon.stop()


def join(sandbox: StandIns, daemon: DaemonProcess) -> DaemonProcess:
    sandbox.wecom.call_at(f"http://127.0.0.1:{daemon.port()}/wechat/callback")
    return daemon


def is_final(entry) -> bool:
    return entry.text[0] in FINAL


def ask(sandbox: StandIns, text: str, member: str = "zhangsan", within_s: float = 20) -> str:
    """Send a message and return the next final answer that its member gets."""
    after = max((entry.number for entry in sandbox.wecom.chat(member)), default=0)
    assert sandbox.wecom.send_text(member, text).is_accepted
    return sandbox.wecom.wait_for(member, is_final, within_s=within_s, after=after).text


def final_answers(sandbox: StandIns, member: str) -> list[str]:
    return [text for text in sandbox.wecom.answers(member) if text[0] in FINAL]

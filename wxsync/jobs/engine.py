"""What mirrors images, whichever way: steps that can be resumed. Floor: jobs."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from wxsync.errors import RemoteFault
from wxsync.jobs.events import Event
from wxsync.jobs.job import Job


class Step(NamedTuple):
    """What happened (None: nothing yet), and after how many seconds the next step is due."""

    event: Event | None
    again_s: float = 0.0


class Engine(Protocol):
    """Takes an announced job to its conclusion, one stored step at a time."""

    def step(self, job: Job) -> Step:
        """Do the next step of a job that is announced or further, but not concluded.

        What the event says is stored before the next step is asked for. After a crash the same step is asked for
        again: its effect must be recognised, or be harmless twice. Once job.cancelled_by is set, nothing more is
        started and what runs is stopped: the next steps lead to a conclusion that tells what was mirrored until then.
        Raises RemoteFault (see `retry_s`) and StoreFault.
        """

    def retry_s(self, job: Job, fault: RemoteFault, tries: int) -> float | None:
        """Return after how many seconds a step that failed is worth another try, None when the job fails by it.

        tries: how often this step was tried again before.
        """

    def stop(self, timeout_s: float) -> bool:
        """End what runs beside the steps, for the end of the process; tell whether it ended in time. Any thread."""


def engine_changed(job: Job) -> RemoteFault:
    """Return why an engine does not go on with what another one began, before the configuration was changed."""
    what = "同步方式（[sync] engine）已经改变，这个任务没有做完"
    return RemoteFault(what, where=f"job {job.id}", mend="请发送「重试」再同步一次")


class SwitchedOff:
    """The engine of a daemon that mirrors nothing: jobs left open by an earlier configuration end with the reason."""

    def step(self, job: Job) -> Step:
        """Refuse for good."""
        raise RemoteFault(
            "镜像同步已被关闭", where=f"job {job.id}", mend="请管理员恢复 [github] 和 [registry] 的配置后重新发送"
        )

    def retry_s(self, job: Job, fault: RemoteFault, tries: int) -> float | None:  # noqa: ARG002 the protocol's
        """Nothing is worth waiting for."""
        return None

    def stop(self, timeout_s: float) -> bool:  # noqa: ARG002 the protocol's
        """Nothing runs beside."""
        return True

"""End the uploads that an earlier configuration left open when this one has none. Floor: jobs."""

from __future__ import annotations

import threading
from dataclasses import replace

from wxsync.clock import Clock
from wxsync.jobs import events, results
from wxsync.jobs.job import Job, advance
from wxsync.jobs.ledger import Ledger
from wxsync.jobs.replies import uploads


class SwitchedOff:
    """Stands where the course of uploads stands otherwise."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def run(self, job: Job, stop: threading.Event) -> None:  # noqa: ARG002 the course's
        """End the job with the reason; what lies open at QingStor cannot be reached. Raises StoreFault."""
        files = tuple(
            file if file.result else replace(file, result=results.FAILED, reason="文件上传已被关闭", mend=MEND)
            for file in job.files
        )
        failed = advance(job, events.Fetching(files))
        ended = advance(failed, events.Ended(results.result_of(files), self._clock.now()))
        self._ledger.save(ended, uploads.ended(ended, "", self._clock.local))


MEND = "请管理员恢复 [qingstor] 的配置后重新发送"

"""Progress of transfers: known while the job is open, nothing of it after."""

from __future__ import annotations

from wxsync.jobs.progress import Amount, Progress


def test_tells_how_far_each_item_is_until_the_job_is_forgotten() -> None:
    progress = Progress()
    progress.report(7, 1, 5, 10)
    progress.report(7, 1, 6, 10)
    progress.report(8, 0, 1, None)
    assert progress.of(7, 2) == [Amount(), Amount(6, 10)]
    progress.forget(7)
    assert progress.of(7, 2) == [Amount(), Amount()]
    assert progress.of(8, 1) == [Amount(1, None)]

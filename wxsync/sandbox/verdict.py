"""What the answers in a chat mean for an exit status: done, partly, failed, or not final yet. Floor: sandbox."""

from __future__ import annotations

import re
from collections.abc import Sequence

DONE, FAILED, PARTLY = 0, 1, 3
_FINAL = {"✅": DONE, "ℹ": DONE, "⚠": FAILED, "❌": FAILED}  # the first character of a final answer
_NUMBER = re.compile(r"#([0-9]{1,12})(?: \(([0-9]{1,2})/([0-9]{1,2})\))?")
_SUCCEEDED = re.compile("成功 ([1-9][0-9]{0,5}) 个")


def exit_status(answers: Sequence[str]) -> int | None:
    """Return the status that the first final answer stands for, once all its parts are there; else None."""
    for answer in answers:
        status = _FINAL.get(answer[:1])
        if status is not None and _is_whole(answer, answers):
            first_line = answer.partition("\n")[0]
            return PARTLY if answer.startswith("❌") and _SUCCEEDED.search(first_line) else status
    return None


def _is_whole(first: str, answers: Sequence[str]) -> bool:
    number = _number(first)
    if number is None or number[2] == 0:
        return True
    parts = {other[1] for other in map(_number, answers) if other and other[0] == number[0] and other[2] == number[2]}
    return len(parts) == number[2]


def _number(answer: str) -> tuple[str, int, int] | None:
    """Return job, part and parts (0 and 0 for a text of one part) from the last line, None without a job number."""
    match = _NUMBER.fullmatch(answer.rpartition("\n")[2])
    return (match.group(1), int(match.group(2) or 0), int(match.group(3) or 0)) if match else None

"""How large the parts of an upload are, and how many of them lie in memory. Floor: jobs, pure."""

from __future__ import annotations

MIB = 1 << 20
MAX_PARTS = 10_000  # QingStor's bound
PLANNED_PARTS = 9_000  # of a file whose length is known: some room below that bound
DOUBLING_PARTS = 1_000
BUFFER_BYTES = 40 * MIB  # of all parts in memory together


def part_size(number: int, *, length: int | None, least: int) -> int:
    """Return the size of the part with this number, in bytes. least: the smallest that is wanted.

    length: of the whole file; without it the size doubles every thousand parts, so that 4 TB fit at 4 MiB.
    """
    if length is None:
        return int(least << (number // DOUBLING_PARTS))
    wanted = max(least, -(-length // PLANNED_PARTS))
    return -(-wanted // MIB) * MIB


def buffer_count(size: int, workers: int) -> int:
    """Return how many parts of this size may lie in memory: one for each worker and one that fills, by the bound fewer.

    Two always: one fills while one is sent. So the bound is broken by parts of more than 20 MiB only, which come after
    28 GB of unknown length, in files of more than 180 GB, or because the operator asked for them.
    """
    return max(2, min(workers + 1, BUFFER_BYTES // size))

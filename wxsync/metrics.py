"""Counters, gauges and histograms in a small file that other processes can read, and their Prometheus text.

Each process writes its own file; whoever answers /metrics reads all of them and sums. Floor: ground.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

RECORD = struct.Struct("<d1s247s")  # value, kind, series as Prometheus writes it; one record a series
MAX_SERIES = 2048
COUNTER, GAUGE = b"c", b"g"
# Seconds; WeCom gives a URL check 1 s and a callback 5 s.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Sample(NamedTuple):
    """One series at one time."""

    series: str
    is_counter: bool
    value: float


class Family(NamedTuple):
    """What is said once about all series of a name."""

    name: str
    kind: str  # counter, gauge or histogram
    help: str


class Histogram:
    """Cumulative buckets, sum and count."""

    def __init__(self, metrics: Metrics, name: str, labels: Mapping[str, str]) -> None:
        bounds = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
        self._metrics = metrics
        self._buckets = [series_text(f"{name}_bucket", {**labels, "le": bound}) for bound in bounds]
        self._sum = series_text(f"{name}_sum", labels)
        self._count = series_text(f"{name}_count", labels)
        for series in self._buckets:
            metrics.add(series, 0)

    def observe(self, seconds: Sequence[float]) -> None:
        """Count events that took so long each; many at once cost little more than one."""
        counts = [0] * len(self._buckets)
        for each in seconds:
            counts[bisect_left(BUCKETS, each)] += 1
        for series, total in zip(self._buckets, accumulate(counts)):
            if total:
                self._metrics.add(series, total)
        self._metrics.add(self._sum, sum(seconds))
        self._metrics.add(self._count, len(seconds))


class Metrics:
    """The series of this process; any thread may call. Without a path they are kept in memory only."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._slots: dict[str, int] = {}
        self._memory = _mapped(path) if path else mmap.mmap(-1, MAX_SERIES * RECORD.size)

    def add(self, series: str, amount: float) -> None:
        """Add to a counter, which is made when it is new; series as series_text writes it."""
        self._put(series, COUNTER, amount, keeps=True)

    def put(self, series: str, value: float) -> None:
        """Set a gauge."""
        self._put(series, GAUGE, value, keeps=False)

    def _put(self, series: str, kind: bytes, value: float, *, keeps: bool) -> None:
        with self._lock:
            slot = self._slots.get(series)
            if slot is None:
                name = series.encode()
                if len(self._slots) >= MAX_SERIES or len(name) > 247:
                    return  # a bound, never a failure of what is being counted
                slot = self._slots[series] = len(self._slots) * RECORD.size
                RECORD.pack_into(self._memory, slot, value, kind, name)
                return
            before = struct.unpack_from("<d", self._memory, slot)[0] if keeps else 0.0
            struct.pack_into("<d", self._memory, slot, before + value)

    def samples(self) -> list[Sample]:
        """Return all series of this process."""
        return _samples(self._memory[:])

    def keep(self, samples: Iterable[Sample]) -> None:
        """Take over the counters of a process that has ended, so that sums never go back."""
        for sample in samples:
            if sample.is_counter:
                self.add(sample.series, sample.value)


def _mapped(path: Path) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(descriptor, MAX_SERIES * RECORD.size)
        return mmap.mmap(descriptor, MAX_SERIES * RECORD.size)
    finally:
        os.close(descriptor)


def read(path: Path) -> list[Sample]:
    """Return the series of another process from its file; none when there is no such file."""
    with contextlib.suppress(FileNotFoundError):
        return _samples(path.read_bytes())
    return []


def _samples(data: bytes) -> list[Sample]:
    samples = []
    for value, kind, name in RECORD.iter_unpack(data[:len(data) // RECORD.size * RECORD.size]):
        if kind not in (COUNTER, GAUGE):
            break
        samples.append(Sample(name.rstrip(b"\0").decode(errors="replace"), kind == COUNTER, value))
    return samples


def series_text(name: str, labels: Mapping[str, str]) -> str:
    """Write a series as the Prometheus text format does, its label values escaped."""
    if not labels:
        return name
    inner = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
    return f"{name}{{{inner}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def exposition(families: Iterable[Family], samples: Iterable[Sample]) -> str:
    """Return the Prometheus text of these families; equal series of several processes are summed."""
    totals: dict[str, float] = {}
    for sample in samples:
        totals[sample.series] = totals.get(sample.series, 0.0) + sample.value
    lines = []
    for family in families:
        own = [(series, value) for series, value in totals.items() if _belongs(series, family)]
        if own:
            lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
            lines += [f"{series} {value:.17g}" for series, value in own]
    return "\n".join([*lines, ""])


def _belongs(series: str, family: Family) -> bool:
    name = series.partition("{")[0]
    if family.kind == "histogram":
        return name in (f"{family.name}_bucket", f"{family.name}_sum", f"{family.name}_count")
    return name == family.name

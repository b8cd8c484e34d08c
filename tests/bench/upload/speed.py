"""The upload beside the way of the program that it replaces, and alone at full speed: time, ratios, memory.

    python -m tests.bench.upload.speed [--floor] [--gigabytes 1 5]

--floor: seconds instead of minutes, loose bounds that hold on a busy machine too; exit 1 when one is broken.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[3]
MB = 1_000_000
SOURCE_RATE, UPLOAD_RATE, WORKERS = 40 * MB, 10 * MB, 4


class Promise(NamedTuple):
    """What is held to."""

    size: int  # bytes of the comparison
    over_bound: float  # streamed, in physical bounds
    over_seed: float  # times as fast as the seed's way
    rate: float  # bytes a second at full speed
    above_idle_mib: float


FULL = Promise(100 * MB, 1.35, 3.0, 200 * MB, 64)
FLOOR = Promise(40 * MB, 1.8, 2.5, 80 * MB, 64)


@contextmanager
def peers(*options: str) -> Iterator[dict[str, str]]:
    with subprocess.Popen([sys.executable, "-m", "tests.bench.upload.peers", *options], cwd=ROOT, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield json.loads(process.stdout.readline())
        left = json.loads(process.communicate(timeout=30)[0])
    assert left["open"] == [], left


def run(told: dict[str, str], way: str, size: int, rate: int, core: int = -1) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.upload.runner", way, *map(str, (size, rate, WORKERS, core))], cwd=ROOT,
        text=True, input=json.dumps(told) + "\n", stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout)
    assert result["sha256"] == sha256_of(told, size), "another sha256"
    return result


def sha256_of(told: dict[str, str], size: int) -> str:
    pattern, digest = bytes.fromhex(told["pattern"]), hashlib.sha256()
    for _ in range(size // len(pattern)):
        digest.update(pattern)
    digest.update(pattern[: size % len(pattern)])
    return digest.hexdigest()


def compare(promise: Promise) -> bool:
    """Streamed against download-then-PUT, source and upload connections at their rates."""
    size = promise.size
    with peers("--upload-rate", str(UPLOAD_RATE)) as told:
        seed = run(told, "seed", size, SOURCE_RATE)["seconds"]
        streamed = run(told, "streamed", size, SOURCE_RATE)["seconds"]
    bound = max(size / SOURCE_RATE, size / (WORKERS * UPLOAD_RATE))
    print(f"{size / MB:.0f} MB, source {SOURCE_RATE / MB:.0f} MB/s, {UPLOAD_RATE / MB:.0f} MB/s over each of {WORKERS} "
          f"connections: streamed {streamed:.2f} s = {streamed / bound:.2f} x the bound of {bound:.2f} s "
          f"(promised {promise.over_bound}); the seed's way {seed:.2f} s = {seed / streamed:.2f} x as long "
          f"(promised {promise.over_seed})", flush=True)
    return streamed <= promise.over_bound * bound and seed >= promise.over_seed * streamed


def full_speed(promise: Promise, size: int) -> bool:
    """Everything as fast as it goes: the upload on one core, its peers on another where there is one."""
    cores = sorted(os.sched_getaffinity(0))
    with peers("--core", str(cores[-1])) as told:
        result = run(told, "streamed", size, 0, cores[0])
    rate = size / result["seconds"]
    print(f"{size / MB:.0f} MB at full speed: {rate / MB:.0f} MB/s (promised {promise.rate / MB:.0f}), "
          f"{result['cpu_s']:.2f} s of one core, {result['above_idle_mib']:.0f} MiB above idle at most "
          f"(promised {promise.above_idle_mib:.0f})", flush=True)
    return rate >= promise.rate and result["above_idle_mib"] <= promise.above_idle_mib


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--floor", action="store_true")
    parser.add_argument("--gigabytes", type=int, nargs="*", default=None)
    options = parser.parse_args()
    promise = FLOOR if options.floor else FULL
    sizes = options.gigabytes if options.gigabytes is not None else [1] if options.floor else [1, 5]
    kept = [compare(promise), *(full_speed(promise, size * 1000 * MB) for size in sizes)]
    print("every promise kept" if all(kept) else "not kept", flush=True)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())

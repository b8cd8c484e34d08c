"""Requests a second of the relay beside the others, in one run and in turns, as ratios.

    python -m tests.bench.relay.throughput [--seconds 4] [--rounds 3] [--floor]

--floor: short, and exit 1 when a ratio is under half of what is promised.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.bench.relay.contestants import HERE, Contestant, everyone

UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Load(NamedTuple):
    name: str
    path: str
    connections: int
    body: int = 0  # bytes posted; 0 for GET


LOADS = (
    Load("GET, 32 connections", "a", 32), Load("POST 600 B, 32 connections", "a", 32, 600),
    Load("GET, 256 connections", "a", 256), Load("POST 600 B, 256 connections", "a", 256, 600),
    Load("GET 1 MiB, 32 connections", "files/1m", 32), Load("POST 1 MiB, 32 connections", "a", 32, 1 << 20),
)


class Run(NamedTuple):
    rate: float
    mean_ms: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    rss_kib: int
    errors: int


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([0-9.]+)(us|ms|s|m)", text).groups()
    return float(number) * UNITS_MS[unit]


def measure(contestant: Contestant, load: Load, seconds: float) -> Run:
    command = ["wrk", "-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "20s", "--latency"]
    if load.body:
        command += ["-s", str(HERE / "post.lua")]
    before = contestant.cpu_s()
    out = subprocess.run(
        [*command, f"http://127.0.0.1:{contestant.port}/wework-callback/{load.path}"], check=True, text=True,
        capture_output=True, env={**os.environ, "BODY_BYTES": str(load.body)}).stdout
    used_s = contestant.cpu_s() - before
    requests = int(re.search(r"(\d+) requests in", out)[1])
    socket_errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    errors = sum(map(int, socket_errors.groups())) if socket_errors else 0
    return Run(
        float(re.search(r"Requests/sec:\s+([0-9.]+)", out)[1]),
        milliseconds(re.search(r"Latency\s+(\S+)", out)[1]),
        milliseconds(re.search(r"\n +50%\s+(\S+)", out)[1]), milliseconds(re.search(r"\n +99%\s+(\S+)", out)[1]),
        used_s / max(1, requests) * 1e6, contestant.rss_kib(), errors + (int(bad[1]) if bad else 0))


def middle(runs: list[Run]) -> Run:
    return Run(*(statistics.median(values) for values in zip(*runs)))


def table(load: Load, results: dict[str, Run]) -> None:
    print(f"\n### {load.name}\n")
    print("| | requests/s | to gunicorn | to bare | to nginx | mean ms | p50 ms | p99 ms | CPU us | MiB | errors |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, run in results.items():
        bare = "bare x2" if name.endswith("x2") else "bare x1"
        ratios = " | ".join(f"{run.rate / results[other].rate:.2f}" for other in ("gunicorn x4", bare, "nginx x1"))
        print(f"| {name} | {run.rate:,.0f} | {ratios} | {run.mean_ms:.1f} | {run.p50_ms:.1f} | {run.p99_ms:.1f} | "
              f"{run.cpu_us:.0f} | {run.rss_kib / 1024:.0f} | {run.errors:.0f} |", flush=True)


def shortfalls(load: Load, results: dict[str, Run], share: float) -> list[str]:
    """What of the promises for 32 connections and small bodies is not kept, to this share."""
    if load.connections != 32 or load.body > 600 or load.path != "a":
        return []
    found = []
    for processes, to_gunicorn in ((1, 8.0), (2, 16.0)):
        own = results[f"wxsyncd x{processes}"].rate
        for other, wanted in (("gunicorn x4", to_gunicorn), (f"bare x{processes}", 0.5)):
            ratio = own / results[other].rate
            if ratio < wanted * share:
                found.append(f"{load.name}: wxsyncd x{processes} is {ratio:.2f} of {other}, wanted {wanted * share}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--floor", action="store_true")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "wxsync-bench")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    found: list[str] = []
    with ExitStack() as stack:
        contestants = everyone(stack, args.work)
        for load in LOADS[:2] if args.floor else LOADS:
            runs: dict[str, list[Run]] = {each.name: [] for each in contestants}
            for _ in range(args.rounds):
                for each in contestants:
                    runs[each.name].append(measure(each, load, args.seconds))
            results = {name: middle(each) for name, each in runs.items()}
            table(load, results)
            found += shortfalls(load, results, 0.5 if args.floor else 1.0)
    print("\n" + "\n".join(found or ["every promise kept"]))
    return int(args.floor and bool(found))


if __name__ == "__main__":
    sys.exit(main())

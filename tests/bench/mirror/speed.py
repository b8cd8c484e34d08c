"""The local engine beside `skopeo copy --all`, one after the other and four at a time: ratios, memory, the second run.

    python -m tests.bench.mirror.speed [--floor] [--rounds 3] [--megabytes 1000]

Two docker-registry processes on loopback; every run copies into a fresh one (skopeo remembers which registry has a
blob, and the registry itself keeps blobs of all repositories together). --floor: seconds instead of
minutes, loose bounds that hold on a busy machine too; exit 1 when one is broken. Needs docker-registry and skopeo.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.e2e.registries import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Registry
from tests.support.daemon import DaemonProcess
from tests.support.shelf import noise

MB = 1_000_000
SKOPEO = ("skopeo", "copy", "--all", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false")


class Promise(NamedTuple):
    """What is held to."""

    megabytes: int  # of the large image
    of_skopeo: float  # throughput of the large image
    of_parallel: float  # times as fast as four skopeo at a time, many tiny images
    rss_mib: float
    second_ms: float  # an image, when all are there
    tiny: int


FULL = Promise(1000, 0.8, 2.0, 80, 20, 100)
FLOOR = Promise(200, 0.5, 1.3, 80, 40, 40)


class Site(NamedTuple):
    """Source and destination of one run, and where it keeps its files."""

    source: Registry
    destination: Registry
    room: Path


def fill(source: Registry, megabytes: int, tiny: int) -> dict[str, list[str]]:
    """Put the images of each case at the source; return their names."""
    put(source, "big", [noise(megabytes * MB // 4, n) for n in range(4)])
    bases = [noise(8 * MB, f"base {n}") for n in range(2)]
    for n in range(12):
        put(source, f"shared{n}", [*bases, noise(MB, f"own {n}")])
    for n in range(tiny):
        put(source, f"tiny{n}", [noise(4000, f"tiny {n}")])
    return {"one large image": ["big"], "12 images that share layers": [f"shared{n}" for n in range(12)],
            f"{tiny} tiny images": [f"tiny{n}" for n in range(tiny)]}


def put(source: Registry, name: str, layers: Sequence[bytes]) -> None:
    config = json.dumps({"os": "linux", "architecture": "amd64", "name": name}).encode()
    path = f"docker.io/library/{name}"
    source.put_manifest(path, {
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": source.put_blob(path, config, OCI_CONFIG),
        "layers": [source.put_blob(path, layer, OCI_LAYER) for layer in layers]}, "1")


@contextmanager
def fresh(source: Registry) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="wxsync-bench-") as room:
        destination = Registry(Path(room) / "destination")
        try:
            yield Site(source, destination, Path(room))
        finally:
            destination.close()


def pairs(site: Site, names: Sequence[str]) -> list[str]:
    return [each for name in names for each in (
        f"docker://{site.source.address}/docker.io/library/{name}:1",
        f"docker://{site.destination.address}/team/{name}:1")]


def skopeo(source: Registry, names: Sequence[str], side_by_side: int) -> float:
    """Return the seconds that skopeo takes, so many processes at a time."""
    with fresh(source) as site:
        began = time.monotonic()
        subprocess.run(["xargs", "-n2", f"-P{side_by_side}", *SKOPEO], check=True, text=True,
                       input="\n".join(pairs(site, names)))
        return time.monotonic() - began


@contextmanager
def daemon(site: Site) -> Iterator[DaemonProcess]:
    """A daemon with nothing but the local engine, as the command line and the admin API use it."""
    made = DaemonProcess(site.room, {"registry": {
        "registry": f"http://{site.destination.address}", "namespace": "team", "username": "any", "password": "any",
        "mirrors": f"*=http://{site.source.address}/{{host}}"}, "server": {"listen": ""}})
    made.start()
    try:
        yield made
    finally:
        made.stop()


def own(made: DaemonProcess, names: Sequence[str]) -> float:
    """Return the seconds of one job, from the request to its end."""
    url = f"http://127.0.0.1:{made.port('admin')}/api/jobs"
    body = json.dumps({"text": "\n".join(f"{name}:1" for name in names)}).encode()
    began = time.monotonic()
    call = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(call, timeout=30) as answer:
        number = json.load(answer)["id"]
    while True:
        with urllib.request.urlopen(f"{url}/{number}", timeout=30) as answer:
            job = json.load(answer)
        if job["ended_at"]:
            break
        time.sleep(0.1)  # each look costs both sides some milliseconds, of which the daemon has better use
    assert job["result"] == "succeeded", job
    return time.monotonic() - began


def peak_mib(made: DaemonProcess) -> float:
    assert made.process is not None
    status = Path(f"/proc/{made.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def compare(source: Registry, case: str, names: Sequence[str], rounds: int) -> dict[str, float]:
    """Let the contestants take turns; return the median seconds of each, our peak memory and our second run."""
    took: dict[str, list[float]] = {"serial": [], "parallel": [], "own": [], "second": [], "rss": []}
    ways: dict[str, Callable[[], float]] = {
        "serial": lambda: skopeo(source, names, 1), "parallel": lambda: skopeo(source, names, 4)}
    for _ in range(rounds):
        for way, run in ways.items():
            took[way].append(run())
        with fresh(source) as site, daemon(site) as made:
            took["own"].append(own(made, names))
            took["second"].append(own(made, names))
            took["rss"].append(peak_mib(made))
    middle = {way: statistics.median(each) for way, each in took.items()}
    serial, parallel, mine = middle["serial"], middle["parallel"], middle["own"]
    print(f"{case}: skopeo {serial:.2f} s, four at a time {parallel:.2f} s, own {mine:.2f} s = {serial / mine:.2f} x "
          f"and {parallel / mine:.2f} x as fast; second run {1000 * middle['second'] / len(names):.1f} ms an image; "
          f"{max(took['rss']):.0f} MiB at most", flush=True)
    return {**middle, "rss": max(took["rss"]), "second_ms": 1000 * middle["second"] / len(names)}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--floor", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int)
    options = parser.parse_args()
    if not (shutil.which("docker-registry") and shutil.which("skopeo")):
        print("SKIP: docker-registry and skopeo are needed")
        return 0
    promise = FLOOR if options.floor else FULL
    with tempfile.TemporaryDirectory(prefix="wxsync-bench-") as room:
        source = Registry(Path(room) / "source")
        try:
            cases = fill(source, options.megabytes or promise.megabytes, promise.tiny)
            large, shared, tiny = (compare(source, case, names, options.rounds) for case, names in cases.items())
        finally:
            source.close()
    kept = [large["serial"] / large["own"] >= promise.of_skopeo, tiny["parallel"] / tiny["own"] >= promise.of_parallel,
            max(each["rss"] for each in (large, shared, tiny)) <= promise.rss_mib,
            max(shared["second_ms"], tiny["second_ms"]) <= promise.second_ms]
    print("every promise kept" if all(kept) else f"not kept: {kept}", flush=True)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())

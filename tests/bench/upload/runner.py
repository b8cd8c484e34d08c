"""One upload as a process of its own, so that its time, processor time and memory are only its own.

    python -m tests.bench.upload.runner streamed|seed SIZE RATE WORKERS CORE < the line of `peers`

Prints one line of JSON.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.upload_site import direct_sessions
from wxsync.clock import SystemClock
from wxsync.jobs.upload.transfer import Transfer
from wxsync.remote.exchange import Request
from wxsync.remote.qingstor.bucket import Bucket
from wxsync.remote.qingstor.place import Place
from wxsync.remote.qingstor.signing import Key

PART_SIZE = 4 << 20


class Download:
    """A source that reads an answer straight into the part's buffer."""

    name = "file.bin"

    def __init__(self, url: str) -> None:
        self._answer = direct_sessions()(threading.Event()).open(Request("GET", url), deadline=time.monotonic() + 3600)
        self.length = self._answer.length

    def readinto(self, buffer: memoryview) -> int:
        return self._answer.readinto(buffer)


def streamed(told: dict[str, str], url: str, workers: int) -> str:
    transfer = Transfer(bucket_of(told), direct_sessions(), SystemClock(), workers=workers, part_size=PART_SIZE,
                        link_days=7, rng=random.random)
    ready()
    return transfer.run(Download(url), "file.bin", content_type="", disposition_name="file.bin",
                        left_s=600.0, stop=threading.Event(), on_upload_id=lambda _: None,
                        on_progress=lambda _: None).sha256


def seed(told: dict[str, str], url: str, _: int) -> str:
    """Download to a file, then one PUT over one connection."""
    bucket, source, digest, md5 = bucket_of(told), Download(url), hashlib.sha256(), hashlib.md5()
    piece = memoryview(bytearray(1 << 16))
    ready()
    with tempfile.TemporaryFile() as file:
        while count := source.readinto(piece):
            file.write(piece[:count])
            digest.update(piece[:count])
            md5.update(piece[:count])
        size = file.tell()
        file.seek(0)
        call = bucket.put("file.bin", b"", md5=md5.digest(), content_type="", name="file.bin")
        request = bucket.request(call, SystemClock().now())
        parts = urlsplit(request.url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=120)
        connection.request("PUT", parts.path, file, {**dict(request.headers), "Content-Length": str(size)})
        assert connection.getresponse().status == 201
    return digest.hexdigest()


def bucket_of(told: dict[str, str]) -> Bucket:
    return Bucket(Place(told["qingstor"], "tmp", told["zone"]), Key(told["access_key_id"], told["secret_access_key"]))


def status_kib(field: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.partition(f"{field}:")[2].split()[0])


IDLE: list[int] = []


def ready() -> None:
    """Note the memory at rest, and forget the peak so far."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    IDLE.append(status_kib("VmRSS"))


def main() -> None:
    way, size, rate, workers, core = sys.argv[1], *map(int, sys.argv[2:])
    if core >= 0:
        os.sched_setaffinity(0, {core})
    told = json.loads(sys.stdin.readline())
    started, before = time.monotonic(), time.process_time()
    digest = {"streamed": streamed, "seed": seed}[way](told, f"{told['origin']}/{size}/{rate}", workers)
    seconds, used_s = time.monotonic() - started, time.process_time() - before
    print(json.dumps({"seconds": seconds, "cpu_s": used_s, "sha256": digest,
                      "above_idle_mib": (status_kib("VmHWM") - IDLE[0]) / 1024, "threads": threading.active_count()}))


if __name__ == "__main__":
    main()

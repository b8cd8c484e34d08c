"""What the upload is measured against, as processes of their own: an origin and the QingStor stand-in.

    python -m tests.bench.upload.peers --core N

Prints one line of JSON with both addresses and the key; ends with its standard input.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import socketserver
import sys
import threading
import time

from wxsync.sandbox.qingstor.stand_in import QingStor

PATTERN = os.urandom(1 << 20)


class Origin(socketserver.StreamRequestHandler):
    """GET /SIZE or /SIZE/RATE: so many bytes, RATE a second; the same mebibyte over and over."""

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        asked = re.match(rb"GET /(\d+)(?:/(\d+))? ", self.rfile.readline())
        while self.rfile.readline().strip():
            pass
        size, rate = int(asked[1]), int(asked[2] or 0)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % size)
        view, sent, started = memoryview(PATTERN), 0, time.monotonic()
        step = 1 << 16 if rate else len(PATTERN)
        while sent < size:
            at = sent % len(PATTERN)
            piece = view[at : at + min(step, size - sent)]
            self.request.sendall(piece)
            sent += len(piece)
            if rate:
                time.sleep(max(0.0, started + sent / rate - time.monotonic()))


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--core", type=int, default=-1)
    parser.add_argument("--upload-rate", type=float, default=0.0, help="bytes a second over each upload connection")
    options = parser.parse_args()
    if options.core >= 0:
        os.sched_setaffinity(0, {options.core})
    store, origin = QingStor(), Server(("127.0.0.1", 0), Origin)
    store.server.bodies.keeps = False
    store.server.bodies.rate = options.upload_rate or None
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    print(json.dumps({
        "origin": f"http://127.0.0.1:{origin.server_address[1]}", "qingstor": store.url, "zone": store.zone,
        "access_key_id": store.access_key_id, "secret_access_key": store.secret_access_key, "pattern": PATTERN.hex(),
    }), flush=True)
    sys.stdin.read()
    print(json.dumps({"open": store.open_uploads(), "objects": {
        key: stored.size for key, stored in store.buckets["tmp"].objects.items()}}), flush=True)


if __name__ == "__main__":
    main()

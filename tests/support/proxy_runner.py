"""Plays a scripted upstream and a raw client against the callback proxy and compares what both ends saw.

The cases are in tests/data/proxy.json, whose "about" explains them. Set NAMES before `run`. It shares no code with
the relay: a parser of its own judges what comes out.
"""

from __future__ import annotations

import base64
import re
import socket
import struct
import threading
import time
from contextlib import suppress

OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
STATES = {"closed": ["fin", "reset"], "any": ["open", "fin", "reset"], "clean": ["open", "fin"]}
NAMES = {}


def raw(x):
    if isinstance(x, dict):
        return base64.b64decode(x["b64"]) if "b64" in x else raw(x["rep"][0]) * x["rep"][1]
    for key, value in NAMES.items():
        x = x.replace(key, value)
    return x.encode("latin-1")


def values(headers, name):
    return [v for n, v in headers if n == name]


def send(sock, data):
    with suppress(OSError):                           # the other end may have closed: what it said before is judged
        sock.sendall(data) if data else sock.shutdown(socket.SHUT_RDWR)


def differ(bad, what, want, saw):
    if saw != want and not (isinstance(want, list) and saw in want):
        bad.append(f"{what}: expected {want}, saw {saw!r:.90}")


class Reader:
    """reader(n) gives n bytes, reader(mark) what comes before the mark; EOFError when more() has no more."""
    def __init__(self, more, buf=b""):
        self.more, self.buf, self.at = more, buf, 0

    def __call__(self, what):
        mark = what if isinstance(what, bytes) else b""
        while (end := self.buf.find(mark, self.at) if mark else self.at + what) < 0 or end > len(self.buf):
            data = self.more()
            if not data:
                raise EOFError
            self.buf, self.at = self.buf[self.at:] + data, 0
        out, self.at = self.buf[self.at:end], end + len(mark)
        return out

    def head(self, bad):
        """Start line and (lower-case name, value) pairs; what is outside the grammar is noted in bad."""
        start, *lines = self(b"\r\n\r\n").split(b"\r\n")
        pairs = []
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or not re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(rb"[\x00\r\n]", value):
                bad.append(f"malformed header line {line[:60]!r}")
            pairs.append((name.decode("latin-1").lower(), value.strip(b" \t").decode("latin-1")))
        te, length = values(pairs, "transfer-encoding"), values(pairs, "content-length")
        is_odd = (te and te[0].lower() != "chunked") or (length and not re.fullmatch("[0-9]+", length[0]))
        if len(te) + len(length) > 1 or is_odd:
            bad.append(f"framing: Transfer-Encoding {te!r}, Content-Length {length!r}")
        return start.decode("latin-1"), pairs, te, length

    def chunked(self, bad):
        body, end = b"", b"\r\n"
        while end == b"\r\n" and re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size := self(b"\r\n").split(b";")[0].strip()):
            if int(size, 16) == 0:
                while self(b"\r\n"):
                    pass
                return body
            body, end = body + self(int(size, 16)), self(2)
        bad.append(f"malformed chunk after {body[-30:]!r:.30}")
        raise EOFError


class Upstream:
    def __init__(self, port):
        self.port, self.conns, self.sock = port, set(), None
        self.begin([])

    def begin(self, script):
        self.seen, self.script, self.over = [], list(script), threading.Event()
        if script == "refuse":
            for sock in [self.sock, *self.conns]:
                send(sock, None)
            self.sock.close()
        elif self.sock is None or self.sock.fileno() < 0:
            self.sock = socket.create_server(("127.0.0.1", self.port), backlog=128)
            threading.Thread(target=self.accept, args=(self.sock,), daemon=True).start()

    def accept(self, sock):
        with suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(sock.accept()[0],), daemon=True).start()

    def serve(self, conn):
        reader = Reader(lambda: conn.recv(65536))
        self.conns.add(conn)
        with suppress(OSError, EOFError, ValueError):
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self.answer(conn, reader):
                pass
        self.conns.discard(conn)
        conn.close()

    def answer(self, conn, reader):
        line, headers, te, length = reader.head(bad := [])
        if "/__probe " in line:
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nprobe")
            return True
        got = {"line": line, "headers": headers, "faults": bad, "body": b"", "done": False}
        if not re.fullmatch(r"[A-Z]+ (/[^\x00-\x20\x7f]*|\*) HTTP/1\.[01]", line):
            bad.append(f"malformed request line {line[:80]!r}")
        differ(bad, "Host", NAMES["@UP@"], ", ".join(values(headers, "host")))
        bad.extend(
            f"hop-by-hop {n}: {v}" for n, v in headers
            if n in ("keep-alive", "proxy-connection", "upgrade") or (n == "te" and v != "trailers")
            or (n == "connection" and set(re.split(r"[ \t,]+", v.lower())) - {"close", "keep-alive", "te"}))
        over, steps = self.over, self.script.pop(0) if self.script else OK
        self.seen.append(got)
        steps = list(steps) if isinstance(steps, list) else [steps]
        for step in [*steps[1:], "!read"] if steps[0] == "!early" else ["!read", *steps]:
            if step == "!read" and not got["done"]:
                if values(headers, "expect"):
                    conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                got["body"] = reader.chunked(bad) if te else reader(int(length[0])) if length else b""
                got["done"] = True
            elif step in ("!close", "!reset"):
                conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", step == "!reset", 0))
                return False
            elif isinstance(step, (int, float)):
                if over.wait(step):
                    return False
            elif step != "!read":
                echo = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(got["body"]) + got["body"]
                conn.sendall(echo if step == "!echo" else raw(step))
        return True


class Client:
    def __init__(self, addr, heads=()):
        self.sock = socket.create_connection(addr)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heads, self.buf, self.end, self.marks, self.start = heads, bytearray(), None, [], time.monotonic()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        end, data = "fin", b"-"
        while data:
            try:
                data = self.sock.recv(65536)
            except OSError:
                end, data = "reset", b""
            self.buf += data
            self.marks.append((time.monotonic() - self.start, len(self.buf)))
        self.end = end

    def wait(self, test, seconds):
        seconds += time.monotonic()
        while not self.end and not test() and time.monotonic() < seconds:
            time.sleep(0.004)

    def parse(self):
        """(final responses, left-over bytes, faults) in what has come in so far."""
        reader, finals, interim, bad = Reader(lambda: b"", bytes(self.buf)), [], [], []
        while re.match(rb"HTTP/1\.[01] [1-5]\d\d( [^\r\n]*)?\r\n(?s:.*?\r\n|)\r\n", reader.buf[reader.at:]):
            line, headers, te, length = reader.head(bad)
            status, at, rest = int(line[9:12]), reader.at, len(reader.buf) - reader.at
            if 100 <= status < 200 and status != 101:
                interim.append(status)
                continue
            r = {"status": status, "headers": headers, "interim": interim, "at": at}
            r |= {"body": b"", "whole": True, "more": False}
            interim = []
            if len(finals) not in self.heads and status not in (204, 304, 101):
                try:
                    r["body"] = reader.chunked(bad) if te else reader(int(length[0]) if length else rest)
                    r["whole"], r["more"] = bool(te or length) or self.end == "fin", not te + length and not self.end
                except EOFError:
                    r["body"], reader.at, r["whole"], r["more"] = reader.buf[at:], at + rest, False, not self.end
            finals.append(r)
        return finals, reader.buf[reader.at:], bad

    def count(self):
        return sum(not r["more"] for r in self.parse()[0])


def probe(addr, client=None):
    """True when a plain request is answered as it should be, on this connection or on a new one."""
    own = client or Client(addr)
    before = own.count()
    send(own.sock, raw("GET /wework-callback/__probe HTTP/1.1\r\nHost: @PROXY@\r\n\r\n"))
    own.wait(lambda: own.count() > before, 2.5)
    if not client:
        send(own.sock, None)
    return [(r["status"], r["body"]) for r in own.parse()[0][before:]] == [(200, b"probe")]


def match(what, want, got, bad):
    """Compares headers and body of one message with what the case wants."""
    for name, value in want.get("has", {}).items():
        have = values(got["headers"], name)
        if isinstance(value, int):
            have = len(have)
        elif isinstance(value, str) and value.startswith("~"):
            have = value if len(have) == 1 and re.fullmatch(value[1:], have[0]) else have
        else:
            value = [raw(v).decode("latin-1") for v in ([value] if isinstance(value, str) else value)]
        differ(bad, f"{what} header {name}", value, have)
    for name, value in want.get("list", {}).items():
        differ(bad, f"{what} list {name}", value, re.sub(r"\s*,\s*", ", ", ", ".join(values(got["headers"], name))))
    bad.extend(f"{what} header {n} not allowed: {v!r}" for n, v in got["headers"] if n in want.get("no", []))
    if "body" in want and got["body"] != raw(want["body"]):
        bad.append(f"{what} body: expected {raw(want['body'])!r:.60}, saw {got['body']!r:.60}")


def judge(want, client, finals, seen, state, took):
    bad, resp, up, conn = [], want.get("resp", []), want.get("up"), want.get("conn", "any")
    if len(resp) != len(finals):
        bad.append(f"expected {len(resp)} responses, saw {[r['status'] for r in finals]}")
    for i, (w, r) in enumerate(zip(resp, finals)):
        what, interim = f"response {i}", sorted(set(r["interim"]))
        differ(bad, what, w.get("status", r["status"]), r["status"])
        differ(bad, what + " interim", w.get("interim", interim), interim)
        differ(bad, what + " complete", not w.get("cut", False), r["whole"])
        if next((t for t, n in client.marks if n > r["at"]), 99) > w.get("first_within", 99):
            bad.append("{}: first body byte later than {} s".format(what, w["first_within"]))
        match(what, w, r, bad)
    if up == "incomplete":
        bad.extend(f"upstream got a whole request {g['line']!r:.60}" for g in seen if g["done"])
    elif up is not None:
        if len(seen) != len(up):
            bad.append(f"upstream: expected {len(up)} requests, saw {[g['line'][:60] for g in seen]}")
        for i, (w, g) in enumerate(zip(up, seen)):
            req = g["line"].rpartition(" ")[0]
            differ(bad, f"upstream {i}", w.get("req", req), req)
            match(f"upstream {i}", w, g, bad)
    bad.extend("upstream: " + f for g in seen for f in g["faults"])
    differ(bad, "connection", state if conn == "skip" else STATES.get(conn, conn), state)
    return bad + (["took {:.2f} s, allowed {}".format(took, want["within"])] if took > want.get("within", 99) else [])


def run(case, addr, up, timeout):
    wants = case["expect"] if isinstance(case["expect"], list) else [case["expect"]]
    number, conns = max(len(w.get("resp", [])) for w in wants), {w.get("conn", "any") for w in wants}
    up.begin(case.get("upstream", []))
    client, extra, answered = Client(addr, case.get("heads", [])), [], 0
    for step in case["send"]:
        if isinstance(step, (int, float)):
            time.sleep(step)
        elif step == "!wait":
            client.wait(lambda: b"\r\n\r\n" in client.buf, 1.5)
        elif step == "!answer":
            # Counted from the start: an answer may be in before this step is reached.
            answered += 1
            client.wait(lambda wanted=answered: client.count() >= wanted, timeout)
        elif step == "!probe":
            extra += [] if probe(addr) else ["another connection was not served meanwhile"]
        else:
            send(client.sock, None if step == "!close" else raw(step))
    client.wait(lambda: number and client.count() >= number, timeout)
    took, seen = time.monotonic() - client.start, up.seen
    if conns & {"closed", "fin"} or any("close" in values(r["headers"], "connection") for r in client.parse()[0]):
        client.wait(lambda: False, 1.2)
    finals, rest, bad = client.parse()
    extra += bad + ([f"stray bytes after the responses: {rest!r:.60}"] if rest else [])
    up.over.set()
    up.begin([])
    state = client.end or ("open" if conns <= {"skip", "clean"} or probe(addr, client) else client.end or "unusable")
    send(client.sock, None)
    return extra + min((judge(w, client, finals, seen, state, took) for w in wants), key=len) + (
        [] if probe(addr) else ["after this case a plain request is not answered"])

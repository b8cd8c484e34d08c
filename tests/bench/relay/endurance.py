"""What the relay bears: slow clients, idle connections, very large bodies, upstreams that come and go, reloads.

    python -m tests.bench.relay.endurance [slow idle large killed reload]

Each prints what it measured, and the exit status is 1 when a promise is not kept.
"""

from __future__ import annotations

import http.client
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.bench.relay.contestants import Contestant, free_port, nginx, relay, running, status_kib, upstream
from tests.bench.relay.throughput import Load, measure

WORK = Path(tempfile.gettempdir()) / "wxsync-bench"
GIB = 1 << 30
TURNS = 50  # a second of the slow clients is cut into so many


def raise_files() -> int:
    """Allow as many open files as the system does; return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class SlowClients(threading.Thread):
    """Each sends a byte a second of a request, and comes again when it is turned away."""

    def __init__(self, port: int, count: int) -> None:
        super().__init__(daemon=True)
        self.port, self.count = port, count
        self.over = threading.Event()
        self.most_open = self.turned_away = 0

    def run(self) -> None:
        text = b"POST /wework-callback/slow HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 10_000
        poll = select.epoll()
        clients: dict[int, list] = {}
        turn = 0
        while not self.over.is_set():
            begun = time.monotonic()
            turn = (turn + 1) % TURNS
            for _ in range(min(1000 // TURNS, self.count - len(clients))):
                sock = socket.socket()
                sock.setblocking(False)
                with suppress(BlockingIOError):
                    sock.connect(("127.0.0.1", self.port))
                clients[sock.fileno()] = [sock, 0]
                poll.register(sock, select.EPOLLIN)
            self.most_open = max(self.most_open, len(clients))
            for fd in [fd for fd in clients if fd % TURNS == turn]:
                sock, at = clients[fd]
                try:
                    sock.send(text[at:at + 1])
                    clients[fd][1] += 1
                except BlockingIOError:
                    pass
                except OSError:
                    self.drop(clients, fd)
            for fd, _ in poll.poll(0, 20_000):
                if fd in clients:
                    self.drop(clients, fd)
            self.over.wait(max(0.0, 1.0 / TURNS - (time.monotonic() - begun)))
        for sock, _ in clients.values():
            sock.close()

    def drop(self, clients: dict[int, list], fd: int) -> None:
        self.turned_away += 1
        clients.pop(fd)[0].close()


def slow() -> bool:
    """10,000 slow clients beside normal traffic, with the default bounds and with room for all of them."""
    files = raise_files()
    # Both ends of each connection are files: those of this process and those of the relay have bounds of their own.
    count = min(10_000, files - 500)
    print(f"open files allowed: {files}; slow clients: {count}")
    good = count >= 2000
    for room in (1024, count + 1000):
        with ExitStack() as stack:
            port = stack.enter_context(upstream(WORK)).port
            one = stack.enter_context(relay(WORK, targets(port), 1, server=f"max_connections = {room}"))
            load = Load("GET", "a", 32)
            before = sorted((measure(one, load, 5) for _ in range(3)), key=lambda run: run.p99_ms)[1]
            crowd = SlowClients(one.port, count)
            crowd.start()
            time.sleep(15)
            during = sorted((measure(one, load, 5) for _ in range(3)), key=lambda run: run.p99_ms)[1]
            crowd.over.set()
            crowd.join()
            memory = one.rss_kib() / 1024
            print(f"max_connections {room}: p99 {before.p99_ms:.1f} -> {during.p99_ms:.1f} ms, "
                  f"{before.rate:,.0f} -> {during.rate:,.0f} requests/s, errors {during.errors}, "
                  f"most slow clients open {crowd.most_open}, turned away {crowd.turned_away}, "
                  f"memory {memory:.0f} MiB")
            good = good and during.p99_ms <= 2 * before.p99_ms and during.rss_kib < 150 * 1024
    return good


def idle() -> bool:
    """Resident memory of a process with 1,000 open idle connections."""
    raise_files()
    with ExitStack() as stack:
        port = stack.enter_context(upstream(WORK)).port
        one = stack.enter_context(relay(WORK, targets(port), 1, server="max_connections = 1100"))
        before = status_kib(one.process.pid, "VmRSS")
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", one.port))) for _ in range(1000)]
        for client in clients:
            client.sendall(b"GET /wework-callback/a HTTP/1.1\r\nHost: h\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        after = status_kib(one.process.pid, "VmRSS")
        print(f"VmRSS: {before / 1024:.1f} MiB at start, {after / 1024:.1f} MiB with 1,000 idle connections")
        return after < 40 * 1024


def transfer(port: int, target: str, size: int) -> tuple[float, int]:
    """Seconds that a body takes, and the bytes that came back; a size uploads as many bytes."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    if size:
        connection.putrequest("PUT", target)
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        block = bytes(1 << 20)
        for _ in range(size >> 20):
            connection.sock.sendall(block)
    else:
        connection.request("GET", target)
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    count, buffer = 0, bytearray(1 << 20)
    while got := answer.readinto(buffer):
        count += got
    connection.close()
    return time.monotonic() - begun, count


def sink(port: int) -> subprocess.Popen[bytes]:
    """An upstream that reads bodies and forgets them: nginx would write a large one to disk."""
    code = (
        "import socket, threading, re\n"
        f"listener = socket.create_server(('127.0.0.1', {port}))\n"
        "def serve(c):\n"
        "    data = b''\n"
        "    while b'\\r\\n\\r\\n' not in data: data += c.recv(65536)\n"
        "    head, _, body = data.partition(b'\\r\\n\\r\\n')\n"
        "    found = re.search(rb'(?i)content-length: *(\\d+)', head)\n"
        "    left = (int(found[1]) if found else 0) - len(body)\n"
        "    buffer = bytearray(1 << 20)\n"
        "    while left > 0: left -= c.recv_into(buffer)\n"
        "    c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok'); c.close()\n"
        "while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()\n")
    return running("sink", port, [sys.executable, "-c", code])


def large() -> bool:
    """1 GiB each way through the relay and through nginx, in turns."""
    good = True
    with ExitStack() as stack:
        inner = stack.enter_context(upstream(WORK))
        with (WORK / "files" / "1g").open("wb") as file:
            file.truncate(GIB)
        sink_port = free_port()
        stack.enter_context(sink(sink_port))
        for name, port, target, size in (
                ("GET", inner.port, "/wework-callback/files/1g", 0), ("PUT", sink_port, "/wework-callback/x", GIB)):
            own = stack.enter_context(relay(WORK, targets(port), 1, proxy="max_body = 2G"))
            other = stack.enter_context(nginx(WORK, port))
            times: dict[str, list[float]] = {}
            for _ in range(3):
                for each in (own, other):
                    seconds, count = transfer(each.port, target, size)
                    assert size or count == GIB, count
                    times.setdefault(each.name, []).append(seconds)
            peak = status_kib(own.process.pid, "VmHWM") / 1024
            own_s, other_s = (sorted(each)[1] for each in times.values())
            print(f"{name} 1 GiB: {1 / own_s:.2f} GiB/s, nginx {1 / other_s:.2f}, ratio {other_s / own_s:.2f}, "
                  f"peak memory {peak:.0f} MiB")
            good = good and other_s / own_s >= 0.4 and peak < 60
        (WORK / "files" / "1g").unlink()
    return good


SERVER = """
import os, socket, sys, threading
port, path = int(sys.argv[1]), sys.argv[2]
log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
listener = socket.create_server(('127.0.0.1', port), backlog=512)
def serve(c):
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b''
    while True:
        while b'\\r\\n\\r\\n' not in data:
            more = c.recv(65536)
            if not more: return
            data += more
        head, _, data = data.partition(b'\\r\\n\\r\\n')
        os.write(log, head.split(b' ', 2)[0] + b' ' + head.split(b' ', 2)[1] + b'\\n')
        c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok')
while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


class Asker(threading.Thread):
    """Asks with a unique number each time, over a connection that is made anew when it broke."""

    def __init__(self, port: int, method: str, number: int) -> None:
        super().__init__(daemon=True)
        self.port, self.method, self.number = port, method, number
        self.over = threading.Event()
        self.asked = 0
        self.failures: list[str] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.over.is_set():
            self.asked += 1
            try:
                connection.request(self.method, f"/wework-callback/{self.number}-{self.asked}",
                                   headers={"Content-Length": "0"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failures.append(str(answer.status))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()


def killed() -> bool:
    """Two targets, one of which is killed and started again 20 times under load."""
    ports = [free_port(), free_port()]
    logs = [WORK / f"seen{number}" for number in range(2)]
    for log in logs:
        log.unlink(missing_ok=True)

    def serve(number: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", SERVER, str(ports[number]), str(logs[number])])

    processes = [serve(0), serve(1)]
    time.sleep(0.5)
    with relay(WORK, targets(*ports), 1) as own:
        askers = [Asker(own.port, "POST" if number % 2 else "GET", number) for number in range(16)]
        for asker in askers:
            asker.start()
        for number in range(20):
            time.sleep(0.4)
            processes[number % 2].kill()
            processes[number % 2].wait()
            time.sleep(0.2)
            processes[number % 2] = serve(number % 2)
            time.sleep(0.4)
        for asker in askers:
            asker.over.set()
        for asker in askers:
            asker.join(30)
    for process in processes:
        process.kill()
    seen = [line for log in logs for line in log.read_text().splitlines()]
    posts = [line for line in seen if line.startswith("POST")]
    failed = {method: [failure for asker in askers if asker.method == method for failure in asker.failures]
              for method in ("GET", "POST")}
    print(f"20 kills: {sum(asker.asked for asker in askers)} requests; GET failures {len(failed['GET'])}, "
          f"POST failures {len(failed['POST'])} ({sorted(set(failed['POST']))}), at most 8 under way at each kill; "
          f"POST at the upstreams {len(posts)}, twice: {len(posts) - len(set(posts))}")
    return not failed["GET"] and len(posts) == len(set(posts)) and len(failed["POST"]) <= 20 * 8


def targets(*ports: int) -> list[str]:
    return [f"http://127.0.0.1:{port}" for port in ports]


def reload() -> bool:
    """SIGHUP with one and with two processes, three times under wrk: no failed request."""
    kept = {processes: reload_with(processes) for processes in (1, 2)}
    return all(kept.values())


def reload_with(processes: int) -> bool:
    with ExitStack() as stack:
        port = stack.enter_context(upstream(WORK)).port
        two = stack.enter_context(relay(WORK, targets(port), processes))
        hups = threading.Thread(target=lambda: [
            (time.sleep(1.5), two.process.send_signal(signal.SIGHUP)) for _ in range(3)])
        hups.start()
        run = measure_errors(two)
        hups.join()
    print(f"3 reloads of {processes} under load: {run[0]} requests, {run[1]}")
    return run[1] == "no errors"


def measure_errors(contestant: Contestant) -> tuple[str, str]:
    out = subprocess.run(["wrk", "-t1", "-c32", "-d8s", f"http://127.0.0.1:{contestant.port}/wework-callback/a"],
                         check=True, text=True, capture_output=True).stdout
    bad = re.findall(r"Socket errors.*|Non-2xx.*", out)
    return re.search(r"(\d+) requests in", out)[1], "; ".join(bad) or "no errors"


def main() -> int:
    WORK.mkdir(parents=True, exist_ok=True)
    os.chdir(Path(__file__).resolve().parents[3])
    parts = {each.__name__: each for each in (idle, large, killed, reload, slow)}
    names = sys.argv[1:] or list(parts)
    bad = []
    for name in names:
        print(f"# {name}: {parts[name].__doc__.splitlines()[0]}", flush=True)
        if not parts[name]():
            bad.append(name)
    print(f"not kept: {bad}" if bad else "every promise kept")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())

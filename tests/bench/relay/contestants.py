"""What is measured: the relay, the seed's way, nginx, a bare forwarder; and the nginx behind all of them."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent

UPSTREAM_CONF = """
worker_processes 1; daemon off; pid {work}/upstream.pid; error_log {work}/upstream.error;
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_requests 1000000; client_body_temp_path {work}/body; client_max_body_size 4g;
  client_body_buffer_size 2m; proxy_temp_path {work}/t1; fastcgi_temp_path {work}/t2; uwsgi_temp_path {work}/t3;
  scgi_temp_path {work}/t4;
  server {{ listen 127.0.0.1:{port} backlog=8192;
    location / {{ default_type text/plain; return 200 "ok\\n"; }}
    location /files/ {{ alias {work}/files/; }} }} }}
"""
PROXY_CONF = """
worker_processes {workers}; daemon off; pid {work}/proxy{port}.pid; error_log {work}/proxy.error;
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_requests 1000000; client_body_temp_path {work}/pbody; client_max_body_size 4g;
  client_body_buffer_size 64k; proxy_temp_path {work}/p1; fastcgi_temp_path {work}/p2; uwsgi_temp_path {work}/p3;
  scgi_temp_path {work}/p4;
  upstream inner {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:{port} backlog=8192;
    location /wework-callback/ {{ proxy_pass http://inner/; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off; proxy_buffering {buffering}; proxy_max_temp_file_size 0; }} }} }}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < end, f"nothing listens on {port}"
            time.sleep(0.05)


class Contestant:
    """A process group behind a port."""

    def __init__(self, name: str, port: int, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.port = port
        self.process = process

    def pids(self) -> list[int]:
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            for path in Path(f"/proc/{pid}/task").glob("*/children"):
                with suppress(FileNotFoundError, ProcessLookupError):  # the thread has just ended
                    waiting += [int(each) for each in path.read_text().split()]
        return found

    def cpu_s(self) -> float:
        """Processor seconds used so far."""
        ticks = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def rss_kib(self) -> int:
        """Resident memory of the largest process."""
        return max(status_kib(pid, "VmRSS") for pid in self.pids())


def status_kib(pid: int, field: str) -> int:
    """Return a size of the process; 0 when it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field + ":")), 0)


@contextmanager
def running(name: str, port: int, command: list[str], **more: object) -> Iterator[Contestant]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True, **more)
    try:
        wait_for(port)
        yield Contestant(name, port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # and whatever it left behind
        process.wait()


def upstream(work: Path):
    port = free_port()
    (work / "files").mkdir(exist_ok=True)
    (work / "files" / "1m").write_bytes(os.urandom(1 << 20))
    conf = work / "upstream.conf"
    conf.write_text(UPSTREAM_CONF.format(work=work, port=port))
    return running("upstream", port, ["nginx", "-e", f"{work}/upstream.error", "-c", str(conf)])


def relay(work: Path, targets: list[str], processes: int, *, server: str = "", proxy: str = ""):
    """Start the daemon itself as a relay, with its access log laid out and thrown away; server, proxy: more options."""
    port = free_port()
    room = Path(tempfile.mkdtemp(dir=work))
    conf = room / "wxsync.conf"
    conf.write_text(
        f"[server]\nlisten = 127.0.0.1:{port}=relay\nadmin_listen = 127.0.0.1:0\nprocesses = {processes}\n"
        f"state_dir = {room / 'state'}\n{server}\n[log]\nfile = /dev/null\n"
        f"[proxy]\ntargets = {', '.join(targets)}\n{proxy}\n")
    return running(f"wxsyncd x{processes}", port, [sys.executable, "wxsyncd.py", "--config", str(conf)])


def bare(upstream_port: int, processes: int):
    port = free_port()
    command = [sys.executable, str(HERE / "bare.py"), str(port), str(upstream_port), str(processes)]
    return running(f"bare x{processes}", port, command)


def nginx(work: Path, upstream_port: int, workers: int = 1, *, buffering: bool = False):
    port = free_port()
    conf = work / f"proxy{port}.conf"
    conf.write_text(PROXY_CONF.format(
        work=work, port=port, upstream=upstream_port, workers=workers, buffering="on" if buffering else "off"))
    return running(f"nginx x{workers}", port, ["nginx", "-e", f"{work}/proxy.error", "-c", str(conf)])


def gunicorn(work: Path, upstream_port: int):
    """The seed's way; its packages go into an environment of their own, kept in the work directory."""
    python = work / "seed-venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(work / "seed-venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r",
                        str(HERE / "requirements.txt")], check=True)
    port = free_port()
    command = [str(python), "-m", "gunicorn", "-w", "4", "-b", f"127.0.0.1:{port}", "--log-level", "error",
               "--chdir", str(HERE), "seedway:app"]
    return running("gunicorn x4", port, command, env={
        **os.environ, "TARGET_SERVER_URL": f"http://127.0.0.1:{upstream_port}"})


def everyone(stack: ExitStack, work: Path) -> list[Contestant]:
    """Start all of them in front of one upstream."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port = stack.enter_context(upstream(work)).port
    target = [f"http://127.0.0.1:{port}"]
    own = [relay(work, target, 1), relay(work, target, 2)]
    makers = [*own, gunicorn(work, port), bare(port, 1), bare(port, 2), nginx(work, port)]
    return [stack.enter_context(each) for each in makers]

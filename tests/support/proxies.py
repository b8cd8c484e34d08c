"""Egress proxies: real programs as processes, and one of our own that a test may end at any moment."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.daemon import wait_for

LOGIN = "bob:p4ss-word@"  # what a proxy `with_login` wants in its URL


class RealProxy:
    """A proxy program on a loopback port, which stays its own when it is stopped and started again."""

    def __init__(
        self, program: str, scheme: str, directory: Path, arguments: Callable[[int], list[str]], target: str
    ) -> None:
        """target: the pattern of a log line that names host and port of a connection."""
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
        if path is None:
            assert os.environ.get("CI") != "true", f"{program} is not installed"
            pytest.skip(f"{program} is not installed")
        self.scheme = scheme
        self.port = _free_port()
        self._command = [path, *arguments(self.port)]
        self._target = re.compile(target)
        self._log = directory / f"{program}-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, login: str = "") -> str:
        return f"{self.scheme}://{login}127.0.0.1:{self.port}"

    def carried(self) -> list[int]:
        """Return the port of each connection that it was asked for, the latest last."""
        return [int(match[1]) for match in self._target.finditer(self._log.read_text(errors="replace"))]

    def start(self) -> RealProxy:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(self._is_listening, f"{self._command[0]} on its port")
        except AssertionError:
            self.stop()
            raise
        return self

    def _is_listening(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text(errors="replace")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:  # tinyproxy waits for its threads, and those for the name service
                self._process.kill()
                self._process.wait(5)

    def __enter__(self) -> RealProxy:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def microsocks(directory: Path, *, with_login: bool = False) -> RealProxy:
    user, _, password = LOGIN.rstrip("@").partition(":")
    login = ["-u", user, "-P", password] if with_login else []
    return RealProxy(
        "microsocks", "socks5h", directory, lambda port: ["-i", "127.0.0.1", "-p", str(port), *login],
        r"connected to \S+:([0-9]+)\n")


def tinyproxy(directory: Path, *, with_login: bool = False) -> RealProxy:
    def arguments(port: int) -> list[str]:
        config = directory / f"tinyproxy-{port}.conf"
        login = [f"BasicAuth {LOGIN.rstrip('@').replace(':', ' ')}"] if with_login else []
        lines = [f"Port {port}", "Listen 127.0.0.1", "MaxClients 50", "Timeout 10", "LogLevel Connect", *login, ""]
        config.write_text("\n".join(lines))
        return ["-d", "-c", str(config)]

    return RealProxy("tinyproxy", "http", directory, arguments, r"Request .*: CONNECT \S+:([0-9]+) HTTP")


def danted(directory: Path) -> RealProxy:
    def arguments(port: int) -> list[str]:
        config = directory / f"danted-{port}.conf"
        rule = "from: 0.0.0.0/0 to: 0.0.0.0/0"
        config.write_text(
            f"logoutput: stderr\ninternal: 127.0.0.1 port = {port}\nexternal: lo\nsocksmethod: none\n"
            f"clientmethod: none\nclient pass {{ {rule} }}\nsocks pass {{ {rule} log: connect }}\n")
        return ["-p", str(directory / f"danted-{port}.pid"), "-f", str(config)]

    return RealProxy(
        "danted", "socks5", directory, arguments, r"pass\([0-9]+\): tcp/connect \[: \S+ \S+ -> \S+ [0-9.]+\.([0-9]+)")


REAL_PROXIES = (microsocks, tinyproxy, danted)


class OwnProxy:
    """A CONNECT proxy in this process. targets: what it was asked for, as written; every host is this machine."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        self._changing = threading.Lock()

    def start(self) -> OwnProxy:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def stop(self) -> None:
        """End as a killed process does: the listener and each tunnel at once."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changing:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> OwnProxy:
        return self.start()

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.stop()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), self._kept(client):
            head = b""
            while not head.endswith(b"\r\n\r\n") and (piece := client.recv(1)):
                head += piece
            target = head.split(b" ")[1].decode()
            self.targets.append(target)
            with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2])), 5) as onward:
                onward.settimeout(None)
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                with self._kept(onward):
                    splice(client, onward)

    @contextlib.contextmanager
    def _kept(self, sock: socket.socket) -> Iterator[None]:
        with self._changing:
            self._open.add(sock)
        try:
            yield
        finally:
            with self._changing:
                self._open.discard(sock)
            sock.close()


def splice(one: socket.socket, other: socket.socket) -> None:
    """Copy both ways until one side ends."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
        for sock in (source, target):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=copy, args=(other, one), daemon=True)
    back.start()
    copy(one, other)
    back.join(10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])

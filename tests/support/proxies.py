"""Real egress proxies as processes, and one of our own that is enough for a tunnel."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def microsocks(*options: str) -> Iterator[int]:
    """Run microsocks on a free loopback port."""
    with _running("microsocks", lambda port: ["-i", "127.0.0.1", "-p", str(port), *options]) as port:
        yield port


@contextlib.contextmanager
def tinyproxy(directory: Path, *lines: str) -> Iterator[int]:
    """Run tinyproxy on a free loopback port with these lines in its configuration."""

    def arguments(port: int) -> list[str]:
        config = directory / "tinyproxy.conf"
        own = [f"Port {port}", "Listen 127.0.0.1", "MaxClients 20", "Timeout 10", "LogLevel Critical"]
        config.write_text("\n".join([*own, *lines, ""]))
        return ["-d", "-c", str(config)]

    with _running("tinyproxy", arguments) as port:
        yield port


@contextlib.contextmanager
def _running(program, arguments) -> Iterator[int]:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([path, *arguments(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_it_listens(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_it_listens(port: int, process) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise AssertionError("the proxy does not listen")


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

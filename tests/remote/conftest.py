"""Peers that behave badly."""

from __future__ import annotations

import socket

import pytest


@pytest.fixture
def full():
    """A listener whose queue is full: a connection attempt hangs there, as behind a firewall that drops."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server
        for filler in fillers:
            filler.close()

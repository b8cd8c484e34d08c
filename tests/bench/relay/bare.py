"""The speed limit of threaded CPython: a forwarder that keeps no rule of HTTP.

    python bare.py PORT UPSTREAM_PORT [PROCESSES]

A thread for each client connection; finds the end of the head, drops hop-by-hop lines, passes the rest on over pooled
sockets, and trusts every Content-Length. For measuring only.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

DROPPED = (b"connection:", b"keep-alive:", b"proxy-connection:", b"te:", b"upgrade:", b"host:")
POOL: list[socket.socket] = []


def passed_on(head: bytes, host: bytes) -> bytes:
    start, *lines = head.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(DROPPED)]
    return b"\r\n".join([start.replace(b"/wework-callback", b"", 1), *host, *kept]) + b"\r\n\r\n"


def length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15:].split(b"\r\n", 1)[0]) if at >= 0 else 0


def copy_rest(source: socket.socket, target: socket.socket, left: int) -> None:
    while left > 0:
        data = source.recv(65536)
        if not data:
            raise OSError("cut")
        target.sendall(data)
        left -= len(data)


def serve(client: socket.socket, upstream_port: int) -> None:
    host = [b"Host: 127.0.0.1:%d" % upstream_port]
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        while data := client.recv(65536):
            head, _, body = data.partition(b"\r\n\r\n")
            upstream = POOL.pop() if POOL else socket.create_connection(("127.0.0.1", upstream_port))
            upstream.sendall(passed_on(head, host) + body)
            copy_rest(client, upstream, length(head) - len(body))
            data = upstream.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            client.sendall(passed_on(head, []) + body)
            copy_rest(upstream, client, length(head) - len(body))
            if b"Connection: close" in head:
                upstream.close()
            else:
                POOL.append(upstream)
    except OSError:
        pass
    client.close()


def main() -> None:
    port, upstream_port, processes = int(sys.argv[1]), int(sys.argv[2]), int((sys.argv[3:] or ["1"])[0])
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    for _ in range(processes - 1):
        if os.fork() == 0:
            break
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, upstream_port), daemon=True).start()


if __name__ == "__main__":
    main()

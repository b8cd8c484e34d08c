"""A server certificate for localhost, files.test, api.test and loopback addresses, and the CA that signed it."""

from __future__ import annotations

import ssl
from pathlib import Path

_DIRECTORY = Path(__file__).parents[1] / "data" / "tls"
CA_FILE = str(_DIRECTORY / "ca.pem")


def server_tls() -> ssl.SSLContext:
    """Return what a TLS server on loopback needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(_DIRECTORY / "server.pem"))
    return context

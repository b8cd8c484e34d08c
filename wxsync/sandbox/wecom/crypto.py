"""WeCom's signature and encryption, written for the stand-in alone: it proves nothing if the daemon shares it.

Floor: sandbox.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import string
from dataclasses import dataclass

from Crypto.Cipher import AES

BLOCK = 32  # WeCom pads to 32 bytes, not to the block of AES
LETTERS_AND_DIGITS = string.ascii_letters + string.digits


def random_text(length: int, alphabet: str = LETTERS_AND_DIGITS) -> str:
    """Return so many random characters."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


@dataclass(frozen=True)
class Identity:
    """What the admin console of WeCom shows for one app."""

    corp_id: str
    agent_id: int
    secret: str
    token: str
    encoding_aes_key: str

    @staticmethod
    def random() -> Identity:
        """Make an app that nobody else has."""
        return Identity(
            corp_id="ww" + random_text(16, "0123456789abcdef"),
            agent_id=1000002,
            secret=random_text(43),
            token=random_text(32),
            encoding_aes_key=random_text(43),
        )


def signature(token: str, timestamp: str, nonce: str, encrypted: str) -> str:
    """Return the msg_signature of a callback."""
    parts = sorted(part.encode("utf-8") for part in (token, timestamp, nonce, encrypted))
    return hashlib.sha1(b"".join(parts)).hexdigest()  # noqa: S324  # the protocol's own choice


def encrypt(identity: Identity, message: bytes) -> str:
    """Return a message as WeCom encrypts it for the app: base64 text."""
    plain = secrets.token_bytes(16) + len(message).to_bytes(4, "big") + message + identity.corp_id.encode("ascii")
    missing = BLOCK - len(plain) % BLOCK
    key = _key(identity)
    encrypted = AES.new(key, AES.MODE_CBC, iv=key[:16]).encrypt(plain + bytes([missing]) * missing)
    return base64.b64encode(encrypted).decode("ascii")


def decrypt(identity: Identity, encrypted: str) -> bytes:
    """Return the message inside; ValueError when it is not one for this app."""
    key = _key(identity)
    padded = bytes(AES.new(key, AES.MODE_CBC, iv=key[:16]).decrypt(base64.b64decode(encrypted, validate=True)))
    missing = padded[-1]
    if not 1 <= missing <= BLOCK or padded[-missing:] != bytes([missing]) * missing:
        raise ValueError("wrong padding")
    plain = padded[16:-missing]
    length = int.from_bytes(plain[:4], "big")
    message, receiver = plain[4 : 4 + length], plain[4 + length :]
    if receiver != identity.corp_id.encode("ascii"):
        raise ValueError("not for this corp")
    return message


def _key(identity: Identity) -> bytes:
    # 43 characters carry 258 bits: the last two are noise, and base64 drops them.
    return base64.b64decode(identity.encoding_aes_key + "=")

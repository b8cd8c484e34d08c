"""WeCom's side of a callback, written from its documentation alone: seals and signs as WeCom does, or wrongly."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from urllib.parse import urlencode

from Crypto.Cipher import AES

CORP_ID = "ww0123456789abcdef"
AGENT_ID = 1000007
TOKEN = "Qm3TokenOfTheTest"
AES_KEY = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
OUTER = "<xml><Encrypt><![CDATA[{}]]></Encrypt></xml>"
AT = 1_767_323_045  # FakeClock's first second


@dataclass(frozen=True)
class Sealer:
    """One app of one company; every keyword bends one rule of the format."""

    token: str = TOKEN
    aes_key: str = AES_KEY
    corp_id: str = CORP_ID

    def frame(self, plain: bytes, *, corp_id: str | None = None, size: int | None = None) -> bytes:
        """Return random bytes, length, message and receive id, not padded."""
        length = (len(plain) if size is None else size).to_bytes(4, "big")
        return b"0123456789abcdef" + length + plain + (self.corp_id if corp_id is None else corp_id).encode()

    def pad(self, framed: bytes) -> bytes:
        size = 32 - len(framed) % 32
        return framed + bytes([size]) * size

    def encrypt(self, padded: bytes) -> str:
        key = base64.b64decode(self.aes_key + "=")
        return base64.b64encode(AES.new(key, AES.MODE_CBC, key[:16]).encrypt(padded)).decode()

    def seal(self, plain: bytes, *, corp_id: str | None = None, size: int | None = None) -> str:
        return self.encrypt(self.pad(self.frame(plain, corp_id=corp_id, size=size)))

    def sign(self, encrypted: str, timestamp: str = "1767323045", nonce: str = "5246108893") -> str:
        joined = "".join(sorted([self.token, timestamp, nonce, encrypted]))
        return hashlib.sha1(joined.encode()).hexdigest()

    def query(self, encrypted: str, timestamp: str = "1767323045", nonce: str = "5246108893", **more: str) -> bytes:
        signature = self.sign(encrypted, timestamp, nonce)
        return urlencode({"msg_signature": signature, "timestamp": timestamp, "nonce": nonce, **more}).encode()

    def get(self, echo: bytes) -> bytes:
        """Return the query of a check of the URL."""
        encrypted = self.seal(echo)
        return self.query(encrypted, echostr=encrypted)

    def post(self, inner: str | bytes, outer: str = OUTER) -> tuple[bytes, bytes]:
        """Return query and body of a push."""
        encrypted = self.seal(inner.encode() if isinstance(inner, str) else inner)
        return self.query(encrypted), outer.format(encrypted).encode()


def inner_xml(extra: str = "", **fields: object) -> str:
    """Return a decrypted text message; a field given as None is left out."""
    whole: dict[str, object] = {
        "ToUserName": CORP_ID, "FromUserName": "zhangsan", "CreateTime": AT, "MsgType": "text",
        "Content": "nginx:latest", "MsgId": "7848722502652735752", "AgentID": AGENT_ID, **fields}
    body = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in whole.items() if value is not None)
    return f"<xml>{body}{extra}</xml>"

"""Check and open what WeCom signed and encrypted: SHA-1 signature, AES-256-CBC, padding, receive id.

Knows bytes and settings, not XML. Floor: wecom, pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

from Crypto.Cipher import AES

from wxsync.errors import ConfigError
from wxsync.wecom.refusal import CallbackRefused

TOKEN = re.compile(r"[0-9A-Za-z]{1,32}", re.ASCII)
KEY = re.compile(r"[0-9A-Za-z]{43}", re.ASCII)
BLOCK = 32  # WeCom pads to 32 bytes, not to AES's own 16
HEAD = 20  # 16 random bytes and the length


class Crypto:
    """The secrets of one app's callback; raises ConfigError when a setting is malformed. Safe in any thread."""

    def __init__(self, token: str, encoding_aes_key: str, corp_id: str) -> None:
        _require(TOKEN.fullmatch(token), "token", "不是 1 到 32 位英文字母和数字")
        _require(KEY.fullmatch(encoding_aes_key), "encoding_aes_key", "不是 43 位英文字母和数字")
        _require(corp_id, "corp_id", "没有填写")
        self.corp_id = corp_id
        self._token = token
        # 43 characters carry 258 bits: the last two are noise in most keys, so no canonical check here.
        self._key = base64.b64decode(encoding_aes_key + "=")

    def signature(self, timestamp: str, nonce: str, encrypted: str) -> str:
        """Return the hexadecimal SHA-1 over the four values, sorted byte by byte and joined."""
        parts = sorted(value.encode() for value in (self._token, timestamp, nonce, encrypted))
        return hashlib.sha1(b"".join(parts), usedforsecurity=False).hexdigest()

    def verify(self, signature: str, timestamp: str, nonce: str, encrypted: str) -> None:
        """Raise CallbackRefused unless the signature is WeCom's; takes the same time wherever they differ."""
        # On str, compare_digest raises TypeError for text that is not ASCII.
        if not hmac.compare_digest(self.signature(timestamp, nonce, encrypted).encode(), signature.encode()):
            raise CallbackRefused("signature", "msg_signature does not fit token and content")

    def decrypt(self, encrypted: str) -> bytes:
        """Return the message inside the base64 text; raises CallbackRefused at the first check that fails."""
        data = _decode(encrypted)
        if not data or len(data) % BLOCK:
            raise CallbackRefused("cipher length", f"{len(data)} bytes are no multiple of {BLOCK}")
        plain = _unpad(AES.new(self._key, AES.MODE_CBC, self._key[:16]).decrypt(data))
        if len(plain) < HEAD:
            raise CallbackRefused("plain length", f"{len(plain)} bytes hold no length")
        size, rest = int.from_bytes(plain[16:HEAD], "big"), plain[HEAD:]
        if size > len(rest):  # a slice would not complain
            raise CallbackRefused("message length", f"{size} bytes announced, {len(rest)} are there")
        if not hmac.compare_digest(rest[size:], self.corp_id.encode()):
            raise CallbackRefused("receive id", "encrypted for another corp_id")
        return rest[:size]


def _require(condition: object, option: str, what: str) -> None:
    if not condition:
        raise ConfigError(what, where=f"[wecom] {option}", mend="从企业微信管理后台「应用管理」原样复制")


def _decode(encrypted: str) -> bytes:
    """Decode standard base64 and nothing else: b64decode alone lets stray tail bits through."""
    try:
        data = base64.b64decode(encrypted.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise CallbackRefused("base64", "no base64 text") from error
    if base64.b64encode(data).decode("ascii") != encrypted:
        raise CallbackRefused("base64", "not in its canonical form")
    return data


def _unpad(padded: bytes) -> bytes:
    size = padded[-1]
    if not 1 <= size <= BLOCK or padded[-size:] != bytes([size]) * size:
        raise CallbackRefused("padding", "wrong padding: encoding_aes_key of another app, or a forged text")
    return padded[:-size]

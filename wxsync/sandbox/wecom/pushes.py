"""What WeCom pushes: the inner XML of each kind of message and event, and the signed envelope. Floor: sandbox."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from urllib.parse import urlencode

from wxsync.sandbox.wecom import crypto
from wxsync.sandbox.wecom.crypto import Identity

# XML 1.0 has no way to write these (section 2.2).
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Push:
    """One message or event, before encryption; events have an empty msg_id."""

    member: str
    kind: str
    msg_id: str
    xml: bytes


@dataclass(frozen=True)
class Envelope:
    """One signed callback request: its query string, and the body of a POST."""

    query: str
    body: bytes


def message(identity: Identity, member: str, created: int, kind: str, fields: dict[str, str]) -> Push:
    """Make a message with a fresh MsgId; fields are the kind's own, such as Content or Url."""
    msg_id = str(secrets.randbelow(9 * 10**18) + 10**18)
    numbers = {"MsgId": msg_id, "AgentID": str(identity.agent_id)}
    return Push(member, kind, msg_id, _inner(identity, member, created, {"MsgType": kind, **fields}, numbers))


def event(identity: Identity, member: str, created: int, name: str, fields: dict[str, str]) -> Push:
    """Make an event, such as enter_agent."""
    texts = {"MsgType": "event", "Event": name, **fields}
    return Push(member, "event", "", _inner(identity, member, created, texts, {"AgentID": str(identity.agent_id)}))


def seal(identity: Identity, encrypted: str, now: float) -> Envelope:
    """Sign a ciphertext and wrap it; timestamp and nonce are new each time, as with a repeated push."""
    xml = (
        f"<xml><ToUserName>{_cdata(identity.corp_id)}</ToUserName>"
        f"<AgentID>{_cdata(str(identity.agent_id))}</AgentID><Encrypt>{_cdata(encrypted)}</Encrypt></xml>"
    )
    return Envelope(urlencode(_signed(identity, encrypted, now)), xml.encode("utf-8"))


def echo(identity: Identity, plain: str, now: float) -> Envelope:
    """Make the URL verification: the app must answer with the plain text."""
    encrypted = crypto.encrypt(identity, plain.encode("utf-8"))
    return Envelope(urlencode({**_signed(identity, encrypted, now), "echostr": encrypted}), b"")


def _signed(identity: Identity, encrypted: str, now: float) -> dict[str, str]:
    timestamp, nonce = str(int(now)), crypto.random_text(10, "0123456789")
    return {
        "msg_signature": crypto.signature(identity.token, timestamp, nonce, encrypted),
        "timestamp": timestamp,
        "nonce": nonce,
    }


def _inner(identity: Identity, member: str, created: int, texts: dict[str, str], numbers: dict[str, str]) -> bytes:
    return (
        f"<xml><ToUserName>{_cdata(identity.corp_id)}</ToUserName><FromUserName>{_cdata(member)}</FromUserName>"
        f"<CreateTime>{created}</CreateTime>"
        + "".join(f"<{name}>{_cdata(text)}</{name}>" for name, text in texts.items())
        + "".join(f"<{name}>{number}</{name}>" for name, number in numbers.items())
        + "</xml>"
    ).encode()


def _cdata(text: str) -> str:
    return "<![CDATA[" + _NOT_XML.sub("", text).replace("]]>", "]]]]><![CDATA[>") + "]]>"

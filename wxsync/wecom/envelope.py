"""Open a callback: query and envelope in, the message of one member out; strict and bounded. Floor: wecom, pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from wxsync.wecom.document import Child, read_children
from wxsync.wecom.refusal import CallbackRefused

if TYPE_CHECKING:  # an installation that only relays has no pycryptodome
    from wxsync.wecom.crypto import Crypto

ECHO = re.compile(rb"[0-9A-Za-z_-]{1,64}")
ESCAPED = re.compile(rb"(?:[^%]|%[0-9A-Fa-f]{2})*", re.DOTALL)
CREATE_TIME = re.compile(r"[0-9]{1,12}", re.ASCII)
MAX_QUERY = 1 << 14
MAX_FIELD = 1 << 16  # characters; WeCom itself sends at most 2,048 bytes of text
MAX_MEMBER = 128  # a userid has at most 64
FRESH_S = 24 * 3600
SIGNED = ("msg_signature", "timestamp", "nonce")


@dataclass(frozen=True)
class Message:
    """One decrypted message or event; only `read_message` builds it.

    create_time is in seconds of Unix time, content the text of a text message or the link of a link message.
    What a message does not have is "". fields has all plain fields, as read.
    """

    to_user: str
    from_user: str
    create_time: int
    agent_id: int
    msg_type: str
    msg_id: str
    content: str
    event: str
    event_key: str
    change_type: str
    task_id: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Envelope:
    """A callback that passed every check: its ciphertext, which no one can change, and what was in it."""

    encrypted: str
    message: Message


def verify_url(query: bytes, crypto: Crypto) -> bytes:
    """Return the answer to WeCom's check of the URL; raises CallbackRefused.

    GET and POST share one signature: only a text that looks like an echo is given out, else a captured message
    sent as echostr would be decrypted for whoever captured it.
    """
    signature, timestamp, nonce, echo = _read_query(query, (*SIGNED, "echostr"))
    crypto.verify(signature, timestamp, nonce, echo)
    answer = crypto.decrypt(echo)
    if not ECHO.fullmatch(answer):
        raise CallbackRefused("echo", "the decrypted echostr is no echo text")
    return answer


def read_message(query: bytes, body: bytes, crypto: Crypto, *, agent_id: int) -> Envelope:
    """Return what a POST brought, when it comes from WeCom and is for this app; raises CallbackRefused."""
    signature, timestamp, nonce = _read_query(query, SIGNED)
    encrypted = _encrypted(read_children(body, "outer xml"))
    crypto.verify(signature, timestamp, nonce, encrypted)
    fields = _fields(read_children(crypto.decrypt(encrypted), "inner xml"))
    return Envelope(encrypted, _message(fields, crypto.corp_id, agent_id))


def is_fresh(message: Message, now: datetime) -> bool:
    """Tell whether the message was made within a day of now; timestamp and nonce of the query prove nothing."""
    return abs(now.timestamp() - message.create_time) <= FRESH_S


def seen_keys(message: Message, encrypted: str) -> tuple[bytes, ...]:
    """Return the digests by which a repeat is recognised: any one of them seen before means a repeat.

    WeCom does not say whether a retry is encrypted anew, so there is one key for the ciphertext, one for the content.
    """
    parts = [str(message.agent_id), message.from_user, str(message.create_time), message.msg_id]
    if message.msg_type == "event":
        parts += [message.event, message.event_key, message.change_type, message.task_id]
    elif not message.msg_id:  # an unknown type: only the whole of it tells two of one second apart
        parts += [text for field in sorted(message.fields.items()) for text in field]
    return hashlib.sha256(encrypted.encode()).digest(), _digest(parts)


def _digest(parts: Iterable[str]) -> bytes:
    """Return one digest; each part carries its length, so that no two lists of parts join to the same bytes."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode()
        whole.update(len(data).to_bytes(4, "big") + data)
    return whole.digest()


def _read_query(query: bytes, wanted: tuple[str, ...]) -> list[str]:
    """Return the values of the wanted names; each stands there exactly once, not empty, as percent-encoded UTF-8."""
    if len(query) > MAX_QUERY:
        raise CallbackRefused("query", "too long")
    found: dict[str, list[bytes]] = {name: [] for name in wanted}
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        known = unquote_to_bytes(name).decode("utf-8", "replace")
        if known in found:
            found[known].append(value)
    return [_decode(name, values) for name, values in found.items()]


def _decode(name: str, values: list[bytes]) -> str:
    if len(values) != 1 or not values[0]:
        raise CallbackRefused("query", f"{name} must stand there once and not be empty")
    if not ESCAPED.fullmatch(values[0]):
        raise CallbackRefused("query", f"{name} has a broken percent escape")
    try:
        return unquote_to_bytes(values[0].replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CallbackRefused("query", f"{name} is not UTF-8") from error


def _encrypted(children: tuple[Child, ...]) -> str:
    """Return the ciphertext; the other fields of the envelope are not signed and decide nothing."""
    found = [child for child in children if child.name == "Encrypt"]
    if len(found) != 1 or not found[0].is_leaf:
        raise CallbackRefused("outer xml", "must have exactly one Encrypt without children")
    return found[0].text


def _fields(children: tuple[Child, ...]) -> dict[str, str]:
    """Return the plain fields; a name that stands there twice has no one meaning, so it is refused."""
    if len({child.name for child in children}) != len(children):
        raise CallbackRefused("inner xml", "a field stands there twice")
    if any(len(child.text) > MAX_FIELD for child in children):
        raise CallbackRefused("inner xml", "a field is too long")
    return {child.name: child.text for child in children if child.is_leaf}


def _message(fields: Mapping[str, str], corp_id: str, agent_id: int) -> Message:
    def field(name: str) -> str:
        return fields.get(name, "")

    if field("ToUserName") != corp_id:
        raise CallbackRefused("identity", "ToUserName is not corp_id")
    if field("AgentID") != str(agent_id):
        raise CallbackRefused("identity", f"AgentID is {field('AgentID')[:20]!r}, agent_id {agent_id}")
    if not 0 < len(field("FromUserName")) <= MAX_MEMBER:
        raise CallbackRefused("identity", "FromUserName is empty or too long")
    if not CREATE_TIME.fullmatch(field("CreateTime")):
        raise CallbackRefused("create time", "CreateTime is no number of seconds")
    return Message(
        to_user=corp_id,
        from_user=field("FromUserName"),
        create_time=int(field("CreateTime")),
        agent_id=agent_id,
        msg_type=field("MsgType"),
        msg_id=field("MsgId"),
        content=field("Url") if field("MsgType") == "link" else field("Content"),
        event=field("Event"),
        event_key=field("EventKey"),
        change_type=field("ChangeType"),
        task_id=field("TaskId"),
        fields=MappingProxyType(dict(fields)),
    )

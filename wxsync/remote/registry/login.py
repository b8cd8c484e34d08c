"""What a registry wants to see before it answers: kept, asked for, and never shown to anyone else.

A realm is named by the other side. It must be https, unless the registry itself is plain: a token must not travel
more openly than the registry's answers do. It may be another host, as with Docker Hub (auth.docker.io) and Aliyun
(dockerauth.…): the connection there is judged by the address guard. The login that the operator gave for a registry
goes to the realm which that registry names, since the registry could as well ask for it itself (Basic); there is
no redirect on this way, and no login of one registry goes to the realm of another one.

Floor: remote, pure.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from wxsync.remote.address import AddressRefused, Verdict
from wxsync.remote.exchange import Request, Response
from wxsync.remote.registry.challenge import Basic, Bearer, Challenge
from wxsync.remote.registry.endpoint import Endpoint
from wxsync.remote.registry.faults import bad_answer
from wxsync.remote.url import parse_url

MAX_TOKEN_BYTES = 64 << 10
MAX_SCOPES = 16
KEPT_TOKENS = 256
SHORTEST_S, LONGEST_S = 60.0, 86400.0  # no expires_in means 60 s, and none is shorter (distribution, token/jwt)
EARLY_S = 10.0  # a token that ends during the request is of no use

_VISIBLE = re.compile(r"[\x21-\x7e]+", re.ASCII)


@dataclass(frozen=True)
class _Token:
    text: str
    until: float


class Login:
    """What one registry asked for, and the tokens it got us; `now` is an instant of the clock's monotonic time.

    Several threads may share one: at worst two of them fetch the same token.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._challenge: Challenge | None = None
        self._tokens: dict[tuple[str, ...], _Token] = {}

    def learn(self, challenge: Challenge) -> None:
        """Remember what the registry asks for."""
        self._challenge = challenge

    @property
    def is_basic(self) -> bool:
        """Tell whether user and password go along with each request already."""
        return isinstance(self._challenge, Basic) and bool(self._endpoint.user)

    def field(self, scopes: Sequence[str], now: float) -> str:
        """Return the Authorization to send, "" when there is none (yet)."""
        if isinstance(self._challenge, Basic):
            return self._basic() if self._endpoint.user else ""
        token = self._tokens.get(self._key(scopes))
        return f"Bearer {token.text}" if token is not None and now < token.until else ""

    def token_request(self, scopes: Sequence[str]) -> Request | None:
        """Return what to ask the token service, None while the registry wants no token. Raises AddressRefused."""
        challenge = self._challenge
        if not isinstance(challenge, Bearer):
            return None
        realm = parse_url(challenge.realm)
        if realm.scheme != "https" and self._endpoint.root.startswith("https:"):
            raise AddressRefused(Verdict.BAD_SCHEME, where=realm.shown)
        query = [("service", challenge.service)] if challenge.service else []
        query += [("account", self._endpoint.user)] if self._endpoint.user else []
        query += [("scope", scope) for scope in _joined(scopes, challenge.scopes)]
        joint = "&" if "?" in realm.target else "?"
        fields = (("Authorization", self._basic()),) if self._endpoint.user else ()
        return Request("GET", f"{realm.text}{joint}{urlencode(query)}" if query else realm.text, fields)

    def keep(self, scopes: Sequence[str], answer: Response, now: float) -> None:
        """Keep the token of an answer until shortly before its end. Raises RegistryFault when there is none in it."""
        text, lifetime_s = _token_in(answer.body, self._endpoint.name)
        tokens = dict(list(self._tokens.items())[-KEPT_TOKENS + 1 :])
        tokens[self._key(scopes)] = _Token(text, now + lifetime_s - EARLY_S)
        self._tokens = tokens

    def forget(self, scopes: Sequence[str]) -> None:
        """Drop a token that the registry does not take."""
        self._tokens.pop(self._key(scopes), None)

    def _key(self, scopes: Sequence[str]) -> tuple[str, ...]:
        bearer = self._challenge if isinstance(self._challenge, Bearer) else Bearer("", "", ())
        return (bearer.realm, bearer.service, *scopes)

    def _basic(self) -> str:
        pair = f"{self._endpoint.user}:{self._endpoint.password}"
        return "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def _joined(own: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Return the scopes to ask for: ours, and what a registry wants that is no repository (public.ecr.aws: `aws`).

    The repository that a challenge names is that of the call it answered, and ours is among `own` already.
    """
    return [*own, *(scope for scope in asked if not scope.startswith("repository:"))][:MAX_SCOPES]


def _token_in(body: bytes, name: str) -> tuple[str, float]:
    """Return the token and how long it lives."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    found = data if isinstance(data, dict) else {}
    text, lifetime = found.get("token") or found.get("access_token"), found.get("expires_in")
    if not isinstance(text, str) or len(text) > MAX_TOKEN_BYTES or not _VISIBLE.fullmatch(text):
        raise bad_answer("no token in the token service's answer", name)
    if not isinstance(lifetime, (int, float)) or not lifetime > SHORTEST_S:  # NaN is not greater either
        return text, SHORTEST_S
    return text, float(min(lifetime, LONGEST_S))

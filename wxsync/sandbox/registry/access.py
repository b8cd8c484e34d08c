"""Who may do what: nobody asked, basic login, or tokens of the registry's own token service. Floor: sandbox."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wxsync.sandbox.registry.answers import Refusal
from wxsync.sandbox.server import Answer, Request, json_answer

OPEN, BASIC, BEARER = "open", "basic", "bearer"
SERVICE = "sandbox"


@dataclass
class Token:
    """What a token is good for: (repository, action) pairs, until an instant, for so many requests."""

    grants: frozenset[tuple[str, str]]
    ends_at: float
    uses: int


class Access:
    """The rule of one registry; the stand-in's lock is held around every call.

    token_life_s, token_uses: after how long, and after how many requests, a token is refused.
    is_pull_open: anybody may pull (bearer: an anonymous token is given for it, as Docker Hub does).
    """

    def __init__(self, kind: str, *, is_pull_open: bool, now: Callable[[], float] = time.monotonic) -> None:
        self.kind = kind
        self.user, self.password = "robot-" + secrets.token_hex(4), secrets.token_urlsafe(12)
        self.is_pull_open = is_pull_open
        self.token_life_s, self.token_uses = 300.0, 1_000_000
        self.realm = ""  # of the token service: set when the listener's address is known, changed by tests
        self.tokens: dict[str, Token] = {}
        self.tokens_given = 0
        self._now = now

    def check(self, request: Request, needs: tuple[tuple[str, str], ...]) -> None:
        """Raise Refusal with the challenge unless the request may do this: (repository, action) each."""
        if self.kind == OPEN:
            return
        header = request.headers.get("authorization", "")
        if self.kind == BASIC:
            is_pull = all(action == "pull" for _, action in needs) and needs
            if not self._is_login(header) and not (self.is_pull_open and is_pull):
                raise self._challenge(f'Basic realm="{SERVICE}"')
            return
        token = self.tokens.get(header[len("Bearer "):]) if header.startswith("Bearer ") else None
        if token is None or token.ends_at <= self._now() or token.uses <= 0:
            raise self._bearer(needs)
        token.uses -= 1
        if not set(needs) <= token.grants:
            raise self._bearer(needs, error=',error="insufficient_scope"')

    def token(self, request: Request) -> Answer:
        """Answer the token service's one call."""
        header = request.headers.get("authorization", "")
        if header and not self._is_login(header):
            raise Refusal("UNAUTHORIZED", "incorrect username or password")
        is_known = self._is_login(header)
        grants = frozenset(
            grant for grant in _scopes(request) if is_known or (self.is_pull_open and grant[1] == "pull"))
        name = secrets.token_urlsafe(24)
        self.tokens[name] = Token(grants, self._now() + self.token_life_s, self.token_uses)
        self.tokens_given += 1
        return json_answer({"token": name, "access_token": name, "expires_in": int(self.token_life_s)})

    def expire(self) -> None:
        """Refuse every token given until now."""
        self.tokens.clear()

    def _is_login(self, header: str) -> bool:
        try:
            plain = base64.b64decode(header[len("Basic "):], validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return header.startswith("Basic ") and plain == f"{self.user}:{self.password}"

    def _bearer(self, needs: tuple[tuple[str, str], ...], error: str = "") -> Refusal:
        by_name: dict[str, list[str]] = {}
        for name, action in needs:
            by_name.setdefault(name, []).append(action)
        scopes = " ".join(f"repository:{name}:{','.join(actions)}" for name, actions in by_name.items())
        scope = f',scope="{scopes}"' if scopes else ""
        return self._challenge(f'Bearer realm="{self.realm}",service="{SERVICE}"{scope}{error}')

    def _challenge(self, value: str) -> Refusal:
        return Refusal("UNAUTHORIZED", headers=(("Www-Authenticate", value),))


def _scopes(request: Request) -> Iterator[tuple[str, str]]:
    for key, value in request.query:
        for scope in value.split() if key == "scope" else ():
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            if kind == "repository":
                yield from ((name, action) for action in actions.split(","))

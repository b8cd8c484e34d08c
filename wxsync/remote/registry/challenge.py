"""Read WWW-Authenticate: which way of login a registry wants (RFC 9110 11.6.1). Floor: remote, pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Union

MAX_CHALLENGE = 4096

# Each pattern reads a character in one way only, so that a match takes time in proportion to the text.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"[ \t,]*({_WORD})[ \t]*", re.ASCII)
_PARAMETER = re.compile(rf'({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))[ \t]*(?:,[ \t,]*|$)', re.ASCII)
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Basic:
    """User and password with every request."""


@dataclass(frozen=True)
class Bearer:
    """A token from the service at realm. Everything here was written by the other side; realm is not checked yet."""

    realm: str
    service: str
    scopes: tuple[str, ...]


Challenge = Union[Basic, Bearer]


def choose(fields: Iterable[tuple[str, str]]) -> Challenge | None:
    """Return what an answer's fields ask for, Bearer before Basic; None when neither is there in a sound form."""
    found: list[Challenge] = []
    for name, value in fields:
        if name.lower() == "www-authenticate" and len(value) <= MAX_CHALLENGE:
            found += [each for each in map(_typed, _challenges(value)) if each is not None]
    bearer = next((each for each in found if isinstance(each, Bearer)), None)
    return bearer or next(iter(found), None)


def _typed(challenge: tuple[str, dict[str, str]]) -> Challenge | None:
    scheme, parameters = challenge
    if scheme == "basic":
        return Basic()
    if scheme == "bearer" and parameters.get("realm"):
        return Bearer(parameters["realm"], parameters.get("service", ""), tuple(parameters.get("scope", "").split()))
    return None


def _challenges(text: str) -> list[tuple[str, dict[str, str]]]:
    """Return (scheme, parameters) of each challenge; an unsound field is none at all, since what follows is a guess."""
    challenges: list[tuple[str, dict[str, str]]] = []
    at = 0
    while at < len(text):
        parameter = _PARAMETER.match(text, at) if challenges else None
        if parameter is not None:
            name = parameter[1].lower()
            if name in challenges[-1][1]:
                return []
            quoted, plain = parameter[2], parameter[3]
            challenges[-1][1][name] = plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
            at = parameter.end()
            continue
        scheme = _SCHEME.match(text, at)
        if scheme is None or text[scheme.end() : scheme.end() + 1] == "=":
            return []
        challenges.append((scheme[1].lower(), {}))
        at = scheme.end()
    return challenges

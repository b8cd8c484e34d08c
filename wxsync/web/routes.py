"""Find the route of a request, and answer /health. Floor: web."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Callable, NamedTuple

from wxsync.http1.refusal import Refusal
from wxsync.http1.request import RequestHead
from wxsync.web.exchange import Exchange, Route

HEALTH_METHODS = ("GET", "HEAD")


class Rule(NamedTuple):
    """Which requests a route gets: this very path and, when `below`, everything under it."""

    path: bytes
    methods: tuple[str, ...]
    route: Route
    below: bool = False


class Router:
    """The routes of one listener; compared on raw bytes, so nothing is decoded before the route sees it."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        rules = tuple(rules)
        self._exact = {rule.path: rule for rule in rules}
        self._below = tuple((rule.path + b"/", rule) for rule in rules if rule.below)
        self._methods = tuple(dict.fromkeys(method for rule in rules for method in rule.methods))

    def find(self, head: RequestHead) -> Route:
        """Return the route; Refusal (404, 405) when there is none."""
        path = head.path
        rule = self._exact.get(path) or self._above(path)
        if rule is None:
            if head.target == b"*" and head.method == "OPTIONS":
                return self._answer_server_options
            if head.method == "CONNECT":
                raise _not_allowed(self._methods)
            raise Refusal(404, "no such path", closes=False)
        if head.method not in rule.methods:
            raise _not_allowed(rule.methods)
        return rule.route

    def _above(self, path: bytes) -> Rule | None:
        for prefix, rule in self._below:
            if path.startswith(prefix):
                return rule
        return None

    def _answer_server_options(self, exchange: Exchange) -> None:
        """OPTIONS * asks about the server itself (RFC 9110 9.3.7)."""
        exchange.answer(200, headers=(("Allow", ", ".join(self._methods)),))


def _not_allowed(methods: tuple[str, ...]) -> Refusal:
    return Refusal(405, "method not allowed", fields=(("Allow", ", ".join(methods)),), closes=False)


def health_rule(health: Callable[[], tuple[bool, dict[str, object]]], path: bytes = b"/health") -> Rule:
    """Return the rule of GET /health; health tells whether all is well and what else to say (no secrets)."""

    def answer(exchange: Exchange) -> None:
        is_well, facts = health()
        body = json.dumps({"status": "ok" if is_well else "failing", **facts}, ensure_ascii=False) + "\n"
        exchange.answer(
            200 if is_well else 503, body.encode(), "application/json", headers=(("Cache-Control", "no-store"),)
        )

    return Rule(path, HEALTH_METHODS, answer)

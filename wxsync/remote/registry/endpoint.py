"""Where a registry really is: Docker Hub's other name, mirrors, and the login that belongs to a place.

Floor: remote, pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wxsync.remote.url import parse_url

DOCKER_HUB = "docker.io"
_HUB_HOST = "registry-1.docker.io"


@dataclass(frozen=True)
class Endpoint:
    """A registry as it is reached.

    name: as people write it, for errors. root: SCHEME://HOST[:PORT]. path: what stands before every repository there,
    empty or with a slash at its end. is_trusted: the operator named it, so that its own address may be an inner one;
    what it redirects to is judged all the same.
    """

    name: str
    root: str
    path: str = ""
    user: str = ""
    password: str = ""
    is_trusted: bool = False

    def __repr__(self) -> str:
        return f"Endpoint({self.name} at {self.root}/{self.path})"  # never the password


class Sources:
    """The registries that members name, with the operator's mirrors and logins. Any thread may call."""

    def __init__(self, mirrors: Iterable[tuple[str, str]], logins: Iterable[tuple[str, str, str]]) -> None:
        """mirrors: (host, URL), host `*` for all others, their name in place of {host}; logins: (host, user, password).
        """
        named = dict(mirrors)
        self._any = named.pop("*", None)
        self._mirrors = {_authority(host): url for host, url in named.items()}
        self._logins = {_authority(host): (user, password) for host, user, password in logins}

    def endpoint(self, host: str) -> Endpoint:
        """Return where to ask for a registry that a reference names. Raises AddressRefused for a host that is none.

        A login goes to the very host that it was given for: never to a mirror in its place, which has its own.
        """
        mirror = self._mirrors.get(_authority(host)) or (self._any and self._any.replace("{host}", host))
        url = parse_url(mirror or f"https://{_HUB_HOST if host == DOCKER_HUB else host}")
        path = url.target.strip("/")
        user, password = self._logins.get(url.authority if mirror else _authority(host), ("", ""))
        return Endpoint(
            name=host,
            root=f"{url.scheme}://{url.authority}",
            path=f"{path}/" if path else "",
            user=user,
            password=password,
            is_trusted=mirror is not None,
        )


def destination(registry: str, user: str, password: str) -> Endpoint:
    """Return the operator's own registry, written HOST[:PORT], or http://HOST[:PORT] for a plain one."""
    is_plain = registry.startswith("http://")
    name = registry[len("http://") :] if is_plain else registry
    host = _HUB_HOST if _authority(name) == DOCKER_HUB else name
    url = parse_url(f"{'http' if is_plain else 'https'}://{host}")
    return Endpoint(name, f"{url.scheme}://{url.authority}", user=user, password=password, is_trusted=True)


def _authority(host: str) -> str:
    """Return a host as it is compared: Docker Hub's three names are one, and :443 is no port of its own."""
    name = parse_url(f"https://{host}").authority
    return DOCKER_HUB if name in {"index.docker.io", _HUB_HOST} else name

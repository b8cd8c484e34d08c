"""One call to a registry: logged in, redirected where that is safe, its refusal told apart. Floor: remote, pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

from wxsync.errors import RemoteFault
from wxsync.remote.address import AddressRefused, Verdict
from wxsync.remote.exchange import Body, Incoming, Pieces, Request, Response, Session
from wxsync.remote.registry import faults
from wxsync.remote.registry.challenge import choose
from wxsync.remote.registry.endpoint import Endpoint
from wxsync.remote.registry.faults import Kind, RegistryFault, bad_answer
from wxsync.remote.registry.login import MAX_TOKEN_BYTES, Login
from wxsync.remote.url import Url, parse_url

HOPS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_ERROR_BYTES = 64 << 10
Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Way:
    """How connections are made; one thread at a time, as its sessions are.

    own: to the registry itself; other: to whatever hosts it names (blobs elsewhere, token services), under the address
    guard. For a registry that a member named both are the guarded one. seconds: the clock's monotonic time.
    """

    own: Session
    other: Session
    seconds: Callable[[], float]


class Calls:
    """Calls to one registry by one thread. Every method raises RegistryFault, and Stopped as the session does."""

    def __init__(self, endpoint: Endpoint, login: Login, way: Way) -> None:
        """login: of this endpoint; the threads that talk to it may share one."""
        self.endpoint = endpoint
        self._login = login
        self._way = way
        self._root = parse_url(endpoint.root)

    def ping(self, deadline: float) -> None:
        """Make sure that a registry is there and lets us in (end-1 of the specification)."""
        self.whole("GET", "/v2/", scopes=(), deadline=deadline, where=self.endpoint.name)

    def whole(
        self,
        method: str,
        target: str,
        *,
        scopes: Sequence[str],
        deadline: float,
        where: str,
        fields: Fields = (),
        body: Body | None = None,
        expected: Sequence[int] = (200,),
        max_bytes: int = MAX_ERROR_BYTES,
    ) -> Response:
        """Make a call and return its whole answer, of one of the expected statuses.

        target: a path, or a URL of this origin. GET and HEAD follow redirects; for other methods a registry that moved
        something says so in a Location.
        """
        call = self._follow if method in {"GET", "HEAD"} else self._authorised
        incoming = call(Request(method, urljoin(self._root.text, target), fields, body), scopes, deadline, where)
        try:
            content = read_whole(incoming, max_bytes if incoming.status in expected else MAX_ERROR_BYTES, where)
        except RemoteFault as fault:
            raise _typed(fault, where) from fault
        finally:
            incoming.close()
        if incoming.status not in expected:
            raise faults.fault_of(incoming, content, method=method, where=where)
        return Response(incoming.status, incoming.headers, content)

    def stream(
        self,
        target: str,
        *,
        scopes: Sequence[str],
        deadline: float,
        where: str,
        fields: Fields = (),
        expected: Sequence[int] = (200,),
    ) -> Incoming:
        """GET, and return the answer with its body still to be read; the caller closes it."""
        incoming = self._follow(Request("GET", urljoin(self._root.text, target), fields), scopes, deadline, where)
        if incoming.status in expected:
            return incoming
        try:
            content = read_whole(incoming, MAX_ERROR_BYTES, where)
        except RemoteFault as fault:
            raise _typed(fault, where) from fault
        finally:
            incoming.close()
        raise faults.fault_of(incoming, content, method="GET", where=where)

    def own_url(self, location: str, base: str, where: str) -> str:
        """Return the place that a Location names, when it is of this registry. Raises RegistryFault otherwise.

        Content that is uploaded, and the right to do so, go to the registry that the operator named and nowhere else.
        """
        try:
            url = parse_url(urljoin(base, location))
        except (AddressRefused, ValueError) as error:
            raise bad_answer("the place of the upload is no URL", where) from error
        if not location or url.origin != self._root.origin:
            raise bad_answer(f"the upload is to go to another place, {url.scheme}://{url.authority}", where)
        return url.text

    def _follow(self, request: Request, scopes: Sequence[str], deadline: float, where: str) -> Incoming:
        for _ in range(HOPS + 1):
            if parse_url(request.url).origin == self._root.origin:
                incoming = self._authorised(request, scopes, deadline, where)
            else:
                incoming = self._open(self._way.other, request, deadline, where)
            if incoming.status not in REDIRECTS:
                return incoming
            incoming.close()
            target = _redirected(request.url, incoming.header("Location") or "", where)
            request = Request(request.method, target.text, request.headers)
        raise bad_answer("too many redirects", where)

    def _authorised(self, request: Request, scopes: Sequence[str], deadline: float, where: str) -> Incoming:
        """Send with what the registry wants to see; find that out, or renew it, when it answers 401."""
        field = self._login.field(scopes, self._way.seconds()) or self._fetch_token(scopes, deadline, where)
        incoming = self._open(self._way.own, _with(request, field), deadline, where)
        if incoming.status != 401:
            return incoming
        challenge = choose(incoming.headers)
        if challenge is None or (self._login.is_basic and field):
            return incoming  # its own refusal
        self._login.forget(scopes)
        self._login.learn(challenge)
        again = self._login.field(scopes, self._way.seconds()) or self._fetch_token(scopes, deadline, where)
        if not again:
            return incoming
        incoming.close()
        if request.body is not None and not isinstance(request.body, (bytes, bytearray, memoryview)):
            raise _login_ended(request.body, where)
        return self._open(self._way.own, _with(request, again), deadline, where)

    def _fetch_token(self, scopes: Sequence[str], deadline: float, where: str) -> str:
        """Return the Authorization with a fresh token, "" when the registry wants none."""
        try:
            request = self._login.token_request(scopes)
        except AddressRefused as fault:
            raise _typed(fault, f"token service of {self.endpoint.name}") from fault
        if request is None:
            return ""
        url = parse_url(request.url)
        place = f"token service {url.authority} of {where}"
        incoming = self._open(self._session(url), request, deadline, place)
        try:
            content = read_whole(incoming, 2 * MAX_TOKEN_BYTES, place)
        except RemoteFault as fault:
            raise _typed(fault, place) from fault
        finally:
            incoming.close()
        if incoming.status != 200:
            raise faults.fault_of(incoming, content, method="GET", where=place)
        self._login.keep(scopes, Response(200, incoming.headers, content), self._way.seconds())
        return self._login.field(scopes, self._way.seconds())

    def _session(self, url: Url) -> Session:
        """Return the session for a place; another port of a trusted host is another place."""
        return self._way.own if url.origin == self._root.origin else self._way.other

    def _open(self, session: Session, request: Request, deadline: float, where: str) -> Incoming:
        try:
            return session.open(request, deadline=deadline)
        except RemoteFault as fault:
            raise _typed(fault, where) from fault


def read_whole(incoming: Incoming, max_bytes: int, where: str) -> bytes:
    """Return what is left of a body; raise RegistryFault when it has more than max_bytes, RemoteFault as it does."""
    content = bytearray()
    buffer = bytearray(min(max_bytes + 1, 64 << 10))
    with memoryview(buffer) as view:
        while count := incoming.readinto(view):
            content += view[:count]
            if len(content) > max_bytes:
                raise bad_answer(f"more than {max_bytes} bytes", where)
    return bytes(content)


def _redirected(base: str, location: str, where: str) -> Url:
    """Return where a redirect leads. It never leads from https to http; the address guard judges the rest."""
    try:
        target = parse_url(urljoin(base, location))
    except AddressRefused as fault:
        raise _typed(fault, where) from fault
    except ValueError as error:  # urljoin takes some brackets amiss
        raise bad_answer("redirected to something that is no URL", where) from error
    if target.scheme != "https" and base.startswith("https:"):
        raise _typed(AddressRefused(Verdict.BAD_SCHEME, where=target.shown), where)
    return target


def _with(request: Request, field: str) -> Request:
    fields = (("Authorization", field),) if field else ()
    return Request(request.method, request.url, (*request.headers, *fields), request.body)


def _typed(fault: RemoteFault, where: str) -> RegistryFault:
    return fault if isinstance(fault, RegistryFault) else faults.of_transport(fault, where)


def _login_ended(body: Pieces, where: str) -> RegistryFault:
    """The token ended under a body that can be sent once only; the next try has the new one."""
    what = f"the login ended before {body.length} bytes were taken"
    return RegistryFault(Kind.NETWORK, what, where=where, status=401, temporary=True)

"""Who may use the admin API: nobody by another site's page, nobody by a borrowed name, nobody without the token.

Floor: web.
"""

from __future__ import annotations

import hmac
import ipaddress

from wxsync.errors import WxsyncError
from wxsync.options.addresses import Listener
from wxsync.web.exchange import Exchange

NO_SITE = ("none", "same-origin")  # of Sec-Fetch-Site: typed by hand, or a page of this very listener


class Denied(WxsyncError):
    """The request is not served; status is what the answer carries, what and mend are for its sender (Chinese)."""

    def __init__(self, status: int, what: str, mend: str = "", fields: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(what, mend=mend)
        self.status = status
        self.fields = fields


class Gate:
    """Checks Host, origin and token. Any thread may call."""

    def __init__(self, place: Listener, token: str) -> None:
        """place: the admin listener as configured. token: empty when none is asked for."""
        self._names = {"localhost", place.host.lower()}
        self._address = _address_of(place.host)
        self._is_wildcard = place.is_wildcard
        self._token = token.encode()

    def check(self, exchange: Exchange) -> None:
        """Raise Denied unless the request may be served."""
        if not self._is_own(exchange.request.authority.decode("latin-1")):
            # A page whose name was made to resolve to this address (DNS rebinding) still sends that name.
            raise Denied(421, "Host 不是管理地址", "用 IP 地址或 localhost 访问管理地址")
        self._refuse_foreign_page(exchange)
        if self._token and not hmac.compare_digest(_bearer(exchange), self._token):
            challenge = (("WWW-Authenticate", 'Bearer realm="wxsyncd"'),)
            raise Denied(401, "口令不对或没有口令", "带上 Authorization: Bearer <[server] admin_token>", challenge)

    def _is_own(self, authority: str) -> bool:
        host = authority.rpartition(":")[0] if not authority.endswith("]") and ":" in authority else authority
        if host.lower() in self._names:
            return True
        address = _address_of(host.strip("[]"))
        # An address cannot be borrowed as a name can; a listener on all of them is reached by any.
        return address is not None and (address.is_loopback or self._is_wildcard or address == self._address)

    @staticmethod
    def _refuse_foreign_page(exchange: Exchange) -> None:
        """Browsers tell where a request comes from; what tells nothing is no browser (Fetch standard, 3.2 Origin)."""
        values = exchange.request.values
        own = [scheme + exchange.request.authority.lower() for scheme in (b"http://", b"https://")]
        is_foreign = any(origin.lower() not in own for origin in values(b"origin"))
        sites = [site.decode("latin-1") for site in values(b"sec-fetch-site")]
        if is_foreign or any(site not in NO_SITE for site in sites):
            raise Denied(403, "不接受其他网站的页面发来的请求", "直接访问管理地址，或用 wxsyncd 命令")


def _address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _bearer(exchange: Exchange) -> bytes:
    """Return the token that the request carries, empty when there is none or more than one."""
    values = exchange.request.values(b"authorization")
    scheme, _, token = values[0].partition(b" ") if len(values) == 1 else (b"", b"", b"")
    return token.strip(b" ") if scheme.lower() == b"bearer" else b""

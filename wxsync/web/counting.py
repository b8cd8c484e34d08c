"""What the web side counts: the names, and how an account becomes counts. Floor: web."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Callable

from wxsync.metrics import Family, Histogram, Metrics, series_text
from wxsync.web.account import Account
from wxsync.web.service import Service
from wxsync.web.upstream import Upstream

FAMILIES = (
    Family("wxsync_http_requests_total", "counter", "Answers by status class and by who made them."),
    Family("wxsync_http_refused_total", "counter", "Requests refused here, by status."),
    Family("wxsync_http_request_seconds", "histogram", "From the first byte of a request to the end of its answer."),
    Family("wxsync_http_received_bytes_total", "counter", "Bytes of request bodies."),
    Family("wxsync_http_sent_bytes_total", "counter", "Bytes of answers."),
    Family("wxsync_http_connections", "gauge", "Open client connections by state."),
    Family("wxsync_upstream_requests_total", "counter", "Requests by upstream and by status class of the answer."),
    Family("wxsync_upstream_failures_total", "counter", "502 and 504 by upstream."),
    Family("wxsync_upstream_seconds", "histogram", "From the first byte of a request to the head of the answer."),
    Family("wxsync_upstream_connections_total", "counter", "Upstream connections used, new or reused."),
    Family("wxsync_upstream_retries_total", "counter", "Tries beyond the first."),
    Family("wxsync_upstream_stale_total", "counter", "Pooled connections found closed."),
    Family("wxsync_upstream_in_flight", "gauge", "Requests under way."),
    Family("wxsync_upstream_pooled", "gauge", "Idle connections."),
    Family("wxsync_upstream_up", "gauge", "Web processes that send requests there as usual."),
)
SECONDS = "wxsync_http_request_seconds"


class Counting:
    """Counts accounts; called by the access log's thread, one at a time."""

    def __init__(self, metrics: Metrics, service: Callable[[], Service | None], upstreams: Iterable[Upstream]) -> None:
        self._metrics = metrics
        self._service = service
        self._upstreams = tuple(upstreams)
        self._seconds = Histogram(metrics, SECONDS, {})
        self._upstream_seconds = {
            each.name: Histogram(metrics, "wxsync_upstream_seconds", {"upstream": each.name})
            for each in self._upstreams
        }
        self._stale: dict[str, int] = {}

    def count(self, accounts: Sequence[Account]) -> None:
        """Count these requests, and set the gauges."""
        # Equal ones are counted first, since each change of a series costs far more than a look at an account.
        groups = Counter(
            (each.status, each.upstream, bool(each.reason), each.reused, each.tries) for each in accounts
        )
        for (status, upstream, is_own, reused, tries), number in groups.items():
            self._count_answers(status, number, by="wxsync" if is_own or not upstream else "upstream")
            if upstream:
                self._count_asked(upstream, status, number, reused=reused, retries=tries - 1, is_own=is_own)
        if accounts:
            self._seconds.observe([each.ended - each.began for each in accounts])
            self._metrics.add("wxsync_http_received_bytes_total", sum(each.bytes_in for each in accounts))
            self._metrics.add("wxsync_http_sent_bytes_total", sum(each.bytes_out for each in accounts))
        for name, histogram in self._upstream_seconds.items():
            waits = [each.upstream_s for each in accounts if each.upstream_s and each.upstream == name]
            if waits:
                histogram.observe(waits)
        self._gauges()

    def _count_answers(self, status: int, number: int, *, by: str) -> None:
        self._metrics.add(series_text("wxsync_http_requests_total", {"class": _class(status), "by": by}), number)
        if by == "wxsync" and status >= 400:
            self._metrics.add(series_text("wxsync_http_refused_total", {"status": str(status)}), number)

    def _count_asked(
        self, upstream: str, status: int, number: int, *, reused: bool, retries: int, is_own: bool
    ) -> None:
        add, use = self._metrics.add, "reused" if reused else "new"
        add(series_text("wxsync_upstream_requests_total", {"upstream": upstream, "class": _class(status)}), number)
        add(series_text("wxsync_upstream_connections_total", {"upstream": upstream, "use": use}), number)
        add(series_text("wxsync_upstream_retries_total", {"upstream": upstream}), number * retries)
        if is_own and status in (502, 504):
            labels = {"upstream": upstream, "status": str(status)}
            add(series_text("wxsync_upstream_failures_total", labels), number)

    def _gauges(self) -> None:
        put, service = self._metrics.put, self._service()
        if service is not None:
            total, idle, heads = service.lobby.counts()
            for state, value in (("idle", idle), ("head", heads), ("serving", max(0, total - idle - heads))):
                put(series_text("wxsync_http_connections", {"state": state}), value)
        for upstream in self._upstreams:
            labels = {"upstream": upstream.name}
            put(series_text("wxsync_upstream_in_flight", labels), upstream.in_flight)
            put(series_text("wxsync_upstream_pooled", labels), upstream.pooled)
            put(series_text("wxsync_upstream_up", labels), float(upstream.is_well))
            fresh = upstream.stale - self._stale.get(upstream.name, 0)
            self._stale[upstream.name] = upstream.stale
            self._metrics.add(series_text("wxsync_upstream_stale_total", labels), fresh)


def _class(status: int) -> str:
    return f"{status // 100}xx" if status else "none"

"""Is it alive, is it ready, how is it doing: `/healthz`, `/readyz`, `/metrics`. Details only for loopback or the token."""

import hmac
import json
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlmodel import func, select

from models import clock, db
from models.outbox import Push, PushState, next_due
from models.schema import is_current

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.settings import Settings

_FORWARDED = ("Forwarded", "X-Forwarded-For")


def health_routes(settings: "Settings") -> Blueprint:
    """The three addresses."""
    routes = Blueprint("health", __name__)
    token = settings.web.metrics_token.get_secret_value()

    def may_see_details() -> bool:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if token and hmac.compare_digest(given.encode(), token.encode()):
            return True
        return request.remote_addr == "127.0.0.1" and not any(name in request.headers for name in _FORWARDED)

    @routes.get("/healthz")
    def healthz() -> Response:
        """The process answers."""
        return Response("ok", content_type="text/plain")

    @routes.get("/readyz")
    def readyz() -> Response:
        """200 when the database answers at this version's schema."""
        try:
            ready = is_current(db.database())
        except Exception:  # noqa: BLE001 — whatever is wrong with the database, the answer is no
            ready = False
        body = _details(settings, ready=ready) if may_see_details() else {}
        return Response(json.dumps(body), 200 if ready else 503, content_type="application/json")

    @routes.get("/metrics")
    def metrics() -> Response:
        """Counters of this process, and the outbox as the database has it."""
        if not may_see_details():
            return Response(status=403)
        return Response(generate_latest(REGISTRY), content_type="text/plain; version=0.0.4; charset=utf-8")

    if not any(isinstance(each, _Outbox) for each in list(REGISTRY._collector_to_names)):  # noqa: SLF001 — no public look-up
        REGISTRY.register(_Outbox())
    return routes


def _details(settings: "Settings", *, ready: bool) -> dict[str, object]:
    return {"database": ready, "queue": _queue_answers(settings.queue.url)}


def _queue_answers(url: str) -> bool:
    import redis  # noqa: PLC0415 — only whoever asks pays for it

    if not url:
        return False
    try:
        with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


class _Outbox:
    """Gauges over the outbox, read when asked."""

    def describe(self) -> "list[GaugeMetricFamily]":
        """What `collect` yields, without asking the database."""
        return [GaugeMetricFamily("outbox_rows", "Pushes by state.", labels=["state"])]

    def collect(self) -> "Iterator[GaugeMetricFamily]":
        """Pushes by state, and how late the oldest due one is."""
        rows = GaugeMetricFamily("outbox_rows", "Pushes by state.", labels=["state"])
        late = GaugeMetricFamily("outbox_oldest_due_seconds", "How long the oldest due push has waited.")
        with db.unit_of_work(write=False) as session:
            states = session.exec(select(Push.state, func.count()).group_by(Push.state)).all()
            oldest = next_due(session)
        for state, count in states:
            rows.add_metric([PushState(state).value], count)
        late.add_metric([], max(0.0, (clock.now() - oldest).total_seconds()) if oldest else 0.0)
        yield rows
        yield late

"""Is it alive, is it ready, how is it doing: `/healthz`, `/readyz`, `/metrics`. Details only for loopback or the token."""

import hmac
import json
import logging
from itertools import accumulate
from types import MappingProxyType
from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask import Blueprint, Response, request
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily

from models import clock, db
from models.booking.walking import next_step
from models.db import Fixed
from models.outbox import LATE_NAMES, PushState, next_due
from models.pulse import last_beat
from models.schema import is_current
from workers.watch import WATCHED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client.core import Metric
    from sqlmodel import Session

    from bot.settings import Settings
    from bot.turn import Ring
    from workers.watch import Watch

log = logging.getLogger(__name__)

_FORWARDED = ("Forwarded", "X-Forwarded-For")


def health_routes(settings: "Settings", watch: "Watch", ring: "Ring") -> Blueprint:
    """The three addresses. Whoever asks for readiness makes this process look after the ticker and the auditor, too."""
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
        if ready:
            _look(watch, ring)
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


def _look(watch: "Watch", ring: "Ring") -> None:
    try:
        ring(watch.look())
    except Exception:
        log.exception("the watch could not look")


def _details(settings: "Settings", *, ready: bool) -> dict[str, object]:
    body: dict[str, object] = {"database": ready, "queue": _queue_answers(settings.queue.url)}
    if not ready:
        return body
    with db.unit_of_work(write=False) as session:
        ticker, auditor = _pulse(session, "ticker"), _pulse(session, "auditor")
        held = _count(session, PushState.HELD)
    body["ticker"] = {"age": ticker[0]}
    body["auditor"] = {"age": auditor[0], "found": auditor[1]}
    return body | {"held": held}


def _pulse(session: "Session", name: str) -> tuple[float | None, int]:
    """How many seconds ago it was heard, None when never, and what it found."""
    last = last_beat(session, name)
    return (None, 0) if last is None else (round((clock.machine() - last[0]).total_seconds(), 1), last[1])


def _queue_answers(url: str) -> bool:
    import redis  # noqa: PLC0415 — only whoever asks pays for it

    if not url:
        return False
    try:
        with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


# Each goes by an index that holds only rows in that state; how many rows have ended is not counted but summed in `push_tally`.
COUNTS: "Mapping[PushState, Fixed]" = MappingProxyType(
    {
        PushState.QUEUED: Fixed(
            lambda: sa.text(
                "SELECT (SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending'))"
                " - (SELECT count(*) FROM outbox WHERE state = 'sending')"
            )
        ),
        PushState.SENDING: Fixed(lambda: sa.text("SELECT count(*) FROM outbox WHERE state = 'sending'")),
        PushState.CARRIED: Fixed(lambda: sa.text("SELECT count(*) FROM outbox WHERE state = 'carried'")),
        PushState.HELD: Fixed(lambda: sa.text("SELECT count(*) FROM outbox WHERE state = 'held'")),
    }
)
SUMS = Fixed(lambda: sa.text("SELECT subject, outcome, channel, code, count FROM push_tally ORDER BY 1, 2, 3, 4"))


def _count(session: "Session", state: PushState) -> int:
    row = COUNTS[state].one(session)
    return 0 if row is None else int(row[0])


class _Outbox:
    """The outbox as the database has it, read when asked. Costs the same however many rows have ended."""

    def describe(self) -> "list[Metric]":
        """What `collect` yields, without asking the database."""
        return [GaugeMetricFamily("outbox_rows", "Pushes that have not ended, by state.", labels=["state"])]

    def collect(self) -> "Iterator[Metric]":
        """What is under way, what became of the rest, and whether anybody looks after it."""
        with db.unit_of_work(write=False) as session:
            live = {state: _count(session, state) for state in COUNTS}
            oldest, step = next_due(session), next_step(session)
            sums = [(*row[:4], row[4]) for row in SUMS.all(session)]
            pulses = {name: _pulse(session, name) for name in WATCHED}
        rows = GaugeMetricFamily("outbox_rows", "Pushes that have not ended, by state.", labels=["state"])
        for state, count in live.items():
            rows.add_metric([state.value], count)
        yield rows
        waited = (clock.now() - oldest).total_seconds() if oldest else 0.0
        yield GaugeMetricFamily(
            "outbox_oldest_due_seconds", "How long the oldest due push has waited.", max(0.0, waited)
        )
        late = (clock.now() - step).total_seconds() if step else 0.0
        yield GaugeMetricFamily(
            "appointment_oldest_step_seconds",
            "How long the oldest due step of an appointment has waited.",
            max(0.0, late),
        )
        yield from _ends(sums)
        yield from _lateness(sums)
        age = GaugeMetricFamily("pulse_age_seconds", "How long ago it was heard; -1: never.", labels=["name"])
        for name, (seconds, _) in pulses.items():
            age.add_metric([name], -1.0 if seconds is None else seconds)
        yield age
        yield GaugeMetricFamily("auditor_found", "What should have moved and did not.", pulses["auditor"][1])


_Sum = tuple[str, str, str, str, int]


def _ends(sums: "Sequence[_Sum]") -> "Iterator[Metric]":
    """Gauges, not counters: an end may turn out another when the platform tells more."""
    ends = GaugeMetricFamily("outbox_ended", "Pushes by how they ended.", labels=["state", "channel", "reason"])
    attempts = GaugeMetricFamily("push_attempts", "Requests by their outcome.", labels=["outcome", "channel", "code"])
    for subject, outcome, channel, code, count in sums:
        if subject == "row":
            ends.add_metric([outcome, channel, code], count)
        elif subject == "attempt":
            attempts.add_metric([outcome, channel, code], count)
    yield ends
    yield attempts


def _lateness(sums: "Sequence[_Sum]") -> "Iterator[Metric]":
    """By channel, summed up from the buckets that were counted as the pushes were accepted."""
    late = HistogramMetricFamily("push_lateness_seconds", "From due to accepted.", labels=["channel"])
    found: dict[str, dict[str, int]] = {}
    for subject, bucket, channel, _, count in sums:
        if subject == "late":
            found.setdefault(channel, {})[bucket] = count
    for channel, counts in found.items():
        buckets = list(zip(LATE_NAMES, accumulate(counts.get(name, 0) for name in LATE_NAMES), strict=True))
        late.add_metric([channel], buckets=[(name, float(count)) for name, count in buckets], sum_value=None)
    yield late

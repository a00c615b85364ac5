"""What the page may see of the bot's own database, read only: the outbox, and when something is due next."""

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.sandbox.life import Life, life_of, moment_of
from bot.sandbox.phones import spoken
from bot.sandbox.push_words import CHANNELS, KINDS, REASONS, STATES
from models.booking.mornings import morning_of
from models.policy import BookingPolicy, CheckinPolicy, Policy
from models.round import coming_moments
from models.unsent import step_after
from models.vacancy import next_morning

BUSY = 0.5
LIVE_FIRST = "outbox.state IN ('queued', 'sending', 'carried', 'held')"


class BotView:
    """Reads the bot's SQLite file; empty while there is none."""

    def __init__(self, database: Path, policy: CheckinPolicy) -> None:
        self._address = f"{database.absolute().as_uri()}?mode=ro"
        self._policy = policy

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        try:
            connection = sqlite3.connect(self._address, uri=True, timeout=BUSY)
        except sqlite3.Error:
            return []
        try:
            connection.row_factory = sqlite3.Row
            return connection.execute(query, values).fetchall()
        except sqlite3.Error:
            return []
        finally:
            connection.close()

    def outbox_rows(self, limit: int) -> list[dict[str, Any]]:
        """The newest rows: what still moves first, by due time, then what has ended, latest first."""
        found = self._rows(
            "SELECT outbox.*, person.name AS person FROM outbox LEFT JOIN person ON person.id = outbox.person_id"  # noqa: S608
            f" ORDER BY {LIVE_FIRST} DESC, CASE WHEN {LIVE_FIRST} THEN outbox.due_at END, outbox.id DESC LIMIT ?",
            limit,
        )
        return [
            {
                "id": row["id"],
                "number": row["number"],
                "person": row["person"] or "",
                "kind": KINDS.get(row["kind"], row["kind"]),
                "urgent": row["urgency"] == "urgent",
                "state": row["state"],
                "word": STATES.get(row["state"], row["state"]),
                "due": spoken(moment_of(row["due_at"])),
                "channel": CHANNELS.get(row["channel"] or "", ""),
                "attempts": row["attempts"],
                "reason": REASONS.get(row["reason"] or "", row["reason"] or ""),
                "seen": row["seen_at"] is not None,
            }
            for row in found
        ]

    def life(self, push_id: int, now: datetime) -> Life | None:
        """All that happened to one row, None when there is none."""
        rows = self._rows(
            "SELECT outbox.*, carrier.number AS carrier FROM outbox"
            " LEFT JOIN outbox AS carrier ON carrier.id = outbox.carrier_id WHERE outbox.id = ?",
            push_id,
        )
        attempts = self._rows("SELECT * FROM push_attempt WHERE push_id = ? ORDER BY id", push_id)
        return life_of(rows[0], attempts, now=now) if rows else None

    def outbox_counts(self) -> dict[str, int]:
        """How many rows stand in each state."""
        return {
            row["state"]: row["number"] for row in self._rows("SELECT state, count(*) AS number FROM outbox GROUP BY 1")
        }

    def next_due(self, now: datetime) -> datetime | None:
        """When the next thing happens by itself after `now`: something is told, asked, opened, or ends."""
        pushes = self._rows("SELECT next_at AS due FROM outbox WHERE state = 'queued'")
        calls = self._rows("SELECT ask_until AS due FROM alert WHERE ask_until IS NOT NULL")
        moments = [moment_of(row["due"]) for row in (*pushes, *calls)] + coming_moments(self._policy, now=now)
        talks = self._rows("SELECT touched_at, reminded FROM talk WHERE log IS NOT NULL AND unsent_for IS NOT NULL")
        lasts = Policy().talk_lasts
        moments += [step_after(moment_of(row["touched_at"]), lasts, reminded=bool(row["reminded"])) for row in talks]
        if (morning := next_morning(self._policy, now=now)) is not None:
            moments.append(morning)
        moments += self._of_bookings()
        return min((moment for moment in moments if moment > now), default=None)

    def _of_bookings(self) -> list[datetime]:
        """Reminders and what comes after, the mornings of days with appointments, and the ends of what waits for an answer."""
        due = self._rows(
            "SELECT next_at AS due FROM appointment WHERE next_at IS NOT NULL AND step <> 'close'"
            " UNION SELECT until FROM appointment WHERE state IN ('offered', 'pending')"
            " UNION SELECT until FROM proposal WHERE state = 'open'"
        )
        starts = self._rows("SELECT starts_at FROM appointment WHERE state = 'booked' AND counselor_id IS NOT NULL")
        mornings = [morning_of(BookingPolicy(), now=moment_of(row["starts_at"])) for row in starts]
        return [moment_of(row["due"]) for row in due] + mornings

    def is_busy(self, now: datetime) -> bool:
        """Whether something that is due has not been settled yet."""
        rows = self._rows("SELECT next_at FROM outbox WHERE state IN ('queued', 'sending')")
        return any(moment_of(row["next_at"]) <= now for row in rows)

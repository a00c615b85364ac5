"""What the page may see of the bot's own database, read only: the outbox, and when something is due next."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.sandbox.phones import spoken
from models.policy import CheckinPolicy
from models.round import coming_moments

BUSY = 0.5
STATES = {
    "queued": "等着发出",
    "sending": "正在发送",
    "accepted": "平台已收下",
    "delivered": "已送达",
    "suppressed": "不用发了",
    "uncertain": "不确定送到没有",
    "exhausted": "没能送到",
}
KINDS = {
    "class_opened": "班级小结开始",
    "class_reminder": "班级小结提醒",
    "dorm_opened": "宿舍反馈开始",
    "dorm_reminder": "宿舍反馈提醒",
    "checkin_came": "收到一份小结",
    "concern_came": "有一条等着看",
    "alert": "紧急通知",
    "alert_facts": "紧急情况补充",
}
CHANNELS = {"official_account": "公众号", "wecom": "企业微信"}


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
            "SELECT outbox.*, person.name AS person FROM outbox LEFT JOIN person ON person.id = outbox.person_id"
            " ORDER BY outbox.state IN ('queued', 'sending') DESC,"
            " CASE WHEN outbox.state IN ('queued', 'sending') THEN outbox.due_at END, outbox.id DESC LIMIT ?",
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
                "due": spoken(_moment(row["due_at"])),
                "channel": CHANNELS.get(row["channel"] or "", ""),
                "attempts": row["attempts"],
                "reason": row["reason"] or "",
            }
            for row in found
        ]

    def outbox_counts(self) -> dict[str, int]:
        """How many rows stand in each state."""
        return {
            row["state"]: row["number"] for row in self._rows("SELECT state, count(*) AS number FROM outbox GROUP BY 1")
        }

    def next_due(self, now: datetime) -> datetime | None:
        """When the next thing happens by itself after `now`: a push, an unanswered call for help, a round."""
        pushes = self._rows("SELECT due_at AS due FROM outbox WHERE state = 'queued'")
        calls = self._rows("SELECT ask_until AS due FROM alert WHERE ask_until IS NOT NULL")
        moments = [_moment(row["due"]) for row in (*pushes, *calls)] + coming_moments(self._policy, now=now)
        return min((moment for moment in moments if moment > now), default=None)

    def is_busy(self, now: datetime) -> bool:
        """Whether something that is due has not been settled yet."""
        rows = self._rows("SELECT due_at FROM outbox WHERE state IN ('queued', 'sending')")
        return any(_moment(row["due_at"]) <= now for row in rows)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

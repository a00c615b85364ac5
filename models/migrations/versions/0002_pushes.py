"""Version 0002: pushes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(26), "sqlite")
"""An aware moment; SQLite keeps it as fixed-width text."""


def upgrade() -> None:
    """Make it so."""
    op.create_table(
        "pulse",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_pulse")),
    )
    op.create_table(
        "push_receipt",
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("arrived", sa.Boolean(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("channel", "handle", name=op.f("pk_push_receipt")),
    )
    op.create_index(op.f("ix_push_receipt_at"), "push_receipt", ["at"], unique=False)

    op.create_table(
        "push_tally",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "outcome", "channel", "code", name=op.f("pk_push_tally")),
    )
    op.create_table(
        "mute",
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_mute_person_id")),
        sa.PrimaryKeyConstraint("person_id", "kind", name=op.f("pk_mute")),
    )
    op.create_table(
        "push_attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("push_id", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("way", sa.String(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("handle", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["push_id"], ["outbox.id"], name=op.f("fk_push_attempt_push_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_attempt")),
    )
    op.create_index(op.f("ix_push_attempt_push_id"), "push_attempt", ["push_id"], unique=False)
    op.create_index(
        "push_attempt_handle",
        "push_attempt",
        ["channel", "handle"],
        unique=False,
        sqlite_where=sa.text("handle IS NOT NULL"),
        postgresql_where=sa.text("handle IS NOT NULL"),
    )

    op.create_table(
        "rebind_wish",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("asked_until", MOMENT, nullable=False),
        sa.Column("decided_by", sa.Integer(), nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_rebind_wish_contact_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["person.id"], name=op.f("fk_rebind_wish_decided_by")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_rebind_wish_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rebind_wish")),
    )
    op.create_index(
        "rebind_wish_open",
        "rebind_wish",
        ["asked_until"],
        unique=False,
        sqlite_where=sa.text("state IN ('asked', 'passed_on')"),
        postgresql_where=sa.text("state IN ('asked', 'passed_on')"),
    )
    op.create_index(op.f("ix_rebind_wish_person_id"), "rebind_wish", ["person_id"], unique=False)
    op.create_index(
        "one_open_wish",
        "rebind_wish",
        ["contact_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('asked', 'passed_on')"),
        postgresql_where=sa.text("state IN ('asked', 'passed_on')"),
    )

    op.create_table(
        "subscription",
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("template_id", sa.String(), nullable=False),
        sa.Column("credits", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_subscription_contact_id")),
        sa.PrimaryKeyConstraint("contact_id", "template_id", name=op.f("pk_subscription")),
    )
    # Added one by one, not by rebuilding: the journal may be long.
    for column in (
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("chain", sa.LargeBinary(), nullable=True),
    ):
        op.add_column("audit", column)
    op.create_index(
        "audit_unsealed",
        "audit",
        ["id"],
        unique=False,
        sqlite_where=sa.text("seq IS NULL"),
        postgresql_where=sa.text("seq IS NULL"),
    )
    op.create_index("audit_chain", "audit", ["seq"], unique=True)

    _add_filled("contact", sa.Column("cards", sa.Boolean()), "false")

    for added in (
        sa.Column("held_for", sa.String(), nullable=True),
        sa.Column("carrier_id", sa.Integer(), nullable=True),
        sa.Column("counted", sa.Integer(), nullable=True),
        sa.Column("paced_at", MOMENT, nullable=True),
        sa.Column("way", sa.String(), nullable=True),
        sa.Column("seen_at", MOMENT, nullable=True),
    ):
        op.add_column("outbox", added)
    _add_filled("outbox", sa.Column("fact", sa.String()), "''")
    _add_filled("outbox", sa.Column("next_at", MOMENT), "due_at")
    op.drop_index("ix_outbox_person_id", "outbox")
    op.drop_index("outbox_due", "outbox")
    op.create_index(op.f("ix_outbox_fact"), "outbox", ["fact"], unique=False)
    op.create_index(
        "outbox_carried",
        "outbox",
        ["carrier_id"],
        unique=False,
        sqlite_where=sa.text("state = 'carried'"),
        postgresql_where=sa.text("state = 'carried'"),
    )
    op.create_index(
        "outbox_held",
        "outbox",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index(
        "outbox_next",
        "outbox",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'sending') AND urgency <> 'urgent'"),
        postgresql_where=sa.text("state IN ('queued', 'sending') AND urgency <> 'urgent'"),
    )
    op.create_index(
        "outbox_carrier",
        "outbox",
        ["carrier_id"],
        unique=False,
        sqlite_where=sa.text("carrier_id IS NOT NULL"),
        postgresql_where=sa.text("carrier_id IS NOT NULL"),
    )
    op.create_index(
        "outbox_lease",
        "outbox",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "outbox_expires",
        "outbox",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'sending')"),
        postgresql_where=sa.text("state IN ('queued', 'sending')"),
    )
    op.create_index(
        "outbox_exhausted",
        "outbox",
        ["settled_at"],
        unique=False,
        sqlite_where=sa.text("state = 'exhausted'"),
        postgresql_where=sa.text("state = 'exhausted'"),
    )
    op.create_index("outbox_paced", "outbox", ["person_id", "paced_at"], unique=False)
    op.create_index(
        "outbox_urgent",
        "outbox",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'sending') AND urgency = 'urgent'"),
        postgresql_where=sa.text("state IN ('queued', 'sending') AND urgency = 'urgent'"),
    )
    # The mark that an answer had been lost stood in the row; it is an attempt now.
    op.execute(
        "INSERT INTO push_attempt (push_id, fence, channel, way, began_at, outcome)"
        " SELECT id, fence, 'official_account', 'text', due_at, 'asked' FROM outbox"
        " WHERE outcome IN ('asked', 'asked again') AND state IN ('queued', 'sending')"
    )

    for name in ("missing_told", "list_told"):
        _add_filled("round", sa.Column(name, sa.Boolean()), "false")
    op.add_column("talk", sa.Column("unsent_for", sa.Integer(), nullable=True))
    _add_filled("talk", sa.Column("reminded", sa.Boolean()), "false")


def downgrade() -> None:
    """Back to 0001."""
    for name in ("outbox_exhausted", "outbox_expires", "outbox_lease", "outbox_carrier"):
        op.drop_index(name, "outbox")
    for name in ("outbox_urgent", "outbox_paced", "outbox_next", "outbox_held", "outbox_carried", "ix_outbox_fact"):
        op.drop_index(name, "outbox")
    op.create_index(
        "outbox_due",
        "outbox",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'sending')"),
        postgresql_where=sa.text("state IN ('queued', 'sending')"),
    )
    op.create_index("ix_outbox_person_id", "outbox", ["person_id"], unique=False)
    op.drop_index("audit_chain", "audit")
    op.drop_index("audit_unsealed", "audit")
    for table, columns in (
        ("talk", ("reminded", "unsent_for")),
        ("round", ("list_told", "missing_told")),
        ("outbox", ("seen_at", "way", "paced_at", "counted", "carrier_id", "held_for", "next_at", "fact")),
        ("contact", ("cards",)),
        ("audit", ("chain", "digest", "salt", "seq")),
    ):
        for column in columns:
            op.drop_column(table, column)
    for table in ("subscription", "rebind_wish", "push_attempt", "mute", "push_tally", "push_receipt", "pulse"):
        op.drop_table(table)


def _add_filled(table: str, column: sa.Column[object], value: str) -> None:
    """Add a column that must not be empty: `value` is SQL for the rows that are there."""
    op.add_column(table, column)
    op.execute(f"UPDATE {table} SET {column.name} = {value}")  # noqa: S608 — our own names
    with op.batch_alter_table(table) as batch:
        batch.alter_column(str(column.name), existing_type=column.type, nullable=False)

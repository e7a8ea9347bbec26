"""Processes that serve, and the sessions that they have."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Double, Text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "owners",
        Column("owner", Text, primary_key=True),
        Column("host", Text, nullable=False),
        Column("boot", Text, nullable=False),
        Column("pid", BigInteger, nullable=False),
        Column("lock", Text, nullable=False),
        Column("heartbeat", Double, nullable=False),
    )
    op.create_table(
        "sessions",
        Column("owner", Text, primary_key=True),
        Column("number", BigInteger, primary_key=True),
        Column("username", Text().with_variant(Text(collation="C"), "postgresql"), nullable=False, index=True),
        Column("ip", Text, nullable=False),
        Column("protocol", Text, nullable=False),
        Column("connection", Text, nullable=False),
        Column("since", Double, nullable=False),
    )

"""What users have transferred."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "transfer_usage",
        Column(
            "username",
            Text().with_variant(Text(collation="C"), "postgresql"),
            ForeignKey("users.username", ondelete="CASCADE"),
            primary_key=True,
        ),
        Column("upload", BigInteger, nullable=False),
        Column("download", BigInteger, nullable=False),
    )

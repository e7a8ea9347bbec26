"""The users."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, Integer, Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "users",
        Column("username", Text().with_variant(Text(collation="C"), "postgresql"), primary_key=True),
        Column("home_dir", Text, nullable=False),
        Column("status", Integer, nullable=False),
        Column("expiration_date", BigInteger, nullable=False),
        Column("password", Text, nullable=False),
        Column("public_keys", JSON, nullable=False),
        Column("uid", BigInteger, nullable=False),
        Column("gid", BigInteger, nullable=False),
        Column("permissions", JSON, nullable=False),
        Column("quota_size", BigInteger, nullable=False),
        Column("quota_files", BigInteger, nullable=False),
        Column("max_sessions", Integer, nullable=False),
        Column("email", Text, nullable=False),
        Column("description", Text, nullable=False),
        Column("additional_info", Text, nullable=False),
        Column("filters", JSON, nullable=False),
        Column("extra", JSON, nullable=False),
    )

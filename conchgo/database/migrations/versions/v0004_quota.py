"""The quota ledger."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    name = Text().with_variant(Text(collation="C"), "postgresql")
    op.create_table(
        "quota_usage",
        Column("domain", name, primary_key=True),
        Column("size", BigInteger, nullable=False),
        Column("files", BigInteger, nullable=False),
        Column("changes", BigInteger, nullable=False),
        Column("counted_at", Double),
        Column("scan", Text),
        Column("rescan", Boolean, nullable=False),
    )
    op.create_table(
        "quota_leases",
        Column("domain", name, primary_key=True),
        Column("owner", Text, primary_key=True, index=True),
        Column("size", BigInteger, nullable=False),
        Column("files", BigInteger, nullable=False),
        Column("state", Integer, nullable=False),
        Column("seen", BigInteger, nullable=False),
        Column("wanted_since", Double),
        Column("wanted_size", BigInteger, nullable=False),
        Column("wanted_files", BigInteger, nullable=False),
    )
    op.create_table(
        "quota_journals",
        Column("owner", Text, primary_key=True),
        Column("path", Text, nullable=False),
        Column("boot", Text, nullable=False),
        Column("checkpoint", BigInteger, nullable=False),
    )
    op.create_table(
        "quota_scan_log",
        Column("domain", name, nullable=False, index=True),
        Column("storage", Text, nullable=False),
        Column("inode", Text, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("files", BigInteger, nullable=False),
        Column("more_size", BigInteger, nullable=False),
        Column("more_files", BigInteger, nullable=False),
        Column("began", Double, nullable=False),
        Column("at", Double, nullable=False),
    )

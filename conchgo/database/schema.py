"""The tables as the code sees them. How they came to be is in `migrations/`, and a test holds both together."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Column, Integer, MetaData, Table, Text

metadata: Final = MetaData()

#: Names sort by their bytes, whatever the language of a PostgreSQL cluster.
_NAME: Final = Text().with_variant(Text(collation="C"), "postgresql")

users: Final = Table(
    "users",
    metadata,
    Column("username", _NAME, primary_key=True),
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

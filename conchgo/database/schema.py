"""The tables as the code sees them. How they came to be is in `migrations/`, and a test holds both together."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Column, Double, Integer, MetaData, Table, Text

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
    Column("upload_bandwidth", BigInteger, nullable=False),
    Column("download_bandwidth", BigInteger, nullable=False),
    Column("upload_data_transfer", BigInteger, nullable=False),
    Column("download_data_transfer", BigInteger, nullable=False),
    Column("total_data_transfer", BigInteger, nullable=False),
    Column("virtual_folders", JSON, nullable=False),
    Column("email", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("additional_info", Text, nullable=False),
    Column("filters", JSON, nullable=False),
    Column("extra", JSON, nullable=False),
)

#: Processes that serve; times are seconds on the database's clock.
owners: Final = Table(
    "owners",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("lock", Text, nullable=False),
    Column("heartbeat", Double, nullable=False),
)

#: What runs for whom; `number` is the owner's own, `since` seconds since the epoch.
sessions: Final = Table(
    "sessions",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("username", _NAME, nullable=False, index=True),
    Column("ip", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("connection", Text, nullable=False),
    Column("since", Double, nullable=False),
)

folders: Final = Table(
    "folders",
    metadata,
    Column("name", _NAME, primary_key=True),
    Column("mapped_path", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("extra", JSON, nullable=False),
)

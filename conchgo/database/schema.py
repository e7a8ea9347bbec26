"""The tables as the code sees them. How they came to be is in `migrations/`, and a test holds both together."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Double, ForeignKey, Integer, MetaData, Table, Text

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

#: What each domain uses, as far as it was told. `changes` counts who told of what; `scan` names the scan that goes on;
#: `rescan`: a crash left it uncertain.
quota_usage: Final = Table(
    "quota_usage",
    metadata,
    Column("domain", _NAME, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("changes", BigInteger, nullable=False),
    Column("counted_at", Double),
    Column("scan", Text),
    Column("rescan", Boolean, nullable=False),
)

#: What an owner may use before it tells; `state` is a `State` of `conchgo.quota.sql`, `seen` the `changes` of its
#: domain when it told last, `wanted_since` seconds since the epoch.
quota_leases: Final = Table(
    "quota_leases",
    metadata,
    Column("domain", _NAME, primary_key=True),
    Column("owner", Text, primary_key=True, index=True),
    Column("size", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("state", Integer, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("wanted_since", Double),
    Column("wanted_size", BigInteger, nullable=False),
    Column("wanted_files", BigInteger, nullable=False),
)

#: Where an owner writes what it is about to do, and up to where that is in `quota_usage`.
quota_journals: Final = Table(
    "quota_journals",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("checkpoint", BigInteger, nullable=False),
)

#: While a domain is scanned: the inodes that were changed, as they were after it (`files` 0: gone; no inode
#: and -1: a directory has moved), and by how much (`more_size`, `more_files`).
quota_scan_log: Final = Table(
    "quota_scan_log",
    metadata,
    Column("domain", _NAME, nullable=False, index=True),
    Column("storage", Text, nullable=False),
    Column("inode", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("more_size", BigInteger, nullable=False),
    Column("more_files", BigInteger, nullable=False),
    Column("began", Double, nullable=False),
    Column("at", Double, nullable=False),
)

#: Bytes that a user has transferred, or a worker may transfer for him before it asks again.
transfer_usage: Final = Table(
    "transfer_usage",
    metadata,
    Column("username", _NAME, ForeignKey("users.username", ondelete="CASCADE"), primary_key=True),
    Column("upload", BigInteger, nullable=False),
    Column("download", BigInteger, nullable=False),
)

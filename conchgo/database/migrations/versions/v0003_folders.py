"""Folders, users' folders and limits of transfers, which users kept among the fields that nobody knew."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, Text, column, select, table, update

revision = "0003"
down_revision = "0002"

_NUMBERS = (
    "upload_bandwidth",
    "download_bandwidth",
    "upload_data_transfer",
    "download_data_transfer",
    "total_data_transfer",
)


def upgrade() -> None:
    op.create_table(
        "folders",
        Column("name", Text().with_variant(Text(collation="C"), "postgresql"), primary_key=True),
        Column("mapped_path", Text, nullable=False),
        Column("description", Text, nullable=False),
        Column("extra", JSON, nullable=False),
    )
    for name in _NUMBERS:
        op.add_column("users", Column(name, BigInteger, nullable=False, server_default="0"))
    op.add_column("users", Column("virtual_folders", JSON, nullable=False, server_default="[]"))
    _move_what_users_have()


def _move_what_users_have() -> None:
    names = (*_NUMBERS, "virtual_folders")
    users = table(
        "users",
        column("username"),
        column("extra", JSON),
        column("virtual_folders", JSON),
        *(column(name, BigInteger) for name in _NUMBERS),
    )
    connection = op.get_bind()
    for row in connection.execute(select(users.c.username, users.c.extra)).all():
        given = {name: row.extra[name] for name in names if row.extra.get(name) is not None}
        extra = {name: value for name, value in row.extra.items() if name not in names}
        connection.execute(update(users).where(users.c.username == row.username).values(extra=extra, **given))

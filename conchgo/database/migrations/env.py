"""Run by Alembic: applies the versions on the connection and in the transaction that `migrate.upgrade` holds."""

from __future__ import annotations

from alembic import context

from conchgo.database.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()

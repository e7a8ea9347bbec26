"""Brings a database to the schema that this version of conchgo needs."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine

from conchgo.database.engine import writing
from conchgo.errors import Failure

#: Any number that no other program takes on the same PostgreSQL database.
_LOCK: Final = 0x636F6E6368


def upgrade(engine: Engine) -> None:
    """Apply what is missing, all or nothing. Of several processes that start at once, one works and the others wait.

    Raises:
        Failure: the database was made by a newer version of conchgo, or did not answer.
    """
    with as_file(files("conchgo.database.migrations")) as scripts, writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(scripts).replace("%", "%%"))
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Failure(
                f"the database cannot be upgraded: {error}; if a newer conchgo has used it, run that version"
            ) from error

"""The database and the accounts that the configuration names, for the service and for the command line."""

from __future__ import annotations

import os
from collections.abc import Callable

from sqlalchemy import Engine

from conchgo.accounts.sql import SQLAccountStore
from conchgo.accounts.store import AccountStore
from conchgo.database.engine import connect
from conchgo.database.migrate import upgrade
from conchgo.errors import Failure
from conchgo.service.errors import StartError
from conchgo.service.settings import Settings


def account_store(settings: Settings) -> tuple[AccountStore, Callable[[], None]]:
    """The accounts in the database, which is brought up to date, and what closes it. Blocks.

    Raises:
        StartError: the database cannot be reached or used.
    """
    engine = open_database(settings)
    return SQLAccountStore(engine), engine.dispose


def open_database(settings: Settings) -> Engine:
    """The database, brought up to date. Blocks.

    Raises:
        StartError: it cannot be reached or used.
    """
    make_directory("service.state_directory", settings.service.state_directory)
    try:
        engine = connect(settings.database.url)
        upgrade(engine)
    except Failure as error:
        raise StartError(error.text) from None
    return engine


def make_directory(key: str, path: str) -> None:
    """The directory that `key` names, and those above it.

    Raises:
        StartError: it cannot be made.
    """
    try:
        os.makedirs(path, mode=0o750, exist_ok=True)
    except OSError as error:
        raise StartError(f"{key}: {path} cannot be made: {error.strerror}") from None

"""What keeps quotas, for the service and for the command line."""

from __future__ import annotations

import os

from sqlalchemy import Engine

from conchgo.accounts.store import AccountStore
from conchgo.database.owners import Owner
from conchgo.quota.scans_sql import SQLScans
from conchgo.service.settings import Settings
from conchgo.sessions.counting import Counting
from conchgo.sessions.directories import Directories
from conchgo.sessions.looking import Looking


def owner(engine: Engine, settings: Settings) -> Owner:
    """This process, among those that work on the database. Raises Failure."""
    return Owner(engine, os.path.join(settings.service.state_directory, "owners"))


def looking(store: AccountStore, settings: Settings) -> Looking:
    return Looking(store, _directories(settings))


def counting(engine: Engine, this: Owner, store: AccountStore, settings: Settings) -> Counting:
    scans = SQLScans(engine, this, looking(store, settings))
    return Counting(scans, store, _directories(settings), os.path.join(settings.service.state_directory, "scans"))


def _directories(settings: Settings) -> Directories:
    return Directories(int(settings.users.umask, 8), settings.users.base_directory)

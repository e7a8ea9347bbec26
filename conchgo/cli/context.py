"""What every subcommand may ask for: the configuration, and the accounts that it names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Set
from functools import cached_property
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from conchgo.accounts.store import AccountStore
    from conchgo.quota.interface import Usage
    from conchgo.service.settings import Settings


class Refusal(click.ClickException):
    """What is wrong, in one line on standard error; exit status 1."""

    def show(self, file: object = None) -> None:
        click.echo(f"conchgo: {self.message}", err=True)


class Context:
    """Reads nothing before it is asked."""

    def __init__(self) -> None:
        self.given_path: str | None = None

    @property
    def path(self) -> str:
        """The configuration file."""
        from conchgo.service.settings import path_or_default

        return path_or_default(self.given_path)

    @cached_property
    def settings(self) -> Settings:
        """Raises Refusal: the configuration cannot be read or is wrong."""
        from conchgo.service.errors import ConfigurationError
        from conchgo.service.settings import load

        try:
            return load(self.path)
        except ConfigurationError as error:
            raise Refusal(str(error)) from None

    def database(self) -> Engine:
        """The database of the service; it is made or brought up to date if need be.

        Raises Refusal: it cannot be reached.
        """
        return self._engine

    @cached_property
    def _engine(self) -> Engine:
        from conchgo.service.accounts import open_database
        from conchgo.service.errors import StartError

        try:
            return open_database(self.settings)
        except StartError as error:
            raise Refusal(f"{self.path}: {error}") from None

    def account_store(self) -> AccountStore:
        """The accounts in it. Raises Refusal, as `database` does."""
        from conchgo.accounts.sql import SQLAccountStore

        return SQLAccountStore(self.database())

    def usages(self) -> Mapping[str, Usage]:
        """What users and folders use, where all of it was counted, by domain. Raises Refusal, as `database` does."""
        from conchgo.quota.charges import used_by_all
        from conchgo.quota.sql import all_usages

        return used_by_all(self.account_store().users(), all_usages(self.database()))

    def recount(self, domains: Set[str]) -> None:
        """Have the domains counted when they are used next. Raises Refusal, as `database` does."""
        from conchgo.quota.sql import recount

        if domains:
            recount(self.database(), domains)

    def default_home(self, username: str) -> str:
        """The home of a user who is added without one."""
        return os.path.join(self.settings.users.base_directory, username)


def config_option() -> click.Option:
    """`--config FILE`, which the group and its commands all take."""
    return click.Option(
        ["--config"],
        metavar="FILE",
        expose_value=False,
        callback=_remember,
        help="The configuration file (default: $CONCHGO_CONFIG, else /etc/conchgo/conchgo.toml).",
    )


def _remember(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Context).given_path = value

"""`conchgo user`: add, show, change and delete users."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Set
from typing import IO, Any, Final, Protocol

import click

from conchgo.accounts.enforcement import unenforced
from conchgo.accounts.model import User
from conchgo.accounts.mounting import validate_mounts
from conchgo.accounts.naming import shown
from conchgo.accounts.record import from_record, to_record
from conchgo.accounts.store import AccountStore
from conchgo.accounts.validation import validate
from conchgo.auth.passwords import ALGORITHMS, MAX_PASSWORD, hash_given, hash_password
from conchgo.cli.display import print_json
from conchgo.cli.records import read_record
from conchgo.cli.user_options import account_options, changed, given
from conchgo.cli.user_view import print_user, print_users, user_json
from conchgo.errors import InvalidArgument, NotFound
from conchgo.quota.interface import Usage
from conchgo.quota.recounting import changed_by_user


class Accounts(Protocol):
    """What the commands are given as click's context object."""

    def account_store(self) -> AccountStore: ...

    def default_home(self, username: str) -> str | None: ...

    def usages(self) -> Mapping[str, Usage]: ...

    def recount(self, domains: Set[str]) -> None: ...


_ALL: Final[dict[str, Any]] = {"permissions": {"/": ["*"]}}

_password_file = click.option(
    "--password-file", type=click.File("rb"), metavar="FILE", help="Its first line is the password; - for stdin."
)
_algorithm = click.option(
    "--algorithm", type=click.Choice(list(ALGORITHMS)), default="bcrypt", show_default=True, help="How to hash it."
)
_json = click.option("--json", "as_json", is_flag=True, help="JSON in SFTPGo's form, without the password hash.")


@click.group()
def user() -> None:
    """Add, show, change and delete users."""


@user.command()
@click.argument("username", required=False)
@_password_file
@_algorithm
@account_options
@click.pass_obj
def add(
    obj: Accounts,
    /,
    username: str | None,
    password_file: IO[bytes] | None,
    algorithm: str,
    record_file: IO[bytes] | None,
    **options: Any,
) -> None:
    """Add a user. Without a key, --password-file or --json it asks for a password."""
    if password_file and password_file is record_file:
        raise click.UsageError("--password-file and --json cannot both be standard input.")
    record = changed(_read(record_file) if record_file else _ALL, options)
    _set_username(record, username)
    new = from_record(record)
    home = new.home_dir or obj.default_home(new.username)
    if not home:
        raise click.UsageError("Missing option '--home-dir'.")
    new = dataclasses.replace(new, home_dir=home)
    validate(new)
    asks = not record_file and not new.public_keys
    chosen = hash_password(_password(password_file), algorithm) if password_file or asks else hash_given(new.password)
    store = obj.account_store()
    _validate_commands(new)
    _validate_mounts(new, store)
    store.add(dataclasses.replace(new, password=chosen))
    _done("added", new)


@user.command()
@click.argument("username")
@account_options
@click.pass_obj
def update(obj: Accounts, /, username: str, record_file: IO[bytes] | None, **options: Any) -> None:
    """Change what the options say. --json replaces the rest too, except a password that it does not give."""
    if not record_file and not given(options):
        raise click.UsageError("Nothing to change: give an option, or --json.")
    store = obj.account_store()
    old = _existing(store, username)
    record = changed(_read(record_file) if record_file else to_record(old), options)
    _set_username(record, username)
    new = from_record(record)
    validate(new)
    _validate_commands(new)
    _validate_mounts(new, store)
    password = hash_given(new.password) if record_file and new.password else old.password
    store.update(dataclasses.replace(new, password=password))
    obj.recount(changed_by_user(old, new))
    _done("updated", new)


@user.command()
@click.argument("username")
@_password_file
@_algorithm
@click.option("--remove", is_flag=True, help="Leave the user no password: it needs a key then.")
@click.pass_obj
def passwd(obj: Accounts, username: str, password_file: IO[bytes] | None, algorithm: str, remove: bool) -> None:
    """Set a user's password. Asks for it unless there is --password-file."""
    if remove and password_file:
        raise click.UsageError("--remove and --password-file exclude each other.")
    store = obj.account_store()
    old = _existing(store, username)
    password = "" if remove else hash_password(_password(password_file), algorithm)
    store.update(dataclasses.replace(old, password=password))
    _done("updated", old)


@user.command()
@click.argument("username")
@click.pass_obj
def delete(obj: Accounts, username: str) -> None:
    """Delete a user. Its files stay."""
    store = obj.account_store()
    old = _existing(store, username)
    store.delete(username)
    obj.recount(changed_by_user(old, None))
    click.echo(f"user {old.username} deleted; its files stay")


@user.command()
@click.argument("username")
@_json
@click.pass_obj
def show(obj: Accounts, username: str, as_json: bool) -> None:
    """Show one user: every field that is set, but no secret."""
    found = _existing(obj.account_store(), username)
    if as_json:
        print_json(user_json(found, obj.usages()))
    else:
        print_user(found, obj.usages())


@user.command("list")
@_json
@click.pass_obj
def list_users(obj: Accounts, as_json: bool) -> None:
    """List all users."""
    users = obj.account_store().users()
    if as_json:
        usages = obj.usages()
        print_json([user_json(found, usages) for found in users])
    else:
        print_users(users)


def _read(file: IO[bytes]) -> dict[str, Any]:
    """The record, checked: each field has the type that the options expect."""
    return to_record(from_record(read_record(file)))


def _validate_mounts(new: User, store: AccountStore) -> None:
    if new.virtual_folders:
        validate_mounts(new, {folder.name: folder for folder in store.folders()})


def _validate_commands(new: User) -> None:
    names = new.filters.enabled_commands
    if names:
        from conchgo.commands.table import refusal  # for most users it is not needed, and takes long

        reason = refusal(names)
        if reason:
            raise InvalidArgument(f"filters.enabled_commands: {reason}")


def _existing(store: AccountStore, username: str) -> User:
    found = store.user(username)
    if found is None:
        raise NotFound(f"there is no user {shown(username)}; `conchgo user list` shows all")
    return found


def _set_username(record: dict[str, Any], username: str | None) -> None:
    recorded = record.get("username") or username
    if recorded is None:
        raise click.UsageError("Missing argument 'USERNAME'.")
    if username is not None and recorded != username:
        raise InvalidArgument(f"username: the record has another one than {shown(username)}; remove it from the record")
    record["username"] = recorded


def _password(file: IO[bytes] | None) -> bytes:
    if file is not None:
        return file.readline(MAX_PASSWORD + 2).rstrip(b"\r\n")
    return os.fsencode(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _done(what: str, found: User) -> None:
    click.echo(f"user {found.username} {what}")
    fields = unenforced(found)
    if fields:
        click.echo(f"not enforced yet: {', '.join(map(shown, fields))}; the user cannot log in while set", err=True)

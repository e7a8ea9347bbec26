"""`conchgo folder`: add, show, change and delete folders that users share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, Any, TypeVar

import click

from conchgo.accounts.enforcement import unenforced_in_folder
from conchgo.accounts.folder_record import folder_from_record, folder_to_record
from conchgo.accounts.folder_validation import validate_folder
from conchgo.accounts.model import Folder
from conchgo.accounts.mounting import validate_directory, validate_mounts
from conchgo.accounts.naming import shown
from conchgo.accounts.store import AccountStore
from conchgo.cli.context import Context
from conchgo.cli.display import print_json
from conchgo.cli.folder_view import folder_json, print_folder, print_folders
from conchgo.cli.records import json_file, read_record
from conchgo.errors import InvalidArgument, NotFound
from conchgo.quota.recounting import changed_by_folder

F = TypeVar("F", bound=Callable[..., Any])

_json = click.option("--json", "as_json", is_flag=True, help="JSON in SFTPGo's form.")


def _folder_options(command: F) -> F:
    for option, metavar, help_text in (
        ("--description", "TEXT", "A note for administrators."),
        ("--mapped-path", "DIRECTORY", "Where the folder is: a directory of its own, not within another folder's."),
    ):
        command = click.option(option, metavar=metavar, help=help_text)(command)
    return json_file(command)


@click.group()
def folder() -> None:
    """Add, show, change and delete folders that users share."""


@folder.command()
@click.argument("name", required=False)
@_folder_options
@click.pass_obj
def add(obj: Context, /, name: str | None, record_file: IO[bytes] | None, **options: str | None) -> None:
    """Add a folder. `conchgo user update --virtual-folder` gives it to a user."""
    record = _changed(read_record(record_file) if record_file else {}, name, options)
    if not record.get("mapped_path"):
        raise click.UsageError("Missing option '--mapped-path'.")
    new = folder_from_record(record)
    store = obj.account_store()
    _validate(new, store)
    store.add_folder(new)
    _done("added", new)


@folder.command()
@click.argument("name")
@_folder_options
@click.pass_obj
def update(obj: Context, /, name: str, record_file: IO[bytes] | None, **options: str | None) -> None:
    """Change what the options say. --json replaces the rest too."""
    if not record_file and all(value is None for value in options.values()):
        raise click.UsageError("Nothing to change: give an option, or --json.")
    store = obj.account_store()
    old = _existing(store, name)
    new = folder_from_record(
        _changed(read_record(record_file) if record_file else folder_to_record(old), name, options)
    )
    _validate(new, store)
    store.update_folder(new)
    obj.recount(changed_by_folder(old, new))
    _done("updated", new)


@folder.command()
@click.argument("name")
@click.pass_obj
def delete(obj: Context, name: str) -> None:
    """Delete a folder that no user has. Its files stay."""
    store = obj.account_store()
    old = _existing(store, name)
    store.delete_folder(old.name)
    obj.recount(changed_by_folder(old, None))
    click.echo(f"folder {old.name} deleted; its files stay")


@folder.command()
@click.argument("name")
@_json
@click.pass_obj
def show(obj: Context, name: str, as_json: bool) -> None:
    """Show one folder, and who has it, but no secret."""
    store = obj.account_store()
    found, users = _existing(store, name), store.users()
    if as_json:
        print_json(folder_json(found, users, obj.usages()))
    else:
        print_folder(found, users, obj.usages())


@folder.command("list")
@_json
@click.pass_obj
def list_folders(obj: Context, as_json: bool) -> None:
    """List all folders."""
    store = obj.account_store()
    folders, users = store.folders(), store.users()
    if as_json:
        usages = obj.usages()
        print_json([folder_json(found, users, usages) for found in folders])
    else:
        print_folders(folders, users)


def _changed(record: Mapping[str, Any], name: str | None, options: Mapping[str, str | None]) -> dict[str, Any]:
    recorded = record.get("name") or name
    if recorded is None:
        raise click.UsageError("Missing argument 'NAME'.")
    if name is not None and recorded != name:
        raise InvalidArgument(f"name: the record has another one than {shown(name)}; remove it from the record")
    return {**record, **{field: value for field, value in options.items() if value is not None}, "name": recorded}


def _validate(new: Folder, store: AccountStore) -> None:
    """By itself, beside the other folders, and where users have it."""
    validate_folder(new)
    folders = {folder.name: folder for folder in store.folders()}
    validate_directory(new, folders.values())
    for user in store.users():
        if user.has_folder(new.name):
            try:
                validate_mounts(user, {**folders, new.name: new})
            except InvalidArgument as error:
                raise InvalidArgument(f"mapped_path: does not fit user {shown(user.username)}: {error.text}") from error


def _existing(store: AccountStore, name: str) -> Folder:
    found = store.folder(name)
    if found is None:
        raise NotFound(f"there is no folder {shown(name)}; `conchgo folder list` shows all")
    return found


def _done(what: str, found: Folder) -> None:
    click.echo(f"folder {found.name} {what}")
    fields = unenforced_in_folder(found)
    if fields:
        click.echo(f"not enforced yet: {', '.join(map(shown, fields))}; who has it cannot log in while set", err=True)

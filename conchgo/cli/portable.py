"""`conchgo portable`: one directory for one user, and nothing stored."""

from __future__ import annotations

import secrets
from typing import IO, Final

import click

from conchgo.cli import patterns, values
from conchgo.cli.argv import hide
from conchgo.cli.portable_account import account, given_password
from conchgo.cli.portable_server import Served, serve

#: Bytes of randomness in a generated password.
_PASSWORD_BYTES: Final = 12

_NUMBER: Final = click.IntRange(min=0)


@click.command()
@click.option(
    "--directory",
    "-d",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    default=".",
    help="The directory to serve (default: the current one).",
)
@click.option("--username", "-u", default="user", show_default=True, help="Who may log in.")
@click.option(
    "--password", "-p", help="The password. Other users of this machine may see it: better use --password-file."
)
@click.option("--password-file", type=click.File("rb"), help="A file whose first line is the password; - for stdin.")
@click.option(
    "--public-key",
    "-k",
    "public_keys",
    type=values.public_keys,
    multiple=True,
    metavar="FILE|KEY",
    help="A key that may log in: a .pub file or the key itself. May be repeated. Without a key and a password, a "
    "password is generated and shown.",
)
@click.option(
    "--sftpd-port",
    "-s",
    "port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    metavar="PORT",
    help="The port; 0: a free one.",
)
@click.option("--address", default="127.0.0.1", show_default=True, help="The IPv4 or IPv6 address to listen on.")
@click.option(
    "--permissions",
    "-g",
    type=values.verbs,
    metavar="LIST",
    default="list,download",
    show_default=True,
    help=f"What the user may do, {values.KNOWN_VERBS}.",
)
@click.option(
    "--directory-permissions",
    type=values.directory_rule,
    multiple=True,
    metavar="PATH=LIST",
    help="What the user may do below a directory instead, as /incoming=list,upload. May be repeated.",
)
@click.option(
    "--quota-size", type=_NUMBER, metavar="BYTES", default=0, help="Most bytes that may be there; 0: any number."
)
@click.option("--quota-files", type=_NUMBER, default=0, help="Most files that may be there; 0: any number.")
@click.option(
    "--max-upload-file-size", type=_NUMBER, metavar="BYTES", default=0, help="Most bytes of one file; 0: any number."
)
@click.option(
    "--allowed-patterns",
    type=patterns.rule,
    multiple=True,
    metavar="PATH::GLOBS",
    help="Names that may be used below a directory, and no others, as /images::*.jpg,*.png. May be repeated.",
)
@click.option(
    "--denied-patterns",
    type=patterns.rule,
    multiple=True,
    metavar="PATH::GLOBS",
    help="Names that may not be used below a directory; an allowed match wins. May be repeated.",
)
@click.option(
    "--virtual-folder",
    "virtual_folders",
    type=values.virtual_directory,
    multiple=True,
    metavar="/VIRTUAL=DIR",
    help="Another directory, and where the user sees it. It counts in the quota. May be repeated.",
)
@click.option(
    "--upload-mode",
    type=click.Choice(["direct", "atomic", "resume"]),
    default="direct",
    show_default=True,
    help="Write uploads straight into the file; or to a temporary that takes its place when it is whole, or (resume) "
    "when it breaks off.",
)
@click.option(
    "--ssh-commands",
    type=values.names,
    metavar="LIST",
    help="The SSH commands that the user may run, with commas between, or * for all. [default: those that change "
    "nothing by themselves, and scp]",
)
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False),
    help="Written when the server listens: a JSON object with address, port, host_keys and pid. It stays at the end.",
)
def portable(
    directory: str,
    username: str,
    password: str | None,
    password_file: IO[bytes] | None,
    public_keys: tuple[list[str], ...],
    port: int,
    address: str,
    permissions: list[str],
    directory_permissions: tuple[tuple[str, list[str]] | None, ...],
    quota_size: int,
    quota_files: int,
    max_upload_file_size: int,
    allowed_patterns: tuple[patterns.Rule, ...],
    denied_patterns: tuple[patterns.Rule, ...],
    virtual_folders: tuple[tuple[str, str] | None, ...],
    upload_mode: str,
    ssh_commands: list[str] | None,
    ready_file: str | None,
) -> None:
    """Serve one directory over SFTP to one user, until Ctrl-C. Nothing is stored."""
    if password is not None:
        hide(password)
    given = given_password(password, password_file)
    keys = [line for lines in public_keys for line in lines]
    generated = "" if given is not None or keys else secrets.token_urlsafe(_PASSWORD_BYTES)
    denied = patterns.replaced("denied_patterns", [], denied_patterns)
    user, folders = account(
        {
            "username": username,
            "home_dir": directory,
            "public_keys": keys,
            "permissions": {"/": permissions} | dict(filter(None, directory_permissions)),
            "quota_size": quota_size,
            "quota_files": quota_files,
            "filters": {
                "max_upload_file_size": max_upload_file_size,
                "file_patterns": patterns.replaced("allowed_patterns", denied, allowed_patterns),
            },
        },
        given if given is not None else generated.encode() or None,
        filter(None, virtual_folders),
    )
    serve(Served(user, folders, address, port, upload_mode, ssh_commands, ready_file, generated_password=generated))

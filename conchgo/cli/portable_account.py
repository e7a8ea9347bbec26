"""Who logs in to `conchgo portable`, and what he has: from the command line, kept nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from conchgo.cli.context import Refusal

if TYPE_CHECKING:
    from conchgo.accounts.model import Folder, User


def given_password(password: str | None, file: IO[bytes] | None) -> bytes | None:
    """Raises Refusal: it is given twice."""
    from conchgo.auth.passwords import MAX_PASSWORD

    if password is not None and file is not None:
        raise Refusal("--password and --password-file exclude each other")
    if file is not None:
        return file.readline(MAX_PASSWORD + 2).rstrip(b"\r\n")
    return None if password is None else os.fsencode(password)


def account(
    record: Mapping[str, Any], password: bytes | None, directories: Iterable[tuple[str, str]]
) -> tuple[User, Sequence[Folder]]:
    """The user of the record, with `directories` (virtual path and real one) as folders that count in its quota.

    Raises:
        InvalidArgument: a field makes no sense.
    """
    from conchgo.accounts.folder_record import INCLUDED
    from conchgo.accounts.folder_validation import validate_folder
    from conchgo.accounts.model import Folder
    from conchgo.accounts.mounting import validate_directory, validate_mounts
    from conchgo.accounts.record import from_record
    from conchgo.accounts.validation import validate
    from conchgo.auth.passwords import hash_password

    hashed = "" if password is None else hash_password(password, "argon2id")
    folders: list[Folder] = []
    mounts: list[dict[str, Any]] = []
    for number, (path, directory) in enumerate(directories, start=1):
        folder = Folder(f"directory-{number}", directory)
        validate_folder(folder)
        validate_directory(folder, folders)
        folders.append(folder)
        mounts.append({"name": folder.name, "virtual_path": path, "quota_size": INCLUDED, "quota_files": INCLUDED})
    user = from_record({**record, "password": hashed, "virtual_folders": mounts})
    validate(user)
    validate_mounts(user, {folder.name: folder for folder in folders})
    return user, folders

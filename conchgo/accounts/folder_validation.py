"""Whether a folder's record makes sense: asked before it is kept."""

from __future__ import annotations

import os

from conchgo.accounts.model import Folder, User
from conchgo.accounts.naming import MAX_NAME, is_name, shown
from conchgo.errors import InvalidArgument


def validate_folder(folder: Folder) -> None:
    """Raises InvalidArgument: the first field that makes no sense, why, and what would."""
    folder_name("name", folder.name)
    unicode_texts(folder, "mapped_path", "description")
    real_path("mapped_path", folder.mapped_path)


def folder_name(field: str, name: str) -> None:
    """Raises InvalidArgument: no folder can have this name."""
    if not is_name(name):
        raise InvalidArgument(
            f'{field}: "{shown(name)}" is no name of a folder; use letters, digits and -_.~@+, at most {MAX_NAME}'
        )


def unicode_texts(record: User | Folder, *names: str) -> None:
    """Raises InvalidArgument: one of these fields holds what not every database takes."""
    for name in names:
        value = getattr(record, name)
        if "\0" in value or not _is_unicode(value):
            raise InvalidArgument(f"{name}: holds a NUL or something that is not Unicode; remove it")


def real_path(field: str, path: str) -> None:
    """Raises InvalidArgument: this is no absolute path, or one with `..`."""
    if not path.startswith("/"):
        raise InvalidArgument(f'{field}: "{shown(path)}" is not absolute; write it from the root, as /srv/alice')
    if ".." in path.split("/"):
        raise InvalidArgument(f'{field}: "{shown(path)}" has ".." in it; write it as {os.path.normpath(path)}')


def _is_unicode(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

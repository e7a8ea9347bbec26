"""Virtual paths as they stand in records: one way to write each."""

from __future__ import annotations

from conchgo.accounts.naming import shown
from conchgo.errors import InvalidArgument, InvalidPath
from conchgo.paths import VirtualPath
from conchgo.reserved import PREFIX, is_below_reserved


def clean_path(field: str, text: str) -> VirtualPath:
    """The path that the value of a field means.

    Raises:
        InvalidArgument: it is no path, written in another way than absolute and clean, or one that no session reaches.
    """
    try:
        raw = text.encode("utf-8", "surrogateescape")
        path = VirtualPath.parse(raw)
    except (InvalidPath, UnicodeEncodeError) as error:
        raise InvalidArgument(f'{field}: "{shown(text)}" is no path: {error}') from error
    if bytes(path) != raw:
        raise InvalidArgument(f'{field}: "{shown(text)}": write it absolute and clean, as {path}')
    if is_below_reserved(path):
        raise InvalidArgument(
            f'{field}: "{shown(text)}": names that begin with "{PREFIX.decode()}" are the server\'s own, and nobody '
            "reaches them; choose another"
        )
    return path

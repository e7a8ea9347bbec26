"""All that lies below a directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from conchgo.errors import NotADirectory, NotFound
from conchgo.paths import ROOT, VirtualPath
from conchgo.storage.interface import Entry, Kind, Storage
from conchgo.storage.links import LinkEncountered


def walk(storage: Storage, top: VirtualPath = ROOT) -> Iterator[tuple[VirtualPath, Entry]]:
    """Every entry below `top` and the directory that holds it, in no order; no link is followed.

    What vanishes meanwhile is left out, and so is an entry of which nothing is known.

    Raises:
        PermissionDenied, Failure: a directory can't be read.
    """
    pending = [top]
    while pending:
        directory = pending.pop()
        try:
            listing = storage.scan(directory)
        except (NotFound, NotADirectory, LinkEncountered):
            continue
        with closing(listing):
            for entry in listing:
                if entry.stat is not None:
                    if entry.stat.kind is Kind.DIRECTORY:
                        pending.append(directory / entry.name)
                    yield directory, entry

"""Each operation takes of a quota just what the table says."""

from __future__ import annotations

from typing import Any

import pytest

from conchgo.errors import QuotaExceeded
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.storage.interface import Kind
from tests.permission_table import OPERATIONS, Operation, Took, prepare, snapshot
from tests.unit.vfs.helpers import View

HOME = "user:alice"

rows = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda row: row.name)


def counted(storage: Any, top: VirtualPath = ROOT) -> dict[tuple[int, int], int]:
    """The size of each file, by its identity."""
    found: dict[tuple[int, int], int] = {}
    for entry in storage.scan(top):
        stat = storage.lstat(top / entry.name)
        if stat.kind is Kind.FILE:
            found[stat.identity] = stat.size
        elif stat.kind is Kind.DIRECTORY:
            found |= counted(storage, top / entry.name)
    return found


def usage(storage: Any) -> Usage:
    sizes = counted(storage).values()
    return Usage(sum(sizes), len(sizes))


@pytest.mark.parametrize("full", [Took.A_FILE, Took.BYTES, Took.NOTHING])
@rows
def test_without_room_just_what_takes_some_is_refused(storage: Any, operation: Operation, full: Took) -> None:
    # There must be something that the limit can be.
    prepare(storage, {b"/ballast": b"12345", **operation.tree})
    before, size, files = snapshot(storage), *usage(storage)
    limits = Limits(size if full is Took.BYTES else None, files if full is Took.A_FILE else None)
    ledger = MemoryLedger()
    ledger.count(HOME, Usage(size, files))
    fs = View(storage, ledger=ledger, charge=Charge(HOME, ((HOME, limits),))).fs
    if full & operation.takes:
        with pytest.raises(QuotaExceeded):
            operation.run(fs)
        assert snapshot(storage) == before or not operation.whole
    else:
        operation.run(fs)
        assert (snapshot(storage) != before) == operation.writes
    assert ledger.usage(HOME) == usage(storage)

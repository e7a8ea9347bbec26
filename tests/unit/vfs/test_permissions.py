from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conchgo.accounts.permissions import INCLUDES
from conchgo.errors import PermissionDenied
from tests.permission_table import OPERATIONS, SINGLE_VERBS, Operation, prepare, snapshot
from tests.unit.vfs.helpers import View

rows = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda row: row.name)


@rows
def test_a_missing_verb_blocks_its_operations_and_no_other(
    make_storage: Callable[[], Any], operation: Operation
) -> None:
    for missing in sorted(SINGLE_VERBS):
        storage = make_storage()
        prepare(storage, operation.tree)
        before = snapshot(storage)
        view = View(storage, {"/": SINGLE_VERBS - {missing}})
        if missing in operation.verbs:
            with pytest.raises(PermissionDenied):
                operation.run(view.fs)
            assert any(event.status == "refused" for event in view.events), missing
            assert snapshot(storage) == before or not operation.whole, missing
        else:
            operation.run(view.fs)
            assert all(event.status == "ok" for event in view.events), missing
            assert (snapshot(storage) != before) == operation.writes, missing


@rows
def test_an_operation_needs_no_other_verbs_than_its_own(storage: Any, operation: Operation) -> None:
    prepare(storage, operation.tree)
    # "/" must have a verb, so one that does nothing stands in for none.
    operation.run(View(storage, {"/": operation.verbs or {"copy"}}).fs)


@rows
def test_an_empty_list_blocks_everything(storage: Any, operation: Operation) -> None:
    prepare(storage, operation.tree)
    before = snapshot(storage)
    # A glob gives every name at the root a rule of its own; the root has only what does nothing.
    filesystem = View(storage, {"/": ["copy"], "/*": []}).fs
    if operation.verbs:
        with pytest.raises(PermissionDenied):
            operation.run(filesystem)
    else:
        operation.run(filesystem)
    assert snapshot(storage) == before


WIDE = {narrow: wide for wide, included in INCLUDES.items() for narrow in included}


@pytest.mark.parametrize(
    "operation", [row for row in OPERATIONS if not WIDE.keys().isdisjoint(row.verbs)], ids=lambda row: row.name
)
def test_a_wide_verb_does_for_the_narrow_ones(storage: Any, operation: Operation) -> None:
    prepare(storage, operation.tree)
    operation.run(View(storage, {"/": {WIDE.get(verb, verb) for verb in operation.verbs}}).fs)

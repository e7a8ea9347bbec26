from __future__ import annotations

import dataclasses

import pytest

from conchgo.accounts.model import Folder, User, VirtualFolder
from conchgo.quota.recounting import changed_by_folder, changed_by_user

INCLUDED = VirtualFolder("docs", "/docs")
OWN = VirtualFolder("own", "/own", included=False)
ALICE = User("alice", "/srv/alice", virtual_folders=(INCLUDED, OWN))


@pytest.mark.parametrize(
    "changes",
    [
        {"home_dir": "/srv/other"},
        {"virtual_folders": (INCLUDED, VirtualFolder("own", "/", included=False))},
    ],
)
def test_what_counts_for_a_user_is_another_thing(changes: dict[str, object]) -> None:
    changed = dataclasses.replace(ALICE, **changes)
    assert changed_by_user(ALICE, changed) == {"user:alice"}
    assert changed_by_user(changed, ALICE) == {"user:alice"}
    assert changed_by_user(ALICE, None) == {"user:alice"}


@pytest.mark.parametrize(
    "changes",
    [
        {"status": 0, "quota_size": 5},
        {"virtual_folders": (OWN, VirtualFolder("docs", "/elsewhere"))},
        {"virtual_folders": (INCLUDED,)},
        {"virtual_folders": (OWN,)},
        {"virtual_folders": (INCLUDED, OWN, VirtualFolder("new", "/new"))},
        {"virtual_folders": (VirtualFolder("docs", "/docs", included=False), OWN)},
    ],
)
def test_what_counts_for_a_user_is_the_same(changes: dict[str, object]) -> None:
    assert changed_by_user(ALICE, dataclasses.replace(ALICE, **changes)) == set()


def test_a_folder_elsewhere_counts_anew() -> None:
    docs = Folder("docs", "/srv/docs")
    for new in (Folder("docs", "/srv/new"), None):
        assert changed_by_folder(docs, new) == {"folder:docs"}
    assert changed_by_folder(docs, Folder("docs", "/srv/docs", "new")) == set()

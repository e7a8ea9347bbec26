from __future__ import annotations

from conchgo.accounts.model import User, VirtualFolder
from conchgo.quota.charges import folder_charge, home_charge, used_by, used_by_all
from conchgo.quota.interface import Limits, Usage
from conchgo.quota.tracking import Track

DOCS, PICTURES = VirtualFolder("docs", "/docs"), VirtualFolder("pictures", "/p")
OWN = VirtualFolder("own", "/own", included=False, quota_size=7)
ADA = User("ada", "/srv/ada", quota_size=100, virtual_folders=(PICTURES, OWN, DOCS))
BOB = User("bob", "/srv/bob", virtual_folders=(DOCS,))
BESIDE = ("folder:docs", "folder:pictures")
USAGES = {"user:ada": Usage(1, 1), "folder:docs": Usage(20, 2), "folder:pictures": Usage(300, 3)}


def test_a_users_limits_are_for_his_home_and_what_is_included() -> None:
    limits = ("user:ada", Limits(100, None, BESIDE))
    assert home_charge(ADA).domains == (limits,)
    assert folder_charge(ADA, DOCS).domains == (("folder:docs", Limits()), limits)
    assert folder_charge(ADA, OWN).domains == (("folder:own", Limits(7)),)
    assert home_charge(BOB).domains == (("user:bob", Limits()),)


def test_folders_are_counted_whoever_changes_them() -> None:
    for user, others in ((ADA, {"user:ada"}), (BOB, set())):
        tracked = Track.LIMITED.charge(folder_charge(user, DOCS))
        assert tracked is not None
        assert {domain for domain, _ in tracked.domains} == {"folder:docs", *others}


def test_what_a_user_uses_is_known_when_all_of_it_was_counted() -> None:
    assert used_by(ADA, USAGES) == Usage(321, 6)
    assert used_by(BOB, USAGES) is None
    assert used_by(ADA, {"user:ada": Usage(1, 1)}) is None
    assert used_by_all([ADA, BOB], USAGES | {"user:gone": Usage(5, 5)}) == {
        "user:ada": Usage(321, 6),
        "folder:docs": Usage(20, 2),
        "folder:pictures": Usage(300, 3),
    }

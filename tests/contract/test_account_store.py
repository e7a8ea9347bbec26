"""What every AccountStore does."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from conchgo.accounts.memory import MemoryAccountStore
from conchgo.accounts.model import BandwidthLimit, FilePattern, Filters, Folder, User, VirtualFolder
from conchgo.accounts.sql import SQLAccountStore
from conchgo.accounts.store import AccountStore
from conchgo.database.engine import connect
from conchgo.database.migrate import upgrade
from conchgo.errors import AlreadyExists, InvalidArgument, NotFound

FULL = User(
    username="alice@example.org",
    home_dir="/srv/Älice",
    status=0,
    expiration_date=2**62,
    password="$2b$12$x",
    public_keys=("ssh-ed25519 AAAA me", "ssh-rsa BBBB"),
    uid=2**31 - 1,
    gid=7,
    permissions={"/": ("list", "download"), "/none": (), "/not\udcffutf8": ("*",), "/quote'\"": ("*",)},
    quota_size=2**62,
    quota_files=3,
    max_sessions=4,
    upload_bandwidth=5,
    download_bandwidth=6,
    upload_data_transfer=7,
    download_data_transfer=8,
    total_data_transfer=2**43 - 1,
    virtual_folders=(
        VirtualFolder("shared", "/shared", extra={"subpath": "\0"}),
        VirtualFolder("own", "/shared/own", included=False, quota_size=2**62),
    ),
    email="alice@example.org",
    description="two\nlines",
    additional_info='{"a": 1}',
    filters=Filters(
        start_directory="/a",
        allowed_ip=("10.0.0.0/8",),
        denied_ip=("::/0",),
        denied_login_methods=("password",),
        denied_protocols=("FTP",),
        file_patterns=(FilePattern("/", ("*.jpg",), ("*\0", "\udcff"), 1),),
        max_upload_file_size=2**62,
        bandwidth_limits=(BandwidthLimit(("10.0.0.0/8",), 1, 2),),
        enabled_commands=("pwd",),
        extra={"hooks": [{"text": "\0\udcff"}]},
    ),
    extra={"groups": [{"name": "x", "type": 1}], "role": None, "big": 2**70, "text": "\0\udcff"},
)
BOB = User("bob", "/srv/bob")
SHARED = Folder("shared", "/srv/Shäred", "two\nlines", {"filesystem": {"provider": 0}, "text": "\0\udcff"})
OWN = Folder("own", "/srv/own")


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> AccountStore:
    store = _empty_store(request, tmp_path)
    store.add_folder(SHARED)
    store.add_folder(OWN)
    return store


def _empty_store(request: pytest.FixtureRequest, tmp_path: Path) -> AccountStore:
    if request.param == "memory":
        return MemoryAccountStore()
    url = f"sqlite:///{tmp_path}/accounts.db"
    engine = connect(url if request.param == "sqlite" else request.getfixturevalue("postgresql_url"))
    upgrade(engine)
    return SQLAccountStore(engine)


@pytest.mark.parametrize("user", [FULL, BOB], ids=["full", "plain"])
def test_a_user_comes_back_as_it_went(store: AccountStore, user: User) -> None:
    store.add(user)
    assert store.user(user.username) == user
    assert list(store.users()) == [user]


def test_users_come_in_the_order_of_their_names_bytes(store: AccountStore) -> None:
    for name in ("b", "~a", "B", "a-b", "ab", "A", "_", "0", "a.b"):
        store.add(User(name, "/srv"))
    assert [user.username for user in store.users()] == ["0", "A", "B", "_", "a-b", "a.b", "ab", "b", "~a"]


def test_names_differ_by_case(store: AccountStore) -> None:
    store.add(BOB)
    store.add(dataclasses.replace(BOB, username="Bob"))
    assert store.user("BOB") is None


def test_a_second_user_of_that_name_is_refused_and_the_first_one_stays(store: AccountStore) -> None:
    store.add(BOB)
    with pytest.raises(AlreadyExists, match="user bob"):
        store.add(dataclasses.replace(BOB, home_dir="/elsewhere"))
    assert store.user("bob") == BOB


def test_an_update_replaces_the_whole_record(store: AccountStore) -> None:
    store.add(FULL)
    store.add(BOB)
    changed = User(FULL.username, "/elsewhere")
    store.update(changed)
    assert store.user(FULL.username) == changed
    assert store.user("bob") == BOB


def test_a_deleted_user_is_gone_and_the_others_stay(store: AccountStore) -> None:
    store.add(FULL)
    store.add(BOB)
    store.delete(FULL.username)
    assert list(store.users()) == [BOB]


@pytest.mark.parametrize("name", ["nobody", "a\nb"])
def test_whoever_is_not_there_cannot_be_changed(store: AccountStore, name: str) -> None:
    with pytest.raises(NotFound) as caught:
        store.update(User(name, "/srv"))
    assert caught.value.text.isprintable()
    with pytest.raises(NotFound) as caught:
        store.delete(name)
    assert caught.value.text.isprintable()


@pytest.mark.parametrize("name", ["", "bo", "bob ", "bob\0", "\0", "\udc80", "' OR 1=1 --", "b%", "b_b", "x" * 100_000])
def test_a_stranger_may_ask_for_any_name(store: AccountStore, name: str) -> None:
    store.add(BOB)
    assert store.user(name) is None


def test_a_folder_comes_back_as_it_went(store: AccountStore) -> None:
    assert store.folder("shared") == SHARED
    assert list(store.folders()) == [OWN, SHARED]


def test_a_second_folder_of_that_name_is_refused_and_the_first_one_stays(store: AccountStore) -> None:
    with pytest.raises(AlreadyExists, match="folder own"):
        store.add_folder(Folder("own", "/elsewhere"))
    assert store.folder("own") == OWN


def test_an_update_replaces_the_whole_folder(store: AccountStore) -> None:
    store.update_folder(Folder("shared", "/elsewhere"))
    assert list(store.folders()) == [OWN, Folder("shared", "/elsewhere")]


def test_a_deleted_folder_is_gone_and_the_others_stay(store: AccountStore) -> None:
    store.delete_folder("shared")
    assert store.folder("shared") is None
    assert list(store.folders()) == [OWN]


@pytest.mark.parametrize("name", ["nothing", "a\nb"])
def test_a_folder_that_is_not_there_cannot_be_changed(store: AccountStore, name: str) -> None:
    with pytest.raises(NotFound) as caught:
        store.update_folder(Folder(name, "/srv"))
    assert caught.value.text.isprintable()
    with pytest.raises(NotFound) as caught:
        store.delete_folder(name)
    assert caught.value.text.isprintable()


def test_a_folder_that_users_have_stays(store: AccountStore) -> None:
    store.add(FULL)
    store.add(dataclasses.replace(BOB, virtual_folders=(VirtualFolder("own", "/x"),)))
    with pytest.raises(InvalidArgument, match=r"folder own is in use by alice@example\.org, bob; take it from them"):
        store.delete_folder("own")
    assert store.folder("own") == OWN
    store.delete(FULL.username)
    store.update(BOB)
    store.delete_folder("own")


def test_nobody_has_a_folder_that_is_not_there(store: AccountStore) -> None:
    store.add(BOB)
    for call, name in ((store.add, "carol"), (store.update, "bob")):
        with pytest.raises(NotFound, match="folder nothing"):
            call(User(name, "/srv", virtual_folders=(VirtualFolder("nothing", "/x"),)))
    assert list(store.users()) == [BOB]


def test_of_two_who_give_and_delete_a_folder_at_once_one_wins(store: AccountStore) -> None:
    """A user whose folder is not there could not be saved; one who had it would be broken."""
    together = threading.Barrier(2)

    def attempt(call: Callable[[], None]) -> bool:
        together.wait()
        try:
            call()
        except (NotFound, InvalidArgument):
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        for number in range(20):
            user = User(f"u{number}", "/srv", virtual_folders=(VirtualFolder(f"f{number}", "/x"),))
            store.add_folder(Folder(f"f{number}", f"/srv/{number}"))
            added = pool.submit(attempt, partial(store.add, user))
            deleted = pool.submit(attempt, partial(store.delete_folder, f"f{number}"))
            assert added.result() is not deleted.result()


@pytest.mark.parametrize("name", ["", "ow", "own\0", "\udc80", "x" * 100_000])
def test_there_is_no_folder_of_any_other_name(store: AccountStore, name: str) -> None:
    assert store.folder(name) is None

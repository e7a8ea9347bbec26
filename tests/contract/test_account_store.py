"""What every AccountStore does."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from conchgo.accounts.memory import MemoryAccountStore
from conchgo.accounts.model import Filters, User
from conchgo.accounts.sql import SQLAccountStore
from conchgo.accounts.store import AccountStore
from conchgo.database.engine import connect
from conchgo.database.migrate import upgrade
from conchgo.errors import AlreadyExists, NotFound

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
    email="alice@example.org",
    description="two\nlines",
    additional_info='{"a": 1}',
    filters=Filters(
        start_directory="/a",
        allowed_ip=("10.0.0.0/8",),
        denied_ip=("::/0",),
        denied_login_methods=("password",),
        denied_protocols=("FTP",),
        extra={"file_patterns": [{"path": "/", "denied_patterns": ["*\0", "\udcff"]}]},
    ),
    extra={"groups": [{"name": "x", "type": 1}], "role": None, "big": 2**70, "text": "\0\udcff"},
)
BOB = User("bob", "/srv/bob")


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> AccountStore:
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

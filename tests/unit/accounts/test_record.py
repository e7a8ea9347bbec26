from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conchgo.accounts.model import BandwidthLimit, FilePattern, Filters, User, VirtualFolder
from conchgo.accounts.record import from_record, shown_record, to_record
from conchgo.errors import InvalidArgument

TEXT = st.text(max_size=8)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
NUMBER = st.integers(0, 2**63 - 1)
LIMIT = st.none() | st.integers(1, 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
COUNT = st.integers(0, 2**31)
EXTRA = st.dictionaries(st.sampled_from(["id", "groups", "role", "filesystem", "x"]), JSON, max_size=3)
PATTERNS = st.builds(
    FilePattern, path=TEXT, allowed_patterns=TEXTS, denied_patterns=TEXTS, deny_policy=st.integers(0, 1)
)
BANDWIDTHS = st.builds(BandwidthLimit, sources=TEXTS, upload_bandwidth=COUNT, download_bandwidth=COUNT)
FOLDER_EXTRA = st.dictionaries(st.sampled_from(["subpath", "x"]), JSON, max_size=2)
VIRTUAL_FOLDERS = st.builds(
    VirtualFolder, name=TEXT, virtual_path=TEXT, included=st.just(True), extra=FOLDER_EXTRA
) | st.builds(
    VirtualFolder,
    name=TEXT,
    virtual_path=TEXT,
    included=st.just(False),
    quota_size=LIMIT,
    quota_files=LIMIT,
    extra=FOLDER_EXTRA,
)
USERS = st.builds(
    User,
    username=TEXT,
    home_dir=TEXT,
    status=NUMBER,
    expiration_date=NUMBER,
    password=TEXT,
    public_keys=TEXTS,
    uid=NUMBER,
    gid=NUMBER,
    permissions=st.dictionaries(TEXT, TEXTS, max_size=3),
    quota_size=LIMIT,
    quota_files=LIMIT,
    max_sessions=NUMBER,
    upload_bandwidth=NUMBER,
    download_bandwidth=NUMBER,
    upload_data_transfer=NUMBER,
    download_data_transfer=NUMBER,
    total_data_transfer=NUMBER,
    virtual_folders=st.lists(VIRTUAL_FOLDERS, max_size=2).map(tuple),
    email=TEXT,
    description=TEXT,
    additional_info=TEXT,
    filters=st.builds(
        Filters,
        start_directory=TEXT,
        allowed_ip=TEXTS,
        denied_ip=TEXTS,
        denied_login_methods=TEXTS,
        denied_protocols=TEXTS,
        file_patterns=st.lists(PATTERNS, max_size=2).map(tuple),
        max_upload_file_size=NUMBER,
        bandwidth_limits=st.lists(BANDWIDTHS, max_size=2).map(tuple),
        enabled_commands=TEXTS,
        extra=EXTRA,
    ),
    extra=EXTRA,
)


@given(USERS)
def test_a_user_comes_back_from_json_as_it_was(user: User) -> None:
    assert from_record(json.loads(json.dumps(to_record(user)))) == user


@given(USERS)
def test_what_is_shown_holds_no_hash(user: User) -> None:
    record = shown_record(user)
    assert "password" not in record
    assert record["has_password"] is bool(user.password)


def test_what_sftpgo_writes_for_not_set_is_not_set() -> None:
    record = {
        "username": "alice",
        "home_dir": "/srv/alice",
        "status": 1,
        "permissions": {"/": ["*"], "/none": None},
        "expiration_date": 0,
        "public_keys": None,
        "quota_size": 0,
        "quota_files": None,
        "email": None,
        "filters": {"allowed_ip": None, "denied_ip": []},
        "has_password": False,
    }
    assert from_record(record) == User("alice", "/srv/alice", permissions={"/": ("*",), "/none": ()})
    assert from_record({**record, "filters": None}) == from_record(record)


def test_a_record_without_permissions_grants_none() -> None:
    assert from_record({"username": "alice"}).permissions == {}


def test_unknown_fields_keep_their_values() -> None:
    record = {"username": "a", "home_dir": "/a", "groups": [{"name": "x"}], "filters": {"hooks": [1], "new": 2}}
    user = from_record(record)
    assert user.extra == {"groups": [{"name": "x"}]}
    assert user.filters.extra == {"hooks": [1], "new": 2}
    assert to_record(user)["filters"]["new"] == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", 1),
        ("status", "1"),
        ("status", True),
        ("status", 1.0),
        ("expiration_date", "never"),
        ("public_keys", "ssh-ed25519 AAAA"),
        ("public_keys", [1]),
        ("quota_size", "1 GB"),
        ("permissions", ["*"]),
        ("permissions", {"/": "*"}),
        ("permissions", {"/": [None]}),
        ("filters", []),
        ("filters", {"allowed_ip": "10.0.0.0/8"}),
        ("filters", {"start_directory": 1}),
        ("upload_bandwidth", "1"),
        ("virtual_folders", {}),
        ("virtual_folders", [1]),
        ("virtual_folders", [{"name": 1}]),
        ("virtual_folders", [{"name": "x", "quota_size": "1"}]),
        ("filters", {"max_upload_file_size": 1.5}),
        ("filters", {"file_patterns": "*.jpg"}),
        ("filters", {"file_patterns": [{"path": "/", "denied_patterns": "*.jpg"}]}),
        ("filters", {"file_patterns": [{"path": "/", "denied_patterns": ["*.jpg"], "from_tomorrow": 1}]}),
        ("filters", {"bandwidth_limits": [{"sources": "10.0.0.0/8"}]}),
    ],
)
def test_a_wrong_type_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        from_record({"username": "a", field: value})
    assert caught.value.text.startswith(field)


def test_users_folders_in_sftpgos_form() -> None:
    """Beside what is the user's, SFTPGo repeats the folder's own record."""
    folder = {
        "id": 1,
        "name": "shared",
        "mapped_path": "/srv/shared",
        "used_quota_size": 5,
        "filesystem": {"provider": 1},
        "virtual_path": "/s",
    }
    user = from_record(
        {
            "virtual_folders": [
                {**folder, "quota_size": -1, "quota_files": -1},
                {**folder, "quota_size": 0, "quota_files": 7},
                {**folder, "quota_size": None},
                {**folder, "quota_size": -1, "quota_files": -1, "subpath": "/deep"},
            ]
        }
    )
    assert user.virtual_folders == (
        VirtualFolder("shared", "/s", included=True),
        VirtualFolder("shared", "/s", included=False, quota_files=7),
        VirtualFolder("shared", "/s", included=False),
        VirtualFolder("shared", "/s", included=True, extra={"subpath": "/deep"}),
    )


@pytest.mark.parametrize("limits", [{"quota_size": -1}, {"quota_size": -1, "quota_files": 5}, {"quota_files": -1}])
def test_a_folder_is_in_the_users_quota_or_not(limits: dict[str, int]) -> None:
    with pytest.raises(InvalidArgument, match=r"^virtual_folders: number 1: quota_size and quota_files must both"):
        from_record({"virtual_folders": [{"name": "x", "virtual_path": "/x", **limits}]})


def test_secrets_are_not_shown_and_what_was_shown_cannot_overwrite_them() -> None:
    secret = {"status": "Plain", "payload": "hunter2", "key": "hunter2"}
    user = from_record(
        {
            "username": "a",
            "password": "hunter2",
            "filters": {"totp_config": {"enabled": True, "secret": secret}, "recovery_codes": [{"secret": secret}]},
            "filesystem": {"provider": 1, "s3config": {"access_secret": secret}},
        }
    )
    assert "hunter2" in json.dumps(to_record(user))
    shown = shown_record(user)
    assert "hunter2" not in json.dumps(shown)
    with pytest.raises(InvalidArgument, match=r"secret: the secret was redacted"):
        from_record(shown)

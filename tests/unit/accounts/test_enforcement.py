from __future__ import annotations

from typing import Any

import pytest

from conchgo.accounts.enforcement import unenforced, unenforced_in_folder
from conchgo.accounts.folder_record import folder_from_record
from conchgo.accounts.record import from_record

#: What a dump of SFTPGo holds for a user without any special setting.
PLAIN: dict[str, Any] = {
    "id": 7,
    "status": 1,
    "username": "alice",
    "email": "alice@example.org",
    "expiration_date": 0,
    "password": "$2a$10$x",
    "public_keys": ["ssh-ed25519 AAAA"],
    "has_password": True,
    "home_dir": "/srv/alice",
    "uid": 1000,
    "gid": 1000,
    "max_sessions": 3,
    "quota_size": 0,
    "quota_files": 0,
    "permissions": {"/": ["list"]},
    "used_quota_size": 5,
    "used_quota_files": 1,
    "last_quota_update": 1700000000000,
    "upload_bandwidth": 0,
    "download_bandwidth": 0,
    "upload_data_transfer": 0,
    "download_data_transfer": 0,
    "total_data_transfer": 0,
    "used_upload_data_transfer": 4,
    "used_download_data_transfer": 4,
    "created_at": 1700000000000,
    "updated_at": 1700000000000,
    "last_login": 1700000000000,
    "first_download": 1700000000000,
    "first_upload": 1700000000000,
    "last_password_change": 1700000000000,
    "groups": [],
    "virtual_folders": None,
    "description": "x",
    "additional_info": "x",
    "role": "team",
    "filters": {
        "allowed_ip": ["10.0.0.0/8"],
        "denied_ip": ["10.0.0.1/32"],
        "denied_login_methods": ["password"],
        "denied_protocols": ["FTP"],
        "start_directory": "/x",
        "hooks": {"external_auth_disabled": False, "pre_login_disabled": False, "check_password_disabled": False},
        "totp_config": {"enabled": False, "config_name": "Default", "secret": {"status": "AES", "payload": "x"}},
        "recovery_codes": [{"secret": {"status": "AES", "payload": "x"}, "used": True}],
        "web_client": ["write-disabled"],
        "tls_username": "CommonName",
        "user_type": "OSUser",
        "disable_fs_checks": True,
        "max_upload_file_size": 0,
        "is_anonymous": False,
        "access_time": [],
    },
    "filesystem": {"provider": 0, "osconfig": {"read_buffer_size": 4}, "s3config": {"access_secret": {}}},
}


def test_a_plain_user_has_nothing_unenforced() -> None:
    assert unenforced(from_record(PLAIN)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("groups", [{"name": "x", "type": 1}]),
        ("deleted_at", 1),
        ("filesystem", {"provider": 1}),
        ("filesystem", {"provider": "0"}),
        ("filesystem", "s3"),
        ("a_field_of_tomorrow", "x"),
        ("a_field_of_tomorrow", {"deep": [0, {"deeper": True}]}),
    ],
)
def test_a_setting_that_is_not_enforced_is_named(name: str, value: Any) -> None:
    assert unenforced(from_record({**PLAIN, name: value})) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("access_time", [{"day_of_week": 0, "from": "00:00", "to": "00:00"}]),
        ("two_factor_protocols", ["SSH"]),
        ("totp_config", {"enabled": True, "protocols": ["SSH"]}),
        ("totp_config", "x"),
        ("require_password_change", True),
        ("password_expiration", 1),
        ("password_strength", 50),
        ("hooks", {"external_auth_disabled": True}),
        ("is_anonymous", True),
        ("a_filter_of_tomorrow", 1),
    ],
)
def test_a_filter_that_is_not_enforced_is_named(name: str, value: Any) -> None:
    record = {**PLAIN, "filters": {**PLAIN["filters"], name: value}}
    assert unenforced(from_record(record)) == [f"filters.{name}"]


@pytest.mark.parametrize("value", [None, 0, 0.0, False, "", [], {}, [0, ""], {"a": {"b": [None]}}])
def test_an_unknown_field_that_says_nothing_does_not_matter(value: Any) -> None:
    record = {**PLAIN, "tomorrow": value, "filters": {**PLAIN["filters"], "tomorrow": value}}
    assert unenforced(from_record(record)) == []


def test_harmless_names_are_harmless_only_at_their_own_place() -> None:
    record = {**PLAIN, "web_client": ["x"], "filters": {**PLAIN["filters"], "role": "x"}}
    assert unenforced(from_record(record)) == ["web_client", "filters.role"]


def test_a_part_of_a_folder_is_not_enforced() -> None:
    folder = {"name": "x", "virtual_path": "/x", "quota_size": -1, "quota_files": -1, "subpath": "/deep"}
    record = {**PLAIN, "virtual_folders": [folder]}
    assert unenforced(from_record(record)) == ["virtual_folders.subpath"]
    record = {**PLAIN, "virtual_folders": [{**folder, "subpath": ""}]}
    assert unenforced(from_record(record)) == []
    record = {**PLAIN, "virtual_folders": [{**folder, "subpath": "", "quota_size": 5, "quota_files": 0}]}
    assert unenforced(from_record(record)) == []


def test_a_folder_elsewhere_is_not_enforced() -> None:
    record = {
        "id": 1,
        "name": "shared",
        "mapped_path": "/srv/shared",
        "used_quota_size": 5,
        "last_quota_update": 1700000000000,
        "users": ["alice"],
        "filesystem": {"provider": 0, "s3config": {"access_secret": {"status": "Plain"}}},
    }
    assert unenforced_in_folder(folder_from_record(record)) == []
    assert unenforced_in_folder(folder_from_record({**record, "filesystem": {"provider": 1}})) == ["filesystem"]
    assert unenforced_in_folder(folder_from_record({**record, "tomorrow": 1})) == ["tomorrow"]

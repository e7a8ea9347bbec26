from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from conchgo.accounts.model import BandwidthLimit, FilePattern, Filters, User, VirtualFolder
from conchgo.accounts.validation import validate
from conchgo.errors import InvalidArgument
from tests import keys

ALICE = User("alice", "/srv/alice")


def alice(**changes: Any) -> User:
    filters = {name: changes.pop(name) for name in list(changes) if name in Filters.__slots__ and name != "extra"}
    return dataclasses.replace(ALICE, filters=Filters(**filters), **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": 0, "expiration_date": 1, "uid": 2**31 - 1, "gid": 1, "max_sessions": 1},
        {"quota_size": 2**63 - 1, "quota_files": 0},
        {"home_dir": "/srv/Älice/with space"},
        {"public_keys": (keys.ed25519_line(), keys.rsa_line(2048) + " me")},
        {"start_directory": "/a/b"},
        {"start_directory": "/"},
        {"allowed_ip": ("192.0.2.0/24", "192.0.2.7/24", "2001:db8::/32", "::1", "10.0.0.1")},
        {"denied_login_methods": ("password", "keyboard-interactive", "TLSCertificate")},
        {"denied_login_methods": ("publickey", "password-over-SSH", "keyboard-interactive", "publickey+password")},
        {"denied_protocols": ("FTP", "DAV", "HTTP")},
        {"upload_bandwidth": 2**31 - 1, "download_bandwidth": 1, "max_upload_file_size": 2**63 - 1},
        {"upload_data_transfer": 1, "download_data_transfer": 1, "total_data_transfer": 2**43 - 1},
        {"file_patterns": (FilePattern("/", ("*.jpg",)), FilePattern("/a", (), ("[a-z]*",), 1))},
        {"bandwidth_limits": (BandwidthLimit(("10.0.0.0/8", "::1"), 1, 0),)},
        {"virtual_folders": (VirtualFolder("a", "/a"), VirtualFolder("b", "/a/b", False, 1, None))},
        {"virtual_folders": (VirtualFolder("a", "/"),)},
        {"enabled_commands": ("sha256sum", "conchgo-copy", "a.b_c+d", "*")},
    ],
)
def test_what_makes_sense_passes(changes: dict[str, Any]) -> None:
    validate(alice(**changes))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": ".."}, "username"),
        ({"username": "a/b"}, "username"),
        ({"username": "a\n"}, "username"),
        ({"home_dir": ""}, "home_dir"),
        ({"home_dir": "srv/alice"}, "home_dir"),
        ({"home_dir": "/srv/../etc"}, "home_dir"),
        ({"home_dir": "/srv/\0"}, "home_dir"),
        ({"home_dir": "/srv/\udc80"}, "home_dir"),
        ({"email": "a\0"}, "email"),
        ({"description": "\ud800"}, "description"),
        ({"additional_info": "\ud800"}, "additional_info"),
        ({"password": "\ud800"}, "password"),
        ({"status": 2}, "status"),
        ({"status": -1}, "status"),
        ({"expiration_date": -1}, "expiration_date"),
        ({"expiration_date": 2**63}, "expiration_date"),
        ({"uid": -1}, "uid"),
        ({"uid": 2**31}, "uid"),
        ({"gid": 2**31}, "gid"),
        ({"max_sessions": -1}, "max_sessions"),
        ({"quota_size": -1}, "quota_size"),
        ({"quota_files": 2**63}, "quota_files"),
        ({"upload_bandwidth": -1}, "upload_bandwidth"),
        ({"download_bandwidth": 2**31}, "download_bandwidth"),
        ({"upload_data_transfer": -1}, "upload_data_transfer"),
        ({"download_data_transfer": 2**43}, "download_data_transfer"),
        ({"total_data_transfer": 2**43}, "total_data_transfer"),
        ({"max_upload_file_size": -1}, "filters.max_upload_file_size"),
        ({"file_patterns": (FilePattern("/", ("[",)),)}, "filters.file_patterns: number 1: allowed_patterns"),
        ({"file_patterns": (FilePattern("/a", ("x",)),) * 2}, "filters.file_patterns: number 2: there are other"),
        ({"bandwidth_limits": (BandwidthLimit(()),)}, "filters.bandwidth_limits: number 1: sources"),
        ({"bandwidth_limits": (BandwidthLimit(("x",)),)}, "filters.bandwidth_limits: number 1: sources"),
        ({"bandwidth_limits": (BandwidthLimit(("::1",), -1),)}, "filters.bandwidth_limits: number 1: upload_bandwidth"),
        ({"virtual_folders": (VirtualFolder("a/b", "/a"),)}, "virtual_folders: number 1: name"),
        ({"virtual_folders": (VirtualFolder("a", "a"),)}, "virtual_folders: number 1: virtual_path"),
        ({"virtual_folders": (VirtualFolder("a", "/a/"),)}, "virtual_folders: number 1: virtual_path"),
        ({"virtual_folders": (VirtualFolder("a", "/a"), VirtualFolder("a", "/b"))}, "virtual_folders: number 2: name"),
        (
            {"virtual_folders": (VirtualFolder("a", "/a"), VirtualFolder("b", "/a"))},
            "virtual_folders: number 2: virtual_path",
        ),
        ({"virtual_folders": (VirtualFolder("a", "/a", False, -1),)}, "virtual_folders: number 1: quota_size"),
        ({"virtual_folders": (VirtualFolder("a", "/a", False, 1, 2**63),)}, "virtual_folders: number 1: quota_files"),
        ({"virtual_folders": (VirtualFolder("a", "/.Conchgo-x"),)}, "virtual_folders: number 1: virtual_path"),
        ({"virtual_folders": (VirtualFolder("a", "/b/.conchgo-x/c"),)}, "virtual_folders: number 1: virtual_path"),
        ({"file_patterns": (FilePattern("/.conchgo-x", ("x",)),)}, "filters.file_patterns: number 1: path"),
        ({"permissions": {"/": ("*",), "/a/.conchgo-x": ("list",)}}, "permissions"),
        ({"start_directory": "/.conchgo-x"}, "filters.start_directory"),
        ({"permissions": {}}, "permissions"),
        ({"permissions": {"/": ("fly",)}}, "permissions"),
        ({"permissions": {"/": ("*",), "/\ud800": ()}}, "permissions"),
        ({"public_keys": (keys.ed25519_line(), "nonsense")}, "public_keys: number 2"),
        ({"public_keys": ("no-pty " + keys.ed25519_line(),)}, "public_keys: number 1: options"),
        ({"public_keys": (keys.rsa_line(1024),)}, "public_keys: number 1"),
        ({"start_directory": "a"}, "filters.start_directory"),
        ({"start_directory": "/a/"}, "filters.start_directory"),
        ({"start_directory": "/a/../b"}, "filters.start_directory"),
        ({"start_directory": "/\0"}, "filters.start_directory"),
        ({"start_directory": "/\ud800"}, "filters.start_directory"),
        ({"allowed_ip": ("nonsense",)}, "filters.allowed_ip"),
        ({"allowed_ip": ("10.0.0.0/33",)}, "filters.allowed_ip"),
        ({"denied_ip": ("10.0.0.0/8", "\ud800")}, "filters.denied_ip"),
        ({"denied_login_methods": ("telepathy",)}, "filters.denied_login_methods"),
        ({"denied_protocols": ("SFTP",)}, "filters.denied_protocols"),
        ({"enabled_commands": ("pwd", "")}, "filters.enabled_commands"),
        ({"enabled_commands": ("a b",)}, "filters.enabled_commands"),
        ({"enabled_commands": ("-a",)}, "filters.enabled_commands"),
        ({"enabled_commands": ("/bin/ls\n",)}, "filters.enabled_commands"),
        ({"denied_protocols": ("SSH", "FTP", "DAV", "HTTP")}, "filters.denied_protocols"),
        (
            {
                "denied_login_methods": (
                    "publickey",
                    "password-over-SSH",
                    "keyboard-interactive",
                    "publickey+password",
                    "publickey+keyboard-interactive",
                )
            },
            "filters.denied_login_methods",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate(alice(**changes))
    assert caught.value.text.startswith(field)
    assert caught.value.text.isprintable()

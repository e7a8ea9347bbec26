"""Users and folders as plain frozen values. Fields have SFTPGo's names and meanings, so that its dumps can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: What nobody set: every other field of a record that SFTPGo knows and conchgo does not enforce yet keeps its value.
Extra = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FilePattern:
    """Which names are allowed in the directory `path` and below, up to the next such rule.

    Patterns are globs of a name, whose case does not matter. What is denied is refused (`deny_policy` 0), or hidden
    too (1).
    """

    path: str
    allowed_patterns: tuple[str, ...] = ()
    denied_patterns: tuple[str, ...] = ()
    deny_policy: int = 0


@dataclass(frozen=True, slots=True)
class BandwidthLimit:
    """What a client from one of the networks `sources` gets in place of the user's bandwidth: KB/s, 0 no limit."""

    sources: tuple[str, ...]
    upload_bandwidth: int = 0
    download_bandwidth: int = 0


@dataclass(frozen=True, slots=True)
class VirtualFolder:
    """A folder that a user has at `virtual_path`.

    What is in it counts in the user's quota too where it is `included`; else it has limits of its own, in bytes and
    files (None: no limit). `extra` keeps what conchgo does not enforce yet.
    """

    name: str
    virtual_path: str
    included: bool = True
    quota_size: int | None = None
    quota_files: int | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory that users share. `extra` keeps every other field, by SFTPGo's names."""

    name: str
    mapped_path: str
    description: str = ""
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Filters:
    """Restrictions of one user. `extra` keeps what conchgo does not enforce yet, by SFTPGo's names.

    `max_upload_file_size` is in bytes, 0 for no limit; of `bandwidth_limits` the first one counts that names the
    client's network; `enabled_commands` are what the user may run by `ssh host COMMAND` in place of those
    that are configured for everybody (empty: these).
    """

    start_directory: str = ""
    allowed_ip: tuple[str, ...] = ()
    denied_ip: tuple[str, ...] = ()
    denied_login_methods: tuple[str, ...] = ()
    denied_protocols: tuple[str, ...] = ()
    file_patterns: tuple[FilePattern, ...] = ()
    max_upload_file_size: int = 0
    bandwidth_limits: tuple[BandwidthLimit, ...] = ()
    enabled_commands: tuple[str, ...] = ()
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class User:
    """One account.

    `status` is 1 for enabled and 0 for disabled, `expiration_date` milliseconds since the epoch (0: never), `uid` and
    `gid` the owner of what a root server makes (0: the server's own), `max_sessions` the most sessions at once (0: any
    number), `password` a hash ("" for none), `permissions` a map of directory to verbs. Quotas are bytes and files
    (None: no limit), bandwidths KB/s and data transfers MB of 1,048,576 bytes (0: no limit). `extra` keeps every other
    field, by SFTPGo's names.
    """

    username: str
    home_dir: str
    status: int = 1
    expiration_date: int = 0
    password: str = ""
    public_keys: tuple[str, ...] = ()
    uid: int = 0
    gid: int = 0
    permissions: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"/": ("*",)})
    quota_size: int | None = None
    quota_files: int | None = None
    max_sessions: int = 0
    upload_bandwidth: int = 0
    download_bandwidth: int = 0
    upload_data_transfer: int = 0
    download_data_transfer: int = 0
    total_data_transfer: int = 0
    virtual_folders: tuple[VirtualFolder, ...] = ()
    email: str = ""
    description: str = ""
    additional_info: str = ""
    filters: Filters = field(default_factory=Filters)
    extra: Extra = field(default_factory=dict)

    def has_folder(self, name: str) -> bool:
        return any(folder.name == name for folder in self.virtual_folders)

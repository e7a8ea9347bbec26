"""Users as plain frozen values. Fields have SFTPGo's names and meanings, so that its dumps can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: What nobody set: every other field of a record that SFTPGo knows and conchgo does not enforce yet keeps its value.
Extra = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filters:
    """Restrictions of one user. `extra` keeps what conchgo does not enforce yet, by SFTPGo's names."""

    start_directory: str = ""
    allowed_ip: tuple[str, ...] = ()
    denied_ip: tuple[str, ...] = ()
    denied_login_methods: tuple[str, ...] = ()
    denied_protocols: tuple[str, ...] = ()
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class User:
    """One account.

    `status` is 1 for enabled and 0 for disabled, `expiration_date` milliseconds since the epoch (0: never), `uid` and
    `gid` the owner of what a root server makes (0: the server's own), `max_sessions` the most sessions at once (0: any
    number), `password` a hash ("" for none), `permissions` a map of directory to verbs. `extra` keeps every other
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
    email: str = ""
    description: str = ""
    additional_info: str = ""
    filters: Filters = field(default_factory=Filters)
    extra: Extra = field(default_factory=dict)

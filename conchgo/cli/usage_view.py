"""What is used of a quota, as records show it: by SFTPGo's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from conchgo.quota.interface import Usage

_COUNTED: Final = frozenset({"used_quota_size", "used_quota_files", "last_quota_update"})


def with_usage(record: Mapping[str, Any], usage: Usage | None) -> dict[str, Any]:
    """The record with what is used, if anybody has counted; what another server had counted is left out."""
    shown = {name: value for name, value in record.items() if name not in _COUNTED}
    return shown if usage is None else {**shown, "used_quota_size": usage.size, "used_quota_files": usage.files}

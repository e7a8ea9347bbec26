"""Programs of other people that tests run."""

from __future__ import annotations

import glob
import os
import shutil

import pytest

#: Where Debian keeps server programs that are not on everybody's PATH; newest first.
_ELSEWHERE = ("/usr/sbin/{}", "/usr/local/sbin/{}", "/usr/lib/openssh/{}", "/usr/lib/postgresql/*/bin/{}")


def require_program(name: str) -> str:
    """The program's path. Without it the test is skipped by name, or fails where `CI` is set."""
    found = shutil.which(name)
    if found:
        return found
    for pattern in _ELSEWHERE:
        candidates = sorted(glob.glob(pattern.format(name)), reverse=True)
        if candidates:
            return candidates[0]
    if os.environ.get("CI"):
        pytest.fail(f"{name} is not installed, and in CI every program must be")
    pytest.skip(f"{name} is not installed")

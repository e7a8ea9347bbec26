"""Every errno has one meaning, and no message shows a real path."""

from __future__ import annotations

import errno
import os

import pytest

from conchgo.errors import Failure, NotFound
from conchgo.storage.oserrors import by_errno, domain_error, translated


@pytest.mark.parametrize("code", sorted(errno.errorcode))
def test_no_message_shows_a_path(code: int) -> None:
    found = domain_error(OSError(code, os.strerror(code), b"/secret/path"))

    assert type(found) is by_errno.get(code, Failure)
    assert "secret" not in found.text
    assert "secret" not in str(found)


def test_the_rest_says_what_the_system_says() -> None:
    assert domain_error(OSError(errno.EIO, "x")).text == os.strerror(errno.EIO)
    assert isinstance(domain_error(OSError()), Failure)


def test_a_block_raises_domain_errors_and_keeps_the_cause() -> None:
    with pytest.raises(NotFound) as caught, translated():
        os.lstat("/missing/file")

    assert isinstance(caught.value.__cause__, FileNotFoundError)

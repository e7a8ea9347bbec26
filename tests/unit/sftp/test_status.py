"""The table of errors: what a client is told, and what never."""

from __future__ import annotations

import re

import pytest
from twisted.logger import globalLogPublisher

from conchgo import errors
from conchgo.sftp import constants as c
from conchgo.sftp.status import status_of

KNOWN_IN_VERSION_3 = range(9)


def every_error() -> list[type[errors.ConchgoError]]:
    found = []
    pending = [errors.ConchgoError]
    while pending:
        kind = pending.pop()
        found.append(kind)
        pending += kind.__subclasses__()
    return [kind for kind in found if kind.__module__ == errors.__name__]


def made(kind: type[errors.ConchgoError]) -> errors.ConchgoError:
    error = kind.__new__(kind)
    errors.ConchgoError.__init__(error)
    return error


@pytest.mark.parametrize("kind", every_error())
def test_every_error_has_a_code_that_version_3_knows_and_its_own_text(kind: type[errors.ConchgoError]) -> None:
    code, text = status_of(made(kind))
    assert code in KNOWN_IN_VERSION_3
    assert code != c.FX_OK
    assert text == kind.default


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EOFError(), c.FX_EOF),
        (errors.NotFound(), c.FX_NO_SUCH_FILE),
        (errors.NotADirectory(), c.FX_NO_SUCH_FILE),
        (errors.PermissionDenied(), c.FX_PERMISSION_DENIED),
        (errors.Unsupported(), c.FX_OP_UNSUPPORTED),
        (errors.AlreadyExists(), c.FX_FAILURE),
        (errors.DirectoryNotEmpty(), c.FX_FAILURE),
        (errors.IsADirectory(), c.FX_FAILURE),
        (errors.NoSpace(), c.FX_FAILURE),
        (errors.ReadOnlyStorage(), c.FX_FAILURE),
        (errors.InvalidPath(), c.FX_FAILURE),
        (errors.BadHandle(), c.FX_FAILURE),
        (errors.Busy(), c.FX_FAILURE),
    ],
)
def test_codes(error: Exception, code: int) -> None:
    assert status_of(error)[0] == code


def test_an_unknown_error_is_told_by_a_reference_that_the_log_has_too() -> None:
    events: list[dict[str, object]] = []
    globalLogPublisher.addObserver(events.append)
    try:
        code, text = status_of(KeyError("/srv/real/path"))
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert code == c.FX_FAILURE
    found = re.fullmatch(r"failure \(reference ([0-9a-f]{8})\)", text)
    assert found
    (event,) = events
    assert event["reference"] == found[1]
    assert "/srv/real/path" in str(event["log_failure"])


def test_two_unknown_errors_have_two_references() -> None:
    assert status_of(KeyError())[1] != status_of(KeyError())[1]

"""The one table of SFTP: which error becomes which status."""

from __future__ import annotations

import secrets
from typing import Final

from twisted.logger import Logger
from twisted.python.failure import Failure

from conchgo import errors
from conchgo.sftp import constants as c

_log = Logger()

#: From the most special to the most general. Version 3 has no codes for "exists" or "not empty": they are FX_FAILURE,
#: as OpenSSH sends it (gvfs and others take any code above 8 for a protocol error).
CODES: Final[tuple[tuple[type[BaseException], int], ...]] = (
    (EOFError, c.FX_EOF),
    (errors.NotFound, c.FX_NO_SUCH_FILE),
    # OpenSSH says "no such file" here too: the name can't be there if its parent is no directory.
    (errors.NotADirectory, c.FX_NO_SUCH_FILE),
    (errors.PermissionDenied, c.FX_PERMISSION_DENIED),
    (errors.Unsupported, c.FX_OP_UNSUPPORTED),
    (errors.ConchgoError, c.FX_FAILURE),
)


def status_of(error: BaseException) -> tuple[int, str]:
    """Code and text for the client. An unknown error gets a reference under which its trace is in the log."""
    for kind, code in CODES:
        if isinstance(error, kind):
            return code, error.text if isinstance(error, errors.ConchgoError) else "end of file"
    reference = secrets.token_hex(4)
    _log.failure("SFTP request failed, reference {reference}", Failure(error), reference=reference)
    return c.FX_FAILURE, f"failure (reference {reference})"

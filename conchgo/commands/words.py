"""A command line as the words of a POSIX shell: quotes and backslashes mean what they mean there, nothing else does."""

from __future__ import annotations

import os
import shlex
from typing import Final

from conchgo.commands.command import UsageError

#: Bytes of a command line. To split a word takes time by the square of its length.
MAX_COMMAND: Final = 64 * 1024


def words(line: bytes) -> list[str]:
    """The words of a line. Bytes that are not UTF-8 are kept (os.fsdecode), `#` is a character like any other.

    Raises:
        UsageError: a quotation has no end, or the line is longer than MAX_COMMAND.
    """
    if len(line) > MAX_COMMAND:
        raise UsageError(f"the command line is longer than {MAX_COMMAND} bytes: use several")
    try:
        return shlex.split(os.fsdecode(line))
    except ValueError as error:
        raise UsageError(f"cannot read the command line: {str(error).lower()}") from None

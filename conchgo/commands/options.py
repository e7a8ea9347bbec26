"""Options of a command line, as GNU knows them: clustered letters, long names, `--` before what is no option."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import takewhile
from typing import Final, NoReturn

from conchgo.commands.command import UsageError

#: Characters of all options together: argparse takes time by the square of their number.
_MOST: Final = 1000


class Options(argparse.ArgumentParser):
    """An argparse parser that neither prints nor exits, and takes no abbreviations.

    `read` raises UsageError where the words make no sense.
    """

    def __init__(self) -> None:
        super().__init__(prog="", add_help=False, allow_abbrev=False)

    def flag(self, *names: str) -> None:
        """An option without a value, false where it is not given."""
        self.add_argument(*names, action="store_true")

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        before = takewhile(lambda word: word != "--", arguments)
        if sum(len(word) for word in before if word.startswith("-")) > _MOST:
            raise UsageError("too many options")
        return self.parse_args(arguments)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

"""Options of a command line, as GNU knows them: clustered letters, long names, `--` before what is no option."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import takewhile
from typing import Final, NoReturn

from conchgo.commands.command import UsageError

#: Characters of all options together: argparse takes time by the square of their number.
_MOST: Final = 1000


def _is_option(word: str) -> bool:
    """`-` alone is standard input."""
    return word.startswith("-") and word != "-"


class Options(argparse.ArgumentParser):
    """An argparse parser that neither prints nor exits, and takes no abbreviations."""

    def __init__(self) -> None:
        super().__init__(prog="", add_help=False, allow_abbrev=False)
        self.add_argument("operands", nargs="*")

    def flag(self, *names: str) -> None:
        """An option without a value, false where it is not given."""
        self.add_argument(*names, action="store_true")

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Options, wherever they stand, and in `operands` all other words.

        Raises:
            UsageError: the words make no sense.
        """
        before = list(takewhile(lambda word: word != "--", arguments))
        options = [word for word in before if _is_option(word)]
        if sum(map(len, options)) > _MOST:
            raise UsageError("too many options")
        found = self.parse_args(options)
        found.operands = [word for word in before if not _is_option(word)] + list(arguments[len(before) + 1 :])
        return found

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

"""The command lines of git's clients: a program, and one path. What is not understood is not passed on."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final

from conchgo.commands.command import UsageError
from conchgo.paths import escaped

#: Bytes of a word that are repeated in messages.
_SHOWN: Final = 64
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")


def repository_path(arguments: Sequence[str]) -> str:
    """The one path that `git-upload-pack PATH` and its like are given (git's connect.c quotes it for a shell).

    Options of these programs are for other transports (`--stateless-rpc`, `--timeout`): no client sends one by ssh.

    Raises:
        UsageError: there is anything else than one path, or one that git would read in a way of its own.
    """
    options = [word for word in arguments if word.startswith("-")]
    if options:
        raise UsageError(f"{_shown(options[0])}: no option is taken, and no path that begins with - (write ./-...)")
    if len(arguments) != 1 or not arguments[0]:
        raise UsageError("one path is wanted")
    (path,) = arguments
    if path.startswith("~"):
        raise UsageError(f"{_shown(path)}: ~ means nothing here; write the path without it")
    if _CONTROLS.search(path):
        raise UsageError("a path with a control character is not taken")
    return path


def _shown(word: str) -> str:
    return escaped(os.fsencode(word)[:_SHOWN])

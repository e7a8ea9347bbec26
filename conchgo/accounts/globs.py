"""Globs of names: `*`, `?`, `[a-z]`, `[^a-z]` (or `[!a-z]`) and a backslash before what shall stand for itself."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from typing import Final

#: What programs understand differently is none: a backslash, a hyphen without a range, POSIX classes in brackets.
_IN_BRACKETS: Final = r"[^]\\-]"
_TOKEN: Final = rf"\\. | \[[!^]?+(?:{_IN_BRACKETS}(?:-{_IN_BRACKETS})?)+] | [^][\\]"
_FLAGS: Final = re.VERBOSE | re.DOTALL
_TOKENS: Final = re.compile(_TOKEN, _FLAGS)
_GLOB: Final = re.compile(rf"(?:{_TOKEN})+", _FLAGS)

_WILD: Final = frozenset("*?[")


def is_glob(text: str) -> bool:
    """Whether this is a glob that one name can match: brackets are closed, and there is no slash."""
    return _GLOB.fullmatch(text) is not None and "/" not in text


def tokens(glob: str) -> list[str]:
    """The parts of a glob, each of which matches one character (or, `*`, any number of them)."""
    return _TOKENS.findall(glob)


def matcher(globs: Iterable[str]) -> Callable[[bytes], bool]:
    """Whether a name matches one of the globs (which must be such), whatever the case of either."""
    translated = [fnmatch.translate(_TOKENS.sub(_for_fnmatch, glob)) for glob in globs]
    if not translated:
        return lambda name: False
    match = re.compile("|".join(translated), re.IGNORECASE).match
    return lambda name: match(name.decode("utf-8", "surrogateescape")) is not None


def _for_fnmatch(token: re.Match[str]) -> str:
    """fnmatch knows no backslash, and `!` only."""
    text = token[0]
    if text.startswith("\\"):
        return f"[{text[1]}]" if text[1] in _WILD else text[1]
    return f"[!{text[2:]}" if text.startswith("[^") else text

"""What a client's rsync asks of the one at this end: nothing of its words is passed on that is not in a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from conchgo.commands.command import UsageError

#: Letters of clusters, as `server_options` in rsync's options.c writes them. Not `K`, `L`, `k`: those follow links past
#: all that file patterns say. Not `N`: no Linux sets the time of creation.
_LETTERS: Final = frozenset("svqbunldmOJyWHogDtUpEAXrcCIRxSz")
#: After these letters, the rest of a cluster is what the client is capable of (compat.c).
_CLUSTER: Final = re.compile(r"-(?P<letters>[A-Za-df-z]*)(?P<capabilities>e\.[A-Za-z]*)?", re.ASCII)
#: `-B` (block size) and `-@` (modify window) come alone, with a number.
_NUMBERED: Final = re.compile(r"-(?P<letter>[B@])(?P<number>-?\d{1,10})", re.ASCII)

_FLAGS: Final = frozenset(
    {
        *("list-only", "no-r", "no-specials", "specials", "msgs2stderr", "no-msgs2stderr", "new-compress"),
        *("old-compress", "delete", "delete-before", "delete-during", "delete-delay", "delete-after"),
        *("delete-excluded", "force", "ignore-errors", "size-only", "stats", "progress"),
        *("delay-updates", "partial", "safe-links", "munge-links", "numeric-ids", "use-qsort"),
        *("ignore-existing", "existing", "fsync", "append", "inplace", "no-W", "from0", "no-relative"),
        *("no-implied-dirs", "remove-source-files", "remove-sent-files", "open-noatime", "mkpath", "dry-run"),
    }
)

_NUMBER: Final = r"-?\d{1,12}"
_SIZE: Final = r"\d{1,18}(\.\d{1,6})?([bB]|[kKmMgGtTpP](iB|[bB])?)?([+-]1)?"
_WORDS: Final = r"[A-Za-z0-9,./\[\]-]*"
#: A daemon takes away backslashes, but not in every version.
_PATH: Final = r"[^\x00-\x1f\x7f\\]+"

#: Options with a value, and what that may be. A name is split from its value by `=`, or comes as a word of its own.
_VALUES: Final[Mapping[str, str]] = {
    "compress-level": _NUMBER,
    "log-format": r"%i|%i%I|%o|X",
    "out-format": r"%i|%i%I|%o|X",
    "timeout": _NUMBER,
    "bwlimit": _NUMBER,
    "max-delete": _NUMBER,
    "modify-window": _NUMBER,
    "checksum-seed": _NUMBER,
    "block-size": _NUMBER,
    "min-size": _SIZE,
    "max-size": _SIZE,
    "suffix": r"[^\x00-\x1f\x7f\\/]*",
    "checksum-choice": _WORDS,
    "compress-choice": _WORDS,
    "skip-compress": _WORDS,
    "info": _WORDS,
    # Nothing but the client's own list: any other is a file at this end, which the errors would quote.
    "files-from": "-",
    "backup-dir": _PATH,
    "partial-dir": _PATH,
    "link-dest": _PATH,
    "copy-dest": _PATH,
    "compare-dest": _PATH,
}
_READ_VALUES: Final = {name: re.compile(value, re.ASCII) for name, value in _VALUES.items()}

#: What other values are refused for: it would be no answer to show a pattern.
_NO_VALUE: Final = {"files-from": "a list of files is taken from the client only"}

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

#: Sources, or options.
_MOST_WORDS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """What a client wants: `sender` that this end sends, `letters` and `options` how, `paths` which or where to.

    `capabilities` are the client's (`e.` and letters, or empty). With `secluded` the rest of the words, among them the
    paths, comes in the first bytes of input.
    """

    sender: bool
    letters: str
    capabilities: str
    options: tuple[tuple[str, str | None], ...]
    paths: tuple[str, ...]
    secluded: bool

    def has(self, *names: str) -> bool:
        """Whether one of these is among the letters or options."""
        given = {name for name, _ in self.options}.union(self.letters)
        return not given.isdisjoint(names)

    def values(self, *names: str) -> list[tuple[str, str]]:
        """The options of these names, with their values."""
        return [(name, value) for name, value in self.options if name in names and value is not None]


def parse(words: Sequence[str]) -> Request:
    """What follows the name `rsync` in a command line.

    Raises:
        UsageError: it is no call of a server's end, or asks for something that is not allowed.
    """
    if len(words) > _MOST_WORDS:
        raise UsageError(f"more than {_MOST_WORDS} words: use a list of files")
    if list(words[:1]) != ["--server"]:
        raise UsageError("this end of rsync is started by another rsync, with --server")
    rest = iter(words[1:])
    letters, capabilities = "", ""
    options: list[tuple[str, str | None]] = []
    for word in rest:
        if word == ".":
            break
        if word.startswith("--"):
            options.append(_long(word[2:], rest))
        elif numbered := _NUMBERED.fullmatch(word):
            options.append((_NUMBERED_NAMES[numbered["letter"]], numbered["number"]))
        else:
            cluster = _cluster(word)
            letters += cluster["letters"]
            capabilities = cluster["capabilities"] or capabilities
    sender = ("sender", None) in options
    paths = tuple(rest)
    secluded = "s" in letters and not paths
    _check_paths(paths, sender=sender, secluded=secluded)
    options = [option for option in options if option != ("sender", None)]
    return Request(sender, letters.replace("s", ""), capabilities, tuple(options), paths, secluded)


def secluded_words(words: Sequence[str], more: Sequence[str]) -> list[str]:
    """The words of a line whose paths were kept off it, with those that came in the input instead.

    Raises:
        UsageError: what came is not what rsync sends.
    """
    if list(more[:1]) != ["rsync"] or "." not in more:
        raise UsageError("the secluded arguments make no sense")
    return [*words, *more[1:]]


_NUMBERED_NAMES: Final = {"B": "block-size", "@": "modify-window"}


def _cluster(word: str) -> re.Match[str]:
    cluster = _CLUSTER.fullmatch(word)
    if cluster is None or word == "-":
        raise UsageError(f"rsync: {word} is not understood")
    for letter in cluster["letters"]:
        if letter not in _LETTERS:
            raise UsageError(f"rsync's option -{letter} is not allowed on this server")
    return cluster


def _long(word: str, rest: Iterator[str]) -> tuple[str, str | None]:
    name, equals, value = word.partition("=")
    if not equals and (name in _FLAGS or name == "sender"):
        return name, None
    pattern = _READ_VALUES.get(name)
    if pattern is None:
        raise UsageError(f"rsync's option --{name} is not allowed on this server")
    if not equals:
        value = next(rest, "")
    if not pattern.fullmatch(value):
        raise UsageError(f"rsync: --{name}: {_NO_VALUE.get(name, 'its value is not allowed')}")
    return name, value


def _check_paths(paths: Sequence[str], *, sender: bool, secluded: bool) -> None:
    if secluded:
        return
    if not paths:
        raise UsageError("rsync: there is no path")
    if not sender and len(paths) > 1:
        raise UsageError("rsync: there is more than one place to write to")
    for path in paths:
        if path.startswith("-") or _CONTROL.search(path):
            raise UsageError("rsync: a path begins with a hyphen, or there is a control character in it")

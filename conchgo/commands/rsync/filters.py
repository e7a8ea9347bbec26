"""File patterns, and permissions that no mount expresses, as the filter rules of an rsync daemon.

Rules are asked in order, the first that matches decides (`check_filter` in rsync's exclude.c). They know bytes, and
case: `*.exe` becomes `*.[eE][xX][eE]`. What they can't say just so is refused.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from conchgo.accounts.globs import matcher, tokens
from conchgo.accounts.model import FilePattern
from conchgo.accounts.naming import shown
from conchgo.accounts.patterns import HIDE_POLICY, FilePatterns, Verdict
from conchgo.errors import Unsupported
from conchgo.paths import VirtualPath
from conchgo.reserved import PREFIX

#: Rules of one glob: letters that have more than two forms multiply them.
_MOST_FORMS: Final = 256
#: Beyond it no character has another case.
_CASED: Final = 0x20000
_SURROGATES: Final = range(0xD800, 0xE000)
#: What letters of ASCII equal besides themselves, where case does not matter (Python's `re`): I, i, long s, kelvin.
_LIKE_ASCII: Final = "\u0130\u0131\u017f\u212a"
_ANY: Final = "*"
#: Of all rules, and bytes of one: a longer line rsync leaves out.
_MOST_RULES: Final = 10_000
_LONGEST_RULE: Final = 4000
_SPECIAL: Final = re.compile(rb"[*?\[\]\\]")
#: A component of a permission's key, as fnmatch reads it.
_KEY_TOKEN: Final = re.compile(rb"\*+|\?|\[[!^]?\]?[^\]]*\]|.", re.DOTALL)

#: Where the program finds a path: bytes that begin with a slash, or none for the root of all.
_At = Callable[[VirtualPath], bytes]


def filter_rules(
    base: VirtualPath, patterns: FilePatterns, masked: Iterable[VirtualPath], at: _At, *, writes: bool
) -> bytes:
    """The lines of an `exclude from` file: what a session may use of the tree at `base`, and nothing beside it.

    `masked` are keys of permissions: what matches one is not there. `at` says where rsync finds a path.

    Raises:
        Unsupported: something can't be said in rsync's rules.
    """
    top = _path(at(base))
    rules = [*_names(b"- ", top, _any_case(PREFIX) + b"*", below=True)]
    for key in masked:
        rules += _key(top, key.parts[len(base.parts) :])
    # The deepest first: what a directory says of the names in it ends all that those above it say.
    for path in sorted(_inside(patterns, base), key=lambda path: len(path.parts), reverse=True):
        rules += _of(patterns.patterns[path], _path(at(path)), chooses=True, writes=writes)
    above = _above(patterns, base)
    if above is not None:
        rules += _of(above, top, chooses=False, writes=writes)
    rules += _fence(at(base))
    if len(rules) > _MOST_RULES or max(map(len, rules)) > _LONGEST_RULE:
        raise Unsupported("the file patterns of this user are too many, or too long, for rsync; use sftp")
    return b"".join(rule + b"\n" for rule in rules)


def concern(patterns: FilePatterns, base: VirtualPath) -> bool:
    """Whether any pattern says something of names below `base`."""
    return bool(_inside(patterns, base)) or _above(patterns, base) is not None


def vary(patterns: FilePatterns, base: VirtualPath) -> bool:
    """Whether patterns say more of what is below `base` than each name by itself: then the way to it matters."""
    if any(path != base for path in _inside(patterns, base)):
        return True
    own = patterns.patterns.get(base)
    pattern = own or _above(patterns, base)
    return pattern is not None and (pattern.deny_policy == HIDE_POLICY or (pattern is own and _chooses(pattern)))


def _inside(patterns: FilePatterns, base: VirtualPath) -> list[VirtualPath]:
    """Directories with patterns of their own that are not hidden."""
    return [path for path in patterns.patterns if path.is_within(base) and not patterns.hides(path)]


def _above(patterns: FilePatterns, base: VirtualPath) -> FilePattern | None:
    """What is said further up of the names in `base`; nothing where that says something itself."""
    own = next((path for path in base.ancestors() if path in patterns.patterns), None)
    if own is None or own == base:
        return None
    pattern = patterns.patterns[own]
    child = VirtualPath(base.parts[: len(own.parts) + 1])
    return None if _chooses(pattern) and patterns.verdict(child) is Verdict.ALLOW else pattern


def _chooses(pattern: FilePattern) -> bool:
    """See `FilePatterns`: what is allowed in the directory itself is free of the pattern further down."""
    return bool(pattern.allowed_patterns) and pattern.denied_patterns[:1] == (_ANY,)


def _of(pattern: FilePattern, directory: bytes, *, chooses: bool, writes: bool) -> Iterator[bytes]:
    """What one pattern says of all names below its directory."""
    allowed = [form for glob in pattern.allowed_patterns for form in _forms(glob)]
    denied = [form for glob in pattern.denied_patterns for form in _forms(glob)]
    hides = pattern.deny_policy == HIDE_POLICY
    if chooses and _chooses(pattern):
        yield from (b"+ %s/%s/**" % (directory, form) for form in allowed)
    for form in allowed:
        yield from _names(b"+ ", directory, form, below=False)
    if not writes and not hides:
        # What lies in a directory of a denied name may be read.
        yield b"+ %s/**/" % directory
    for form in denied:
        yield from _names(b"- ", directory, form, below=writes or hides)
    yield (b"- " if allowed else b"+ ") + directory + b"/**"


def _names(sign: bytes, directory: bytes, form: bytes, *, below: bool) -> Iterator[bytes]:
    """A name in a directory or anywhere below it; with `below` also all that is in what has the name."""
    for way in (b"/", b"/**/"):
        yield sign + directory + way + form
        if below:
            yield sign + directory + way + form + b"/**"


def _fence(base: bytes) -> Iterator[bytes]:
    """The base, what leads there, and nothing else."""
    parts = base.split(b"/")
    for depth in range(2, len(parts) + 1):
        yield b"+ " + _path(b"/".join(parts[:depth]))
    yield b"+ " + _path(base) + b"/**"
    yield b"- /**"


@lru_cache(maxsize=1024)
def _forms(glob: str) -> tuple[bytes, ...]:
    """The same for bytes, where case matters: one of these matches."""
    choices = [_choices(glob, part) for part in tokens(glob)]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > _MOST_FORMS:
        raise _unsupported(glob, "its letters have too many forms")
    joined = (b"".join(parts) for parts in itertools.product(*choices))
    return tuple(dict.fromkeys(re.sub(rb"(?<!\\)\*+", b"*", form) for form in joined))


def _choices(glob: str, part: str) -> tuple[bytes, ...]:
    if part == _ANY:
        return (b"*",)
    if part == "?" or part[:2] in ("[^", "[!"):
        # One character of a name is one to four bytes, or one that is no UTF-8.
        raise _unsupported(glob, "rsync knows bytes, not characters, so ? and [^...] would mean something else")
    if any(ord(char) in _SURROGATES for char in part):
        raise _unsupported(glob, "there is a byte in it that is no character")
    found = _characters(part)
    if any(char in "\r\n" for char in found):
        raise _unsupported(glob, "there is a newline in it")
    ascii_ones = b"".join(b"\\" + char.encode() for char in found if char < "\x80")
    others = tuple(char.encode() for char in found if char >= "\x80")
    return (b"[" + ascii_ones + b"]", *others) if ascii_ones else others


@lru_cache(maxsize=1024)
def _characters(part: str) -> tuple[str, ...]:
    """All characters that a part of a glob matches."""
    if part.isascii():
        candidates = [*map(chr, range(1, 0x80)), *_LIKE_ASCII]
    else:
        candidates = [chr(code) for code in range(1, _CASED) if code not in _SURROGATES]
        candidates += [char for char in part if ord(char) >= _CASED]
    matches = matcher([part])
    return tuple(char for char in candidates if matches(char.encode()))


def _unsupported(glob: str, why: str) -> Unsupported:
    return Unsupported(f'rsync cannot be held to the file pattern "{shown(glob)}": {why}; use sftp')


def _any_case(name: bytes) -> bytes:
    return b"".join(b"[\\%c\\%c]" % (byte, byte ^ 32 if bytes([byte]).isalpha() else byte) for byte in name)


def _key(base: bytes, parts: Sequence[bytes]) -> Iterator[bytes]:
    """What matches a permission's key, whose wildcards stand for bytes within one component; and what is in it."""
    for matching in {b"/".join(map(_literal, parts)), b"/".join(map(_wild, parts))}:
        path = base + b"/" + matching
        yield from (b"- " + path, b"- " + path + b"/**")


def _path(path: bytes) -> bytes:
    """Of a path that begins with a slash (or is empty), each component as it stands."""
    return b"/".join(map(_literal, path.split(b"/")))


def _literal(name: bytes) -> bytes:
    """A name as it stands. Rules without a wildcard know no backslash: so there is one, in brackets."""
    if b"\n" in name or b"\r" in name:
        raise Unsupported("rsync cannot be held to rules for a directory with a newline in its name; use sftp")
    return name and b"[\\%c]" % name[0] + _SPECIAL.sub(rb"\\\g<0>", name[1:])


def _wild(component: bytes) -> bytes:
    return b"".join(map(_wild_token, _KEY_TOKEN.findall(component)))


def _wild_token(part: bytes) -> bytes:
    if part[:1] in (b"*", b"?"):
        return part[:1]
    if len(part) == 1:
        return _literal(part)
    pattern = part.decode("latin-1").replace("[^", "[!")
    found = [char.encode("latin-1") for char in map(chr, range(1, 256)) if fnmatchcase(char, pattern)]
    # A slash is what never matches.
    return b"[/" + b"".join(b"\\" + byte for byte in found if byte not in b"\r\n") + b"]"

"""The config that git is shown in a repository: of a white list of keys, values that can only mean one thing.

Whoever may upload into a repository has written its config. Much of what git knows there names programs to be run, or
files to be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from conchgo.commands.git.config_file import MAX_SIZE, variables
from conchgo.errors import InvalidArgument, Unsupported
from conchgo.paths import escaped

#: What git makes of a value; None where git would not take it.
_Reader = Callable[[bytes | None], bytes | None]

_NUMBER: Final = re.compile(rb"[+-]?[0-9]{1,9}")
_REFS: Final = re.compile(rb"[^\x00-\x1f\x7f]+")
_WORDS: Final[Mapping[bytes, bytes]] = {
    **dict.fromkeys((b"true", b"yes", b"on"), b"true"),
    **dict.fromkeys((b"false", b"no", b"off", b""), b"false"),
}


def _boolean(value: bytes | None) -> bytes | None:
    if value is None:
        return b"true"
    if _NUMBER.fullmatch(value):
        return b"true" if int(value) else b"false"
    return _WORDS.get(value.lower())


def _choice(*words: bytes, others: _Reader = lambda value: None) -> _Reader:
    return lambda value: value if value in words else others(value)


def _refs(value: bytes | None) -> bytes | None:
    return value if value is not None and _REFS.fullmatch(value) else None


_KEYS: Final[Mapping[bytes, _Reader]] = {
    b"core.repositoryformatversion": _choice(b"0", b"1"),
    b"core.bare": _boolean,
    b"core.filemode": _boolean,
    b"core.logallrefupdates": _choice(b"always", others=_boolean),
    b"extensions.objectformat": _choice(b"sha1", b"sha256"),
    b"extensions.refstorage": _choice(b"files", b"reftable"),
    b"extensions.preciousobjects": _boolean,
    b"receive.denydeletecurrent": _choice(b"refuse", b"warn", b"ignore", others=_boolean),
    b"receive.denydeletes": _boolean,
    b"receive.denynonfastforwards": _boolean,
    b"receive.hiderefs": _refs,
    b"receive.shallowupdate": _boolean,
    b"transfer.hiderefs": _refs,
    b"uploadarchive.allowunreachable": _boolean,
    b"uploadpack.allowanysha1inwant": _boolean,
    b"uploadpack.allowreachablesha1inwant": _boolean,
    b"uploadpack.allowtipsha1inwant": _boolean,
    b"uploadpack.hiderefs": _refs,
}

#: Without these a repository is the same to those who fetch and push: who has it by SFTP can use them.
_DROPPED: Final = frozenset({b"extensions.noop", b"extensions.partialclone", b"extensions.worktreeconfig"})


def clean_config(content: bytes) -> bytes:
    """What `content`, a repository's config, says that is safe, and decides how the repository is read and written.

    Raises:
        InvalidArgument: git would not take it either, or it is larger than MAX_SIZE.
        Unsupported: the repository is of a kind that is not known here.
    """
    if len(content) > MAX_SIZE:
        raise InvalidArgument(f"the repository's config is larger than {MAX_SIZE} bytes")
    lines = []
    for key, value in variables(content):
        section, _, name = key.rpartition(b".")
        reader = _KEYS.get(key)
        if reader is not None:
            safe = reader(value)
            if safe is None:
                raise InvalidArgument(f"the repository's config: {escaped(key)}: git has no such value")
            quoted = safe.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            lines.append(b'[%s]\n\t%s = "%s"\n' % (section, name, quoted))
        elif section == b"extensions" and key not in _DROPPED:
            raise Unsupported(f"the repository needs {escaped(key)}, which is not supported here")
    return b"".join(lines)

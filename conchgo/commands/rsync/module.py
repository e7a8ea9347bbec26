"""The daemon's configuration: one module, which is what one client may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from conchgo.errors import Unsupported

#: What a value in rsyncd.conf can't have in it: it would end, go on, or be a variable there.
_SPECIAL: Final = frozenset(b"\r\n\\%")


@dataclass(frozen=True, slots=True)
class Module:
    """`root` is the directory that all paths are within, `rules` the file with filter rules, `log` where each file is
    told, in lines that have `mark`. Of links that are not `munged` the client's options decide.
    """

    name: bytes
    root: bytes
    rules: bytes
    log: bytes
    mark: bytes
    read_only: bool
    munged: bool

    def configuration(self) -> bytes:
        """The content of rsyncd.conf.

        Raises:
            Unsupported: a path can't be written there.
        """
        values = {
            b"path": self.root,
            b"use chroot": b"no",
            b"read only": _word(self.read_only),
            b"list": b"no",
            b"munge symlinks": _word(self.munged),
            b"exclude from": self.rules,
            # There are no names of users in the box.
            b"numeric ids": b"yes",
            b"reverse lookup": b"no",
            b"transfer logging": b"yes",
            b"log file": self.log,
            b"log format": self.mark + b" %o %i %l %f",
        }
        lines = [b"[%s]" % self.name]
        for key, value in values.items():
            if key != b"log format" and (not _SPECIAL.isdisjoint(value) or value.strip() != value):
                raise Unsupported("rsync cannot be told of a directory with such characters in its name; use sftp")
            lines.append(b"%s = %s" % (key, value))
        return b"\n".join(lines) + b"\n"


def _word(value: bool) -> bytes:
    return b"yes" if value else b"no"


def unused_name(words: list[bytes]) -> bytes:
    """A name for the module that a daemon finds nowhere within its arguments, where it would take one for two."""
    name = b"files"
    while any(b" " + name + b"/" in word for word in words):
        name += b"s"
    return name

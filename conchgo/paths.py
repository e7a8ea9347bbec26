"""The one path type: built once, at the protocol edge, from the client's bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conchgo.errors import InvalidPath

#: Longest path in bytes, as PATH_MAX on Linux (which counts the closing NUL).
MAX_PATH: Final = 4095


#: What a component of a path may be, and no name is.
not_names: Final = frozenset((b"", b".", b".."))


def is_plain_name(name: bytes) -> bool:
    """Whether this can be the name of something in a directory: no slash, no NUL, and neither `.` nor `..`."""
    return name not in not_names and b"/" not in name and b"\0" not in name


def escaped(raw: bytes) -> str:
    """Bytes of a name as text for logs and JSON: printable UTF-8 as it is, anything else as a backslash escape."""
    text = raw.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    if char.isprintable():
        return char
    if char < "\x80":
        return char.encode("unicode_escape").decode("ascii")
    # Never \x: that stands for a byte which is not UTF-8.
    return f"\\u{ord(char):04x}" if char <= "\uffff" else f"\\U{ord(char):08x}"


class VirtualPath:
    """An absolute, clean path in a user's view (or below a storage's root): no NUL, no `.`, no `..`, bytes kept.

    Immutable and hashable. `/` joins one name; containment is decided by components, never by string prefix.
    """

    __slots__ = ("parts",)

    parts: tuple[bytes, ...]

    def __init__(self, parts: tuple[bytes, ...] = ()) -> None:
        object.__setattr__(self, "parts", parts)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a VirtualPath does not change")

    @classmethod
    def parse(cls, raw: bytes, base: VirtualPath | None = None) -> VirtualPath:
        """The path that a client means by `raw`; a relative one starts at `base` (the root if None).

        `..` is taken lexically and stops at the root.

        Raises:
            InvalidPath: there is a NUL in it, or it is longer than MAX_PATH bytes.
        """
        if b"\0" in raw:
            raise InvalidPath("invalid path: it contains a NUL byte")
        if len(raw) > MAX_PATH:
            raise InvalidPath(f"invalid path: longer than {MAX_PATH} bytes")
        parts = [] if base is None or raw.startswith(b"/") else list(base.parts)
        for part in raw.split(b"/"):
            if part == b"..":
                if parts:
                    parts.pop()
            elif part and part != b".":
                parts.append(part)
        return cls(tuple(parts))

    def __truediv__(self, name: bytes) -> VirtualPath:
        """The path of `name` in this directory. Raises InvalidPath where that is no plain name (`..`, `a/b`)."""
        if not is_plain_name(name):
            raise InvalidPath(f"invalid path: '{escaped(name)}' is not a plain name")
        return VirtualPath((*self.parts, name))

    @property
    def name(self) -> bytes:
        """The last component; empty for the root."""
        return self.parts[-1] if self.parts else b""

    @property
    def parent(self) -> VirtualPath:
        """The containing directory; the root is its own."""
        return VirtualPath(self.parts[:-1])

    @property
    def is_root(self) -> bool:
        return not self.parts

    def ancestors(self) -> Iterator[VirtualPath]:
        """The path itself, its parent, and so on to the root."""
        for depth in range(len(self.parts), -1, -1):
            yield VirtualPath(self.parts[:depth])

    def is_within(self, other: VirtualPath) -> bool:
        """Whether this path is `other` or lies below it."""
        return self.parts[: len(other.parts)] == other.parts

    def relative_to(self, other: VirtualPath) -> tuple[bytes, ...]:
        """The components that lead from `other` down to this path.

        Raises:
            ValueError: this path is not within `other`.
        """
        if not self.is_within(other):
            raise ValueError(f"{self} is not within {other}")
        return self.parts[len(other.parts) :]

    def __bytes__(self) -> bytes:
        return b"/" + b"/".join(self.parts)

    def __str__(self) -> str:
        return escaped(bytes(self))

    def __reduce__(self) -> tuple[type[VirtualPath], tuple[tuple[bytes, ...]]]:
        # copy, pickle and dataclasses.asdict would set the attribute otherwise.
        return (VirtualPath, (self.parts,))

    def __repr__(self) -> str:
        return f"VirtualPath({bytes(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VirtualPath) and self.parts == other.parts

    def __lt__(self, other: VirtualPath) -> bool:
        return self.parts < other.parts

    def __hash__(self) -> int:
        return hash(self.parts)


ROOT: Final = VirtualPath()

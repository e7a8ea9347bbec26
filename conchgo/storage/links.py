"""What a storage says when it meets a symbolic link."""

from __future__ import annotations

from conchgo.errors import ConchgoError
from conchgo.paths import VirtualPath


class LinkEncountered(ConchgoError):
    """A storage met a symbolic link on its way: it never follows one, the session's filesystem does.

    `link` is where it lies, `target` what is written in it, `rest` the path's components behind it.
    """

    default = "symbolic link on the way"

    def __init__(self, link: VirtualPath, target: bytes, rest: tuple[bytes, ...] = ()) -> None:
        super().__init__()
        self.link = link
        self.target = target
        self.rest = rest

from __future__ import annotations

from conchgo.paths import VirtualPath
from conchgo.reserved import is_below_reserved, is_reserved

p = VirtualPath.parse

OURS = (b".conchgo-upload-1", b".CONCHGO-Upload-1", b".conchgo-", b".conchgo-\xff")
THEIRS = (b".conchgo", b"conchgo-upload", b"x.conchgo-upload", b".conchgo_x", b" .conchgo-x", b".\xffconchgo-")


def test_they_are_known_by_how_they_begin() -> None:
    assert all(map(is_reserved, OURS))
    assert not any(map(is_reserved, THEIRS))
    for name in OURS:
        assert all(is_below_reserved(p(path % name)) for path in (b"/%b", b"/a/%b", b"/a/%b/b", b"/%b/a/b"))
    for name in THEIRS:
        assert not is_below_reserved(p(b"/a/%b/b" % name))
    assert not is_below_reserved(p(b"/"))

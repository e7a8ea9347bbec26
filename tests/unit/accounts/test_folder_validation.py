from __future__ import annotations

import pytest

from conchgo.accounts.folder_validation import validate_folder
from conchgo.accounts.model import Folder
from conchgo.errors import InvalidArgument


@pytest.mark.parametrize("folder", [Folder("a.b-c@d", "/srv/Äx y"), Folder("a", "/", "two\nlines")])
def test_what_makes_sense_passes(folder: Folder) -> None:
    validate_folder(folder)


@pytest.mark.parametrize(
    ("folder", "field"),
    [
        (Folder("", "/srv"), "name"),
        (Folder("a/b", "/srv"), "name"),
        (Folder("..", "/srv"), "name"),
        (Folder("a\n", "/srv"), "name"),
        (Folder("a", ""), "mapped_path"),
        (Folder("a", "srv"), "mapped_path"),
        (Folder("a", "/srv/../etc"), "mapped_path"),
        (Folder("a", "/\0"), "mapped_path"),
        (Folder("a", "/\udc80"), "mapped_path"),
        (Folder("a", "/srv", "\ud800"), "description"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(folder: Folder, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate_folder(folder)
    assert caught.value.text.startswith(field)
    assert caught.value.text.isprintable()

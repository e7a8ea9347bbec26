from __future__ import annotations

from pathlib import Path

import pytest

from conchgo.accounts.model import Folder, User, VirtualFolder
from conchgo.accounts.mounting import validate_directory, validate_mounts
from conchgo.errors import InvalidArgument


@pytest.mark.parametrize("mapped_path", ["/srv/a", "/srv/a/", "/srv//a/b/../b", "/srv", "/"])
def test_directories_of_two_folders_do_not_nest(mapped_path: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^mapped_path: .* folder other, "):
        validate_directory(Folder("x", mapped_path), [Folder("other", "/srv/a")])


def test_a_link_is_no_way_around(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(InvalidArgument, match=r"^mapped_path"):
        validate_directory(Folder("x", f"{tmp_path}/link/sub"), [Folder("other", f"{tmp_path}/real")])


def test_neighbours_are_good_and_so_is_the_folder_itself() -> None:
    folder = Folder("x", "/srv/a")
    validate_directory(folder, [Folder("x", "/srv/a/old"), Folder("y", "/srv/ab"), Folder("z", "/srv/b/a")])


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Folder]:
    for name in ("home", "x", "y"):
        (tmp_path / name / "dir" / "deep").mkdir(parents=True)
        (tmp_path / name / "file").touch()
        (tmp_path / name / "link").symlink_to("dir")
    return {name: Folder(name, f"{tmp_path}/{name}") for name in ("x", "y")}


def user(tmp_path: Path, *mounts: str) -> User:
    """A user with folders, each written as NAME:PATH."""
    given = (mount.split(":") for mount in mounts)
    return User("alice", f"{tmp_path}/home", virtual_folders=tuple(VirtualFolder(name, path) for name, path in given))


@pytest.mark.parametrize(
    "mounts",
    [
        (),
        ("x:/",),
        ("x:/file",),
        ("x:/link",),
        ("x:/dir/file",),
        ("x:/dir/deep/new/new",),
        ("x:/new/file/x",),
        ("x:/dir", "y:/dir/dir/deep/new"),
        ("y:/file/x", "x:/file"),
        ("x:/", "y:/new"),
        ("x:/" + "n" * 300 + "/x",),
    ],
)
def test_a_folder_can_be_anywhere_below_directories(
    tmp_path: Path, folders: dict[str, Folder], mounts: tuple[str, ...]
) -> None:
    validate_mounts(user(tmp_path, *mounts), folders)


@pytest.mark.parametrize(
    ("mounts", "field"),
    [
        (("x:/x", "z:/z"), "number 2: name: there is no folder z"),
        (("x:/file/x",), "number 1: virtual_path: /file is no directory"),
        (("x:/link/x",), "number 1: virtual_path: /link is no directory"),
        (("x:/dir/../file/x/y",), "number 1: virtual_path: /file is no directory"),
        (("y:/dir/deep/file/y", "x:/dir/deep"), "number 1: virtual_path: /dir/deep/file is no directory"),
        (("x:/", "y:/file/y"), "number 2: virtual_path: /file is no directory"),
    ],
)
def test_a_folder_is_there_and_not_below_a_file(
    tmp_path: Path, folders: dict[str, Folder], mounts: tuple[str, ...], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate_mounts(user(tmp_path, *mounts), folders)
    assert caught.value.text.startswith(f"virtual_folders: {field}")
    assert str(tmp_path) not in caught.value.text

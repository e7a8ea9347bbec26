from __future__ import annotations

import os
from pathlib import Path

import pytest

from conchgo.paths import ROOT, VirtualPath
from conchgo.processes import sight
from conchgo.processes.sight import difference, look
from conchgo.storage.local import LocalStorage


def seen(path: Path, top: VirtualPath = ROOT) -> sight.Sight:
    storage = LocalStorage(os.fsencode(path))
    try:
        return look(storage, top)
    finally:
        storage.close()


def test_files_count_once_and_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_bytes(bytes(10))
    os.link(tmp_path / "d" / "a", tmp_path / "b")
    os.symlink("d", tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    found = seen(tmp_path)
    assert (found.usage, found.outside) == ((10, 1), frozenset())
    below = seen(tmp_path, VirtualPath((b"d",)))
    assert below.usage == (10, 1)
    assert below.outside is not None
    assert len(below.outside) == 1


def test_a_file_with_names_elsewhere_that_goes_is_uncertain(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(bytes(10))
    os.link(tmp_path / "in" / "a", tmp_path / "out")
    before = seen(tmp_path / "in")
    (tmp_path / "in" / "b").write_bytes(bytes(5))
    assert difference(before, seen(tmp_path / "in")) == ((5, 1), True)
    (tmp_path / "in" / "a").unlink()
    assert difference(before, seen(tmp_path / "in")) == ((-5, 0), False)


def test_of_too_many_files_with_several_names_nothing_is_certain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sight, "_MOST", 1)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(bytes(1))
        os.link(tmp_path / name, tmp_path / f"{name}2")
    found = seen(tmp_path)
    assert found.outside is None
    assert not difference(found, found)[1]

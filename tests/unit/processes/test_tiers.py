"""The choice of a tier, by trying."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conchgo.processes import bubblewrap, landlock, launcher, named_files, tiers
from conchgo.processes.launching import Limits
from conchgo.processes.roots import find_root
from conchgo.processes.tiers import Tier, find_boxes
from tests.programs import require_program
from tests.unit.processes.boxing import require_namespaces


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def found(directory: Path, wanted: str = "auto") -> tiers.Finding:
    before = descriptors()
    finding = find_boxes(wanted, Limits(), str(directory / "boxes"), {})
    assert descriptors() == before
    assert os.listdir(directory / "boxes") == []
    return finding


def test_the_best_one_that_works(tmp_path: Path) -> None:
    require_program("bwrap")
    require_namespaces()
    finding = found(tmp_path)

    assert (finding.tier, finding.reason) == (Tier.BUBBLEWRAP, "")
    assert isinstance(finding.boxes, bubblewrap.BubblewrapBoxes)
    assert os.stat(tmp_path / "boxes").st_mode & 0o777 == 0o700


def test_without_bubblewrap_it_is_landlock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers.shutil, "which", lambda name, path: None if name == "bwrap" else f"/usr/bin/{name}")
    if launcher.landlock_version() < landlock.OLDEST:
        pytest.skip("this kernel has no Landlock")
    finding = found(tmp_path)

    assert finding.tier is Tier.LANDLOCK
    assert isinstance(finding.boxes, landlock.LandlockBoxes)
    assert "bwrap is not installed" in str(finding)


def test_a_tier_that_does_not_work_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers.shutil, "which", lambda name, path: f"/bin/{name}" if name == "true" else "/bin/false")
    monkeypatch.setattr(tiers, "landlock_version", lambda: 2)
    finding = found(tmp_path)

    assert (finding.tier, finding.boxes) == (Tier.NONE, None)
    assert "status 1" in finding.reason
    assert "version 2 of Landlock" in finding.reason


def test_what_the_box_says_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_program("bwrap")
    require_namespaces()
    monkeypatch.setattr(bubblewrap, "_TREE", b"tree/missing")
    assert "conchgo-box: what is to be covered is not there" in found(tmp_path, "bubblewrap").reason


@pytest.mark.parametrize("tier", ["bubblewrap", "landlock"])
def test_a_tier_that_is_wanted_is_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tier: str) -> None:
    monkeypatch.setattr(tiers, "machine_known", lambda: False)
    finding = find_boxes(tier, Limits(), str(tmp_path), {})

    assert finding.tier is Tier.NONE
    assert finding.reason.startswith(f"{tier} is not possible")
    assert ";" not in finding.reason


def test_none_is_a_choice(tmp_path: Path) -> None:
    finding = find_boxes("none", Limits(), str(tmp_path), {})

    assert (finding.tier, finding.boxes) == (Tier.NONE, None)
    assert "processes.tier" in str(finding)


def test_what_killed_servers_left_is_swept_away(tmp_path: Path) -> None:
    gone = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(gone, 0)
    names = [f"run-{pid}-0123456789abcdef" for pid in (gone, os.getpid(), 1)]
    for name in (*names, "other"):
        os.makedirs(tmp_path / "boxes" / name)
        os.mkfifo(tmp_path / "boxes" / name / "events")

    find_boxes("auto", Limits(), str(tmp_path / "boxes"), {})

    assert sorted(os.listdir(tmp_path / "boxes")) == sorted([*names[1:], "other"])


def test_several_servers_sweep_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_files, "_lives", lambda pid: False)
    (tmp_path / "run-1-0123456789abcdef").mkdir()
    (tmp_path / "run-2-0123456789abcdef").mkdir()
    listed = os.listdir

    def with_another(path: bytes) -> list[bytes]:
        if path.endswith(b"run-1-0123456789abcdef"):
            os.rmdir(path)
        return listed(path)

    monkeypatch.setattr(named_files.os, "listdir", with_another)
    named_files.sweep(os.fsencode(tmp_path))

    assert listed(tmp_path) == []


def test_programs_that_are_not_there_are_named_once(tmp_path: Path) -> None:
    gone = "git is not installed"
    programs = {b"git": gone, b"git-upload-pack": gone, b"rsync": find_root(b"true")}
    finding = find_boxes("auto", Limits(), str(tmp_path), programs)

    assert finding.missing == ((gone,) if finding.boxes else ())
    if finding.boxes is not None:
        assert finding.boxes.missing(b"git-upload-pack") == gone
        assert finding.boxes.missing(b"rsync") is None
        assert str(finding).endswith(gone)

"""What is found on the system for programs in boxes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conchgo.processes import roots
from conchgo.processes.roots import NotInstalled, Root, find_programs, find_root, libraries, version
from tests.programs import require_program


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(roots, "SEARCH", str(tmp_path))
    return tmp_path


def script(path: Path, text: str = "#!/bin/sh\n") -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_a_program_and_its_libraries() -> None:
    root = find_root(b"true")

    assert root.program == b"/usr/bin/true"
    assert os.path.basename(root.files[root.program]) in (b"true", b"busybox", b"coreutils")
    assert all(os.path.exists(real) for real in root.files.values())
    assert all(path.startswith(b"/") and b".." not in path for path in root.files)
    if libraries(root.files[root.program]):
        assert any(b"/ld-" in path for path in root.files)


def test_git_has_its_helper_and_no_shell() -> None:
    require_program("git")
    root = find_programs()[b"git-receive-pack"]

    assert isinstance(root, Root)
    assert root.program == b"/usr/bin/git-receive-pack"
    names = {os.path.basename(path) for path in root.files}
    assert b"git" in names
    assert not {b"sh", b"bash", b"dash", b"env", b"ssh"} & names


def test_what_is_not_installed_is_a_reason(directory: Path) -> None:
    found = find_programs()

    assert set(found) == {b"git", b"git-upload-pack", b"git-receive-pack", b"git-upload-archive", b"rsync"}
    assert found[b"git-upload-pack"] == f"git is not installed (looked for in {directory})"
    assert version("git") == f"not installed (looked for in {directory})"


def test_a_script_is_no_program(directory: Path) -> None:
    script(directory / "rsync")

    assert "is a script" in str(find_programs()[b"rsync"])


def test_what_programs_tell_of_their_version(directory: Path) -> None:
    script(directory / "good", "#!/bin/sh\necho good 1.0\necho more\n")
    script(directory / "silent", "#!/bin/sh\nexit 1\n")
    script(directory / "broken", "#!/no/such/interpreter\n")

    assert version("good") == "good 1.0"
    assert version("silent") == "it tells no version"
    assert "cannot be run" in version("broken")


def test_a_library_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        roots, "_output", lambda *command: b"\tlibz.so.1 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x7f)\n"
    )
    with pytest.raises(NotInstalled, match=r"libz\.so\.1"):
        libraries(os.fsencode(os.path.realpath("/bin/true")))

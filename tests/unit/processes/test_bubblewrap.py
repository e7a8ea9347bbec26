"""What a program finds in a box of namespaces."""

from __future__ import annotations

import os
import stat
from contextlib import closing

import pytest

from conchgo.errors import InvalidArgument, Unsupported
from conchgo.processes.boxes import EVENTS
from conchgo.processes.interface import Job
from tests.unit.processes.boxing import Runner, Who, path, place


def write(path: bytes, content: bytes = b"data", mode: int = 0o666) -> None:
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)


def test_the_tree_is_at_its_path_and_nothing_else_is_there(in_namespaces: Runner, top: bytes, who: Who) -> None:
    write(top + b"/file")
    script = """
import os
print(sorted(os.listdir("/")), os.listdir("/repo"), os.listdir("/dev"), os.getcwd())
print(open("/repo/file").read())
open("made", "w").close()
"""
    with closing(place((b"/repo", top, True))) as where:
        ran = in_namespaces.python(where, script)

    first, second = ran.output.decode().splitlines()
    assert (ran.status, ran.error, second) == (0, b"", "data")
    system = {"bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "usr"}
    assert {"repo", "dev", "usr"} <= set(eval(first.split("]")[0] + "]")) <= system | {"repo"}
    assert "['file']" in first
    assert first.endswith("/repo")
    made = os.stat(top + b"/made")
    assert (made.st_uid, made.st_gid) == who.owner


@pytest.mark.parametrize(
    ("at", "expected"),
    [(b"/", b"/files"), (b"/usr/x", b"/files/usr/x"), (b"/proc", b"/files/proc"), (b"/a b/\xff", b"/a b/\xff")],
)
def test_trees_that_would_be_in_the_way_are_elsewhere(
    in_namespaces: Runner, top: bytes, at: bytes, expected: bytes
) -> None:
    with closing(place((at, top, True))) as where:
        assert in_namespaces.boxes.path(where, path(at)) == expected
        assert in_namespaces.boxes.path(where, path(at) / b"x") == expected + b"/x"
        ran = in_namespaces.python(where, "import os; open('made', 'w').close(); print(os.getcwdb())")

    assert ran.output.strip().decode() == repr(expected)
    assert os.listdir(top) == [b"made"]


def test_a_program_gets_its_environment_and_nothing_else(in_namespaces: Runner, top: bytes) -> None:
    with closing(place((b"/repo", top, True))) as where:
        ran = in_namespaces.python(where, "import os; print(os.environ)", environment={b"GIT_PROTOCOL": b"version=2"})

    assert b"GIT_PROTOCOL" in ran.output
    assert b"PATH" not in ran.output
    assert b"HOME" not in ran.output


def test_read_only_places(in_namespaces: Runner, top: bytes) -> None:
    with closing(place((b"/repo", top, False))) as where:
        ran = in_namespaces.python(where, "open('made', 'w')")

    assert ran.status == 1
    assert b"Read-only" in ran.error
    assert os.listdir(top) == []


def test_folders_and_masks_inside(in_namespaces: Runner, top: bytes) -> None:
    for name in (b"", b"/folder", b"/hidden", b"/fixed"):
        os.makedirs(top + b"/home" + name)
        os.chmod(top + b"/home" + name, 0o777)
    os.mkdir(top + b"/other")
    os.chmod(top + b"/other", 0o777)
    write(top + b"/other/shared")
    write(top + b"/home/hidden/secret")
    script = """
import os
print(os.listdir("folder"), os.listdir("hidden"))
open("folder/made", "w").close()
for name in "hidden/x", "fixed/x":
    try:
        open(name, "w")
    except OSError as error:
        print(error.strerror)
for name in "hidden", "folder":
    try:
        os.rename(name, "gone")
    except OSError as error:
        print(error.strerror)
"""
    binds = (
        (b"/a", top + b"/home", True),
        (b"/a/folder", top + b"/other", True),
        (b"/a/hidden", None, True),
        (b"/a/fixed", top + b"/home/fixed", False),
    )
    with closing(place(*binds)) as where:
        ran = in_namespaces.python(where, script)

    expected = ["['shared'] []", *["Read-only file system"] * 2, *["Device or resource busy"] * 2]
    assert ran.output.decode().splitlines() == expected
    assert sorted(os.listdir(top + b"/other")) == [b"made", b"shared"]
    assert os.listdir(top + b"/home/folder") == []


def test_files_in_place_of_others(in_namespaces: Runner, top: bytes) -> None:
    os.mkdir(top + b"/hooks", 0o755)
    write(top + b"/hooks/evil")
    write(top + b"/config", b"evil")
    script = """
import os
print(open("config").read(), open("/etc/settings").read(), os.listdir("hooks"))
for change in (lambda: open("config", "w"), lambda: os.unlink("config"), lambda: open("/etc/settings", "w")):
    try:
        change()
    except OSError as error:
        print(error.strerror)
"""
    files = {b"/repo/config": b"clean", in_namespaces.boxes.file(b"settings"): b"ours"}
    with closing(place((b"/repo", top, True))) as where:
        ran = in_namespaces.python(where, script, files=files, empty=[b"/repo/hooks"])

    expected = ["clean ours []", "Read-only file system", "Device or resource busy", "Read-only file system"]
    assert ran.output.decode().splitlines() == expected
    with open(top + b"/config", "rb") as file:
        assert file.read() == b"evil"


@pytest.mark.parametrize("link", [False, True])
def test_what_is_covered_must_be_there_and_nothing_is_made(in_namespaces: Runner, top: bytes, link: bool) -> None:
    if link:
        write(top + b"/other")
        os.symlink(b"other", top + b"/config")
    with closing(place((b"/repo", top, True))) as where:
        ran = in_namespaces.python(where, "print('ran')", files={b"/repo/config": b"clean"})

    assert (ran.status, ran.output) == (1, b"")
    assert ran.error.startswith(b"conchgo-box: what is to be covered is not there")
    assert top not in ran.error
    assert sorted(os.listdir(top)) == ([b"config", b"other"] if link else [])


def test_events(in_namespaces: Runner, top: bytes, runs: bytes) -> None:
    where = in_namespaces.boxes.file(EVENTS).decode()
    script = f"""
import os
for text in "one ", "two":
    with open("{where}", "a") as file:
        file.write(text)
"""
    with closing(place((b"/repo", top, True))) as tree:
        ran = in_namespaces.python(tree, script, events=True)

    assert (ran.events, ran.error) == (b"one two", b"")
    assert os.listdir(runs) == []


def test_what_makes_no_sense_is_refused(in_namespaces: Runner, top: bytes) -> None:
    boxes = in_namespaces.boxes
    with closing(place((b"/repo", top, True))) as where:
        with pytest.raises(Unsupported, match="not a program"):
            boxes.prepare(Job(where, [b"evil"]), None)
        with pytest.raises(InvalidArgument):
            boxes.prepare(Job(where, [b"python3"], empty=[b"/etc"]), None)
    with closing(place((b"/repo", None, True))) as where, pytest.raises(InvalidArgument):
        boxes.prepare(Job(where, [b"python3"]), None)


def test_nothing_in_the_tree_is_executed(in_namespaces: Runner, top: bytes) -> None:
    script = """
import os, shutil, glob
shutil.copy("/usr/bin/python3", "elf")
os.chmod("elf", 0o755)
loaders = glob.glob("/lib64/ld-*") + glob.glob("/lib/ld-*")
for command in ["./elf"], *([loader, "./elf"] for loader in loaders):
    if os.fork() == 0:
        try:
            os.execv(command[0], command + ["-I", "-S", "-c", "print('executed')"])
        except OSError as error:
            print(error.strerror, flush=True)
        os._exit(1)
    assert os.wait()[1]
"""
    with closing(place((b"/repo", top, True))) as where:
        ran = in_namespaces.python(where, script)

    assert ran.status == 0, ran.error
    assert ran.output == b"Permission denied\n"


def test_modes_are_the_servers(in_namespaces: Runner, top: bytes) -> None:
    with closing(place((b"/repo", top, True))) as where:
        in_namespaces.python(where, "import os; os.close(os.open('made', os.O_CREAT | os.O_WRONLY, 0o777))")

    assert stat.S_IMODE(os.stat(top + b"/made").st_mode) == 0o755


def test_names_of_any_bytes(in_namespaces: Runner, top: bytes) -> None:
    odd = b"a b\n\t\\040\\\"'\xff$(x)"
    for name in (b"/tree/" + odd, b"/folder"):
        os.makedirs(top + name)
        os.chmod(top + name, 0o755)
    write(top + b"/folder/file")
    write(top + b"/tree/" + odd + b"/masked")
    inner = b"/" + odd + b"/" + odd
    script = """
import os
print(os.listdir(b"."), [os.listdir(name) for name in os.listdir(b".")])
try:
    open(os.listdir(b".")[0] + b"/file", "w")
except OSError as error:
    print(error.strerror)
"""
    with closing(place((b"/" + odd, top + b"/tree", True), (inner, top + b"/folder", False))) as where:
        ran = in_namespaces.python(where, script)

    assert (ran.status, ran.error) == (0, b"")
    assert ran.output.decode() == f"[{odd!r}] [[b'file']]\nRead-only file system\n"


def test_a_failure_leaves_nothing_open(in_namespaces: Runner, top: bytes, runs: bytes) -> None:
    boxes = in_namespaces.boxes
    before = set(os.listdir("/proc/self/fd"))
    tree = place((b"/repo", top, True), (b"/elsewhere", top, True))
    with closing(tree), pytest.raises(ValueError, match="not within"):
        boxes.prepare(Job(tree, [b"python3"], events=True), None)
    tree = place((b"/repo", top, True))
    with closing(tree), pytest.raises(InvalidArgument):
        boxes.prepare(Job(tree, [b"python3"], empty=[b"/etc"], events=True), None)

    assert set(os.listdir("/proc/self/fd")) == before
    assert os.listdir(runs) == []

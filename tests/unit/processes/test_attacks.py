"""What a program in a box tries that is not its business. Each of these works without one."""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from conchgo.processes import bubblewrap
from conchgo.processes.interface import Place
from conchgo.processes.launching import Limits
from tests.unit.processes.boxing import NOBODY, Runner, Who, place

REFUSED = {
    getattr(errno, name)
    for name in ("EPERM", "EACCES", "ENOSYS", "ENOENT", "ESRCH", "EROFS", "EXDEV", "ENETUNREACH", "ECONNREFUSED")
}

#: A filter of one instruction.
ALLOW_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)

#: Prints for each attempt why it failed, or OPEN.
ATTEMPTS = """
import os, sys, errno
def attempt(name, call):
    try:
        call()
        print(name, "OPEN")
    except OSError as error:
        print(name, error.errno)
"""

#: A system call without a wrapper in Python.
SYSCALL = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def syscall(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), "")
"""


def told(output: bytes) -> dict[str, str]:
    return dict(line.rsplit(maxsplit=1) for line in output.decode().splitlines())


def refused(output: bytes) -> list[str]:
    """What was not refused."""
    outcome = told(output)
    assert outcome
    return [name for name, how in outcome.items() if how == "OPEN" or int(how) not in REFUSED]


@pytest.fixture
def tree(top: bytes) -> Iterator[Place]:
    with closing(place((b"/repo", top, True))) as where:
        yield where


@contextmanager
def process_of(who: Who) -> Iterator[subprocess.Popen[bytes]]:
    """One that would have to fear signals of theirs."""
    options = {} if os.geteuid() != 0 else {"user": who.owner[0], "group": who.owner[1], "extra_groups": []}
    with subprocess.Popen(["/bin/sleep", "600"], **options) as process:  # type: ignore[call-overload]
        yield process
        process.kill()


def test_no_network(runner: Runner, tree: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        name = f"conchgo-test-{os.getpid()}"
        abstract.bind("\0" + name)
        abstract.listen()
        script = f"""{ATTEMPTS}
import socket
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), 5))
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\\0{name}"))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)))
"""
        ran = runner.python(tree, script)
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()

    assert refused(ran.output) == []


def test_no_network_by_the_namespaces_alone(
    in_namespaces: Runner, tree: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "filter_program", lambda symlinks: ALLOW_ALL)
    test_no_network(in_namespaces, tree)


def test_no_signals_to_others(runner: Runner, tree: Place, who: Who) -> None:
    with process_of(who) as victim:
        script = f"""{ATTEMPTS}
import signal
attempt("kill", lambda: os.kill({victim.pid}, signal.SIGKILL))
attempt("server", lambda: os.kill({os.getpid()}, 0))
attempt("pidfd", lambda: signal.pidfd_send_signal(os.pidfd_open({victim.pid}), signal.SIGKILL))
"""
        ran = runner.python(tree, script)
        assert victim.poll() is None

    assert refused(ran.output) == []


@pytest.mark.parametrize(
    "outside",
    ["/etc/passwd", "/proc/self/environ", "/proc/1/status", "/sys/kernel", "../../../etc/passwd", "link/passwd"],
)
def test_nothing_outside_is_read(runner: Runner, tree: Place, top: bytes, outside: str) -> None:
    os.symlink("/etc", top + b"/link")
    ran = runner.python(tree, f"{ATTEMPTS}attempt('read', lambda: os.open({outside!r}, os.O_RDONLY))")

    assert refused(ran.output) == []


def test_nothing_beside_is_reached_by_its_real_path(runner: Runner, tree: Place, top: bytes, who: Who) -> None:
    beside = os.path.dirname(top) + b"/beside"
    os.mkdir(beside)
    os.chmod(beside, 0o777)
    os.chmod(os.path.dirname(top), 0o755)
    with open(beside + b"/file", "wb"):
        pass
    os.chmod(beside + b"/file", 0o666)
    script = f"""{ATTEMPTS}
attempt("list", lambda: os.listdir({beside!r}))
attempt("read", lambda: os.open({beside!r} + b"/file", os.O_RDONLY))
attempt("write", lambda: os.open({beside!r} + b"/file", os.O_WRONLY))
attempt("make", lambda: os.mkdir({beside!r} + b"/made"))
attempt("move", lambda: os.rename({beside!r} + b"/file", "stolen"))
attempt("link", lambda: os.link({beside!r} + b"/file", "stolen"))
attempt("upwards", lambda: os.open("../beside/file", os.O_RDONLY))
"""
    ran = runner.python(tree, script)

    assert refused(ran.output) == []
    assert os.listdir(top) == []


def test_nothing_but_files_and_directories_is_made(runner: Runner, tree: Place, top: bytes) -> None:
    script = f"""{ATTEMPTS}
import stat
open("file", "w").close()
os.mkdir("dir")
attempt("symlink", lambda: os.symlink("file", "link"))
attempt("fifo", lambda: os.mkfifo("fifo"))
attempt("device", lambda: os.mknod("device", stat.S_IFCHR | 0o666, os.makedev(1, 5)))
attempt("socket", lambda: os.mknod("socket", stat.S_IFSOCK | 0o666))
attempt("chmod", lambda: os.chmod("file", 0o4755))
attempt("setgid", lambda: os.chmod("file", 0o2755))
attempt("fchmod", lambda: os.fchmod(os.open("file", os.O_RDONLY), 0o4755))
attempt("open", lambda: os.open("born", os.O_CREAT | os.O_WRONLY, 0o4755))
"""
    ran = runner.python(tree, script)

    assert refused(ran.output) == []
    assert sorted(os.listdir(top)) == [b"dir", b"file"]


def test_symbolic_links_where_they_may_be(runner: Runner, tree: Place, top: bytes) -> None:
    ran = runner.python(tree, "import os; os.symlink('/etc/passwd', 'link')", symlinks=True)

    assert (ran.status, ran.error) == (0, b"")
    assert os.readlink(top + b"/link") == b"/etc/passwd"


def test_what_is_uploaded_is_not_executed(runner: Runner, tree: Place) -> None:
    script = f"""{ATTEMPTS}
import shutil
shutil.copy("/usr/bin/python3", "elf")
with open("script", "w") as file:
    file.write("#!/usr/bin/python3\\n")
for name in "elf", "script":
    os.chmod(name, 0o755)
    attempt(name, lambda: os.execv("./" + name, [name, "-c", "print('elf OPEN')"]))
attempt("shell", lambda: os.execv("/bin/sh", ["sh", "-c", "echo shell OPEN"]))
attempt("tool", lambda: os.execv("/usr/bin/id", ["id"]))
"""
    ran = runner.python(tree, script)

    assert refused(ran.output) == []


def test_the_kernel_is_asked_for_nothing_special(runner: Runner, tree: Place) -> None:
    calls = {
        "mount": 165,
        "unshare": 272,
        "setns": 308,
        "chroot": 161,
        "ptrace": 101,
        "process_vm_readv": 310,
        "bpf": 321,
        "keyctl": 250,
        "userfaultfd": 323,
        "perf_event_open": 298,
        "io_uring_setup": 425,
        "memfd_create": 319,
        "execveat": 322,
        "open_by_handle_at": 304,
        "personality": 135,
        "open_tree": 428,
        "fsopen": 430,
    }
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of another machine")
    attempts = "\n".join(
        f'attempt("{name}", lambda: syscall({number}, 0x10000000, 0, 0, 0, 0))' for name, number in calls.items()
    )
    ran = runner.python(tree, ATTEMPTS + SYSCALL + attempts)

    assert ran.error == b""
    outcome = told(ran.output)
    assert set(outcome) == set(calls)
    assert set(outcome.values()) <= {str(errno.EPERM)}


def test_who_it_is(runner: Runner, tree: Place, who: Who) -> None:
    script = f"""{SYSCALL}
import os
print(*os.getresuid(), *os.getresgid(), os.getgroups())
print(libc.prctl(39, 0, 0, 0, 0))
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
sets = (ctypes.c_uint32 * 6)()
libc.capget(header, sets)
print(list(sets))
"""
    ran = runner.python(tree, script)

    ids, no_new_privs, capabilities = ran.output.decode().splitlines()
    uid, gid = (value or NOBODY for value in who.owner)
    shown = ids.split(maxsplit=6)
    assert shown[:6] == [str(uid)] * 3 + [str(gid)] * 3
    if os.geteuid() == 0:
        assert shown[6] in ("[]", f"[{gid}]")
    assert (no_new_privs, capabilities) == ("1", str([0] * 6))


def test_it_gets_no_descriptors_of_the_servers(runner: Runner, tree: Place) -> None:
    with open(os.devnull, "rb") as secret:
        os.set_inheritable(secret.fileno(), True)
        script = """
import os
def there(number):
    try:
        return bool(os.fstat(number))
    except OSError:
        return False
print([number for number in range(1000) if there(number)])
"""
        ran = runner.python(tree, script)

    assert ran.output == b"[0, 1, 2]\n"


def test_its_environment_is_what_it_was_given(runner: Runner, tree: Place) -> None:
    os.environ["SECRET"] = "secret"
    try:
        ran = runner.python(tree, "import os; print(sorted(os.environ))", environment={b"A": b"1"})
    finally:
        del os.environ["SECRET"]

    assert eval(ran.output) in (["A"], ["A", "LC_CTYPE"], ["A", "LC_CTYPE", "PWD"], ["A", "PWD"])


def test_a_file_that_gets_too_large_is_an_error_it_can_tell_of(runner: Runner, tree: Place, top: bytes) -> None:
    script = """
import errno
with open("big", "wb", buffering=0) as file:
    while True:
        try:
            file.write(bytes(1000))
        except OSError as error:
            print(errno.errorcode[error.errno])
            break
import resource
print(resource.getrlimit(resource.RLIMIT_CORE))
"""
    ran = runner.python(tree, script, file_size=2500)

    assert ran.output == b"EFBIG\n(0, 0)\n"
    assert os.stat(top + b"/big").st_size == 2500


@pytest.mark.parametrize("limits", [Limits(memory=2**27)])
def test_memory_has_an_end(runner: Runner, tree: Place, limits: Limits) -> None:
    script = """
try:
    bytearray(2**28)
except MemoryError:
    print("no more")
import mmap
try:
    mmap.mmap(-1, 2**28, flags=mmap.MAP_PRIVATE)
except OSError:
    print("no more")
"""
    assert runner.python(tree, script).output == b"no more\n" * 2


@pytest.mark.parametrize("limits", [Limits(processes=20)])
def test_processes_have_an_end(in_namespaces: Runner, tree: Place, who: Who, limits: Limits) -> None:
    if who.owner[0] == 0:
        pytest.skip("the kernel counts no processes of root's")
    script = """
import os, signal
for count in range(100):
    try:
        if os.fork() == 0:
            signal.pause()
    except BlockingIOError:
        break
print(count)
"""
    # Others of the same user's are not counted, so that they are not in the way of each other.
    with process_of(who):
        assert 10 < int(in_namespaces.python(tree, script).output) < 20


@pytest.mark.parametrize("swapped", ["the directory", "above it"])
@pytest.mark.parametrize("by", ["a link", "another directory"])
def test_a_directory_that_is_swapped_is_not_another(
    runner: Runner, top: bytes, who: Who, swapped: str, by: str
) -> None:
    for name in (b"/a", b"/a/b", b"/victim", b"/victim/b"):
        os.mkdir(top + name)
        os.chown(top + name, *who.owner)
    victim, moved = (b"/victim/b", b"/a/b") if swapped == "the directory" else (b"/victim", b"/a")
    with open(top + b"/victim/b/secret", "wb"):
        pass
    with closing(place((b"/repo", top + b"/a/b", True))) as where:
        os.rename(top + moved, top + b"/moved")
        if by == "a link":
            os.symlink(top + victim, top + moved)
        else:
            os.rename(top + victim, top + moved)
        ran = runner.python(where, "import os; print(os.listdir('.')); open('made', 'w')")

    # Landlock keeps to the directory that it was; namespaces are refused.
    assert ran.output in (b"", b"[]\n")
    if not ran.output:
        assert ran.error.startswith(b"conchgo-box: a directory is not where it was")
    for above, _, names in os.walk(top):
        assert "made" not in map(os.fsdecode, names) or b"/moved" in above


def test_a_directory_may_be_swapped_at_any_moment(in_namespaces: Runner, top: bytes, who: Who) -> None:
    """Somebody does so all the time: what is shown is the right one, or nothing."""
    for name in (b"/a", b"/victim"):
        os.mkdir(top + name)
        os.chown(top + name, *who.owner)
    for name in (b"/a/right", b"/victim/secret"):
        with open(top + name, "wb"):
            pass
    os.symlink(b"victim", top + b"/link")
    swapping = f"""
import ctypes, os
libc = ctypes.CDLL(None)
while True:
    libc.renameat2(-100, {top + b"/a"!r}, -100, {top + b"/link"!r}, 2)
"""
    seen = set()
    tree = place((b"/repo", top + b"/a", True))
    with closing(tree), subprocess.Popen([sys.executable, "-c", swapping]) as attacker:
        for _ in range(12):
            ran = in_namespaces.python(tree, "import os; print(os.listdir('.'))")
            seen.add(ran.output or ran.error[:40])
        attacker.kill()

    assert seen <= {b"['right']\n", b"conchgo-box: a directory is not where it was"[:40]}


def test_it_may_clean_up_when_it_is_told_to_end(runner: Runner, tree: Place, top: bytes) -> None:
    script = """
import signal, time
def end(*_):
    open("cleaned", "w").close()
    raise SystemExit(20)
signal.signal(signal.SIGTERM, end)
open("ready", "w").close()
time.sleep(600)
"""

    def end(pid: int) -> None:
        wait_for(top + b"/ready")
        runner.boxes.terminate(pid)

    ran = runner.python(tree, script, during=end)

    assert ran.status == 20
    assert b"cleaned" in os.listdir(top)


def test_told_to_end_before_it_began(runner: Runner, tree: Place, top: bytes) -> None:
    script = "import time; time.sleep(600)"
    ran = runner.python(tree, script, during=runner.boxes.terminate)

    assert ran.status != 0


FAMILY = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
children = [os.fork() for _ in range(2)]
open(f"ready{len([child for child in children if child])}", "w").close()
while True:
    time.sleep(0.01)
    os.utime("alive")
"""


def test_killed_is_all_of_it(runner: Runner, tree: Place, top: bytes) -> None:
    with open(top + b"/alive", "wb"):
        pass
    os.chown(top + b"/alive", *runner.who.owner)

    def kill(pid: int) -> None:
        wait_for(top + b"/ready2", top + b"/ready1", top + b"/ready0")
        runner.boxes.kill(pid)

    ran = runner.python(tree, FAMILY, during=kill)

    assert ran.status in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert is_quiet(top + b"/alive")


@pytest.mark.parametrize(("runner", "children"), [("in_namespaces", 2), ("under_landlock", 0)], indirect=["runner"])
def test_it_ends_with_its_server(runner: Runner, tree: Place, top: bytes, children: int) -> None:
    """Without namespaces only the program itself does at once; what it started loses its pipes."""
    with open(top + b"/alive", "wb"):
        pass
    os.chown(top + b"/alive", *runner.who.owner)
    server = os.fork()
    if server == 0:
        # In a thread of its own a program would end with that thread.
        runner.python(tree, FAMILY.replace("range(2)", f"range({children})"))
        os._exit(0)
    wait_for(top + b"/ready%d" % children, top + b"/ready0")
    os.kill(server, signal.SIGKILL)
    os.waitpid(server, 0)

    assert is_quiet(top + b"/alive")


def wait_for(*paths: bytes) -> None:
    deadline = time.monotonic() + 30
    while not all(map(os.path.exists, paths)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_quiet(path: bytes) -> bool:
    """Whether nobody touches the file any more: the last ones may be on their way out."""
    for _ in range(100):
        before = os.stat(path).st_mtime_ns
        time.sleep(0.1)
        if os.stat(path).st_mtime_ns == before:
            return True
    return False

"""What runs between the server and a program in a box, in a process of its own: it gives up rights, step by step.

It is run as a script (`python -I -S launcher.py`) and imports what starts fast, nothing of conchgo. Its first
descriptor after standard error is a file with the plan, a marshalled dictionary:

- `identity`: None, or uid and gid to take on (0: keep it). `shown`: the ids that the program sees in place of 0.
- `layers`: mounts to make in a directory of our own (STAGE), each with a source, the path in STAGE and the mount's
  attributes; it must be there but for the first component. The source is a descriptor, or a path in STAGE (of one of
  `files`, or of the empty directory). None: no namespaces are made.
- `files`: contents, for `files/0`, `files/1` and so on in STAGE.
- `rules`, `rights`: what Landlock allows (a descriptor or a path, with the rights there), and all rights that it
  governs (of files, network, scopes). None: no Landlock. `filter`: a seccomp program to install, or None.
- `directory`: a descriptor of the directory to start in, or None.
- `keep`: descriptors that the program gets. `limits`: rlimits by their number. `umask`.
- `server`: the process whose end is ours too.
- `executable`, `arguments`, `environment`: what is executed at the end.

What fails is told in one line on standard error, with `conchgo-box: ` before it, and ends it with status 1.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import resource
import sys

#: Where the view is put together, in a mount namespace of our own: a directory that every system has.
STAGE = b"/tmp"
PLAN = 3

MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_NEW_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x40000000  # mounts, uts, ipc, network
_NEW_USER = 0x10000000
_SIGPIPE, _SIGXFSZ = 13, 25
_SIG_DFL, _SIG_IGN = None, 1
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4
_SECCOMP_MODE_FILTER = 2
_SIGKILL = 9

# Calls this young have one number on every architecture.
_OPEN_TREE, _MOVE_MOUNT, _OPENAT2, _MOUNT_SETATTR = 428, 429, 437, 442
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_OPEN_TREE_CLONE, _AT_EMPTY_PATH, _AT_RECURSIVE = 0x1, 0x1000, 0x8000
_MOVE_FROM_EMPTY_PATH, _MOVE_TO_EMPTY_PATH = 0x04, 0x40
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
# Without O_NOFOLLOW, with which a link at the end would be opened itself.
_PIN = os.O_PATH | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.signal.restype = ctypes.c_void_p
_libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)


class Trouble(Exception):
    """Why there is no box; it names no real path."""


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class _MountAttributes(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user_namespace"))


class _RulesetAttributes(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("files", "network", "scoped"))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _FilterProgram(ctypes.Structure):
    _fields_ = (("count", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def main() -> None:
    plan = marshal.loads(_contents(PLAN))  # noqa: S302 - it is the server's own, in memory that nobody else has
    try:
        os.setsid()
        _keep(plan["keep"])
        if plan["directory"] is not None:
            os.fchdir(plan["directory"])
        if plan["layers"] is not None:
            _compose(plan)
        else:
            _become(plan["identity"])
            _check_way()
        _confine(plan)
        os.execve(plan["executable"], plan["arguments"], plan["environment"])  # noqa: S606
    except OSError as error:
        raise Trouble(f"the program cannot be executed: {error.strerror}") from None


def _contents(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _keep(kept: list[int]) -> None:
    """Let the program have these descriptors and the first three, whatever we got."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        try:
            os.set_inheritable(descriptor, descriptor <= 2 or descriptor in kept)
        except OSError:
            continue  # The listing's own.


def _confine(plan: dict) -> None:  # type: ignore[type-arg]
    """What holds from now on, for all that is executed."""
    _checked("no_new_privs", _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked("ambient capabilities", _libc.prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0))
    _checked("the death signal", _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0))
    if os.getppid() != plan["server"]:
        raise Trouble("the server has ended")
    # Python ignores both. A file that gets too large shall be an error that the program can tell of.
    _libc.signal(_SIGPIPE, _SIG_DFL)
    _libc.signal(_SIGXFSZ, _SIG_IGN)
    os.umask(plan["umask"])
    for number, most in plan["limits"].items():
        _limit(number, most)
    if plan["rules"] is not None:
        _restrict(plan["rules"], plan["rights"])
    if plan["filter"] is not None:
        _filter(plan["filter"])


def _limit(number: int, most: int) -> None:
    hard = resource.getrlimit(number)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(number, (most, most))


def _become(identity: tuple[int, int] | None) -> None:
    if identity is not None:
        uid, gid = identity
        os.setgroups([])
        if gid:
            os.setresgid(gid, gid, gid)
        if uid:
            os.setresuid(uid, uid, uid)
        # Else our files in /proc belong to root, and the ids of a user namespace could not be written.
        _checked("dumpable", _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0))


def _check_way() -> None:
    """Programs look at their directory by its real name, and would tell it with what went wrong."""
    try:
        os.stat(os.getcwdb())
    except OSError as error:
        raise Trouble(f"the user's uid has no way to the directory: {error.strerror}") from None


def _compose(plan: dict) -> None:  # type: ignore[type-arg]
    """Put the view together in STAGE, in namespaces of our own, of which the last is one of users.

    In that one nobody else is counted: a limit of processes is this box' own. The mounts are made before we are
    somebody else, who may have no way to the sources.
    """
    if plan["identity"] is None:
        _enter_users(_NEW_NAMESPACES, plan["shown"])
        _stage(plan)
    else:
        _checked("namespaces cannot be made", _libc.unshare(_NEW_NAMESPACES))
        _stage(plan)
        _become(plan["identity"])
        _enter_users(0, plan["shown"])


def _enter_users(others: int, shown: int) -> None:
    """A new user namespace with us alone, under our own ids, but with `shown` in place of 0."""
    uid, gid = os.geteuid(), os.getegid()
    _checked("user namespaces cannot be made", _libc.unshare(_NEW_USER | others))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid or shown} {uid} 1"),
        ("gid_map", f"{gid or shown} {gid} 1"),
    ):
        try:
            with open(f"/proc/self/{name}", "wb", buffering=0) as file:
                file.write(text.encode())
        except OSError as error:
            raise Trouble(f"ids cannot be mapped: {error.strerror}") from None


def _stage(plan: dict) -> None:  # type: ignore[type-arg]
    _checked("mounts cannot be private", _libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
    taken = [_clone(source) if isinstance(source, int) else -1 for source, _, _ in plan["layers"]]
    flags = ctypes.c_ulong(MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _checked("no tmpfs", _libc.mount(b"tmpfs", STAGE, b"tmpfs", flags, b"mode=755,size=16m"))
    stage = os.open(STAGE, _PIN | os.O_DIRECTORY)
    os.mkdir(STAGE + b"/empty", 0o555)
    os.mkdir(STAGE + b"/files", 0o755)
    for index, content in enumerate(plan["files"]):
        with open(os.open(STAGE + b"/files/%d" % index, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
            file.write(content)
    for mount, (source, at, attributes) in zip(taken, plan["layers"], strict=True):
        if mount < 0:
            mount = _open_tree(_beneath(stage, source))
        _set_attributes(mount, attributes)
        if b"/" not in at:
            _make_mount_point(mount, at)
        _attach(mount, stage, at)


def _clone(source: int) -> int:
    """A mount, not attached yet, of what a descriptor of the server stands for.

    The kernel takes no descriptor of another mount namespace for that. So we open it again by its name, without
    following a link, and look whether it is the same: whoever swaps something else in is refused.
    """
    name = os.readlink(b"/proc/self/fd/%d" % source)
    try:
        ours = _openat2(-100, name, _NO_SYMLINKS | _NO_MAGICLINKS)
    except OSError as error:
        raise Trouble(f"a directory is not where it was: {error.strerror}") from None
    if not os.path.samestat(os.fstat(ours), os.fstat(source)):
        raise Trouble("a directory is not where it was: something else is there")
    return _open_tree(ours)


def _open_tree(descriptor: int) -> int:
    flags = _OPEN_TREE_CLONE | _AT_EMPTY_PATH | _AT_RECURSIVE | os.O_CLOEXEC
    mount: int = _libc.syscall(_long(_OPEN_TREE), _long(descriptor), b"", _long(flags))
    _checked("a directory cannot be mounted", mount)
    return mount


def _set_attributes(mount: int, attributes: int) -> None:
    wanted = _MountAttributes(set=attributes)
    size = ctypes.sizeof(wanted)
    result = _libc.syscall(
        _long(_MOUNT_SETATTR),
        _long(mount),
        b"",
        _long(_AT_EMPTY_PATH | _AT_RECURSIVE),
        ctypes.byref(wanted),
        _long(size),
    )
    _checked("a mount cannot be restricted", result)


def _make_mount_point(mount: int, name: bytes) -> None:
    path = STAGE + b"/" + name
    if os.path.isdir(b"/proc/self/fd/%d" % mount):
        os.mkdir(path, 0o755)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def _attach(mount: int, stage: int, at: bytes) -> None:
    """Nothing is made for it and no link is followed, whatever becomes of the user's tree meanwhile."""
    target = _beneath(stage, at)
    flags = _MOVE_FROM_EMPTY_PATH | _MOVE_TO_EMPTY_PATH
    result = _libc.syscall(_long(_MOVE_MOUNT), _long(mount), b"", _long(target), b"", _long(flags))
    _checked("nothing can be mounted in a directory", result)
    os.close(target)


def _beneath(stage: int, path: bytes) -> int:
    try:
        return _openat2(stage, path, _BENEATH | _NO_SYMLINKS | _NO_MAGICLINKS)
    except OSError as error:
        raise Trouble(f"what is to be covered is not there: {error.strerror}") from None


def _openat2(directory: int, path: bytes, resolve: int) -> int:
    how = _OpenHow(flags=_PIN, mode=0, resolve=resolve)
    size = ctypes.sizeof(how)
    descriptor: int = _libc.syscall(_long(_OPENAT2), _long(directory), path, ctypes.byref(how), _long(size))
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return descriptor


def _restrict(rules: list[tuple[int | bytes, int]], rights: tuple[int, ...]) -> None:
    """Landlock (landlock(7)): `rights` are of files, of the network, of scopes, as far as the kernel knows them."""
    wanted = _RulesetAttributes(*rights)
    size = 8 * len(rights)
    ruleset = _libc.syscall(_long(_LANDLOCK_CREATE_RULESET), ctypes.byref(wanted), _long(size), _long(0))
    _checked("Landlock", ruleset)
    for source, allowed in rules:
        parent = source if isinstance(source, int) else os.open(source, os.O_PATH | os.O_CLOEXEC)
        rule = _PathBeneath(allowed=allowed, parent=parent)
        _checked(
            "Landlock",
            _libc.syscall(_long(_LANDLOCK_ADD_RULE), _long(ruleset), _long(1), ctypes.byref(rule), _long(0)),
        )
    _checked("Landlock", _libc.syscall(_long(_LANDLOCK_RESTRICT_SELF), _long(ruleset), _long(0)))


def landlock_version() -> int:
    """What the kernel has of Landlock; 0: nothing."""
    version: int = _libc.syscall(_long(_LANDLOCK_CREATE_RULESET), None, _long(0), _long(1))
    return max(version, 0)


def _filter(instructions: bytes) -> None:
    program = _FilterProgram(len(instructions) // 8, instructions)
    _checked("seccomp", _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0))


def _long(value: int) -> ctypes.c_long:
    return ctypes.c_long(value)


def _checked(what: str, result: int) -> None:
    if result < 0:
        raise Trouble(f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    try:
        main()
    except Trouble as trouble:
        sys.stderr.write(f"conchgo-box: {trouble}\n")
        sys.exit(1)
    except Exception as error:
        # Its text might name a real path, and a trace does.
        sys.stderr.write(f"conchgo-box: failure: {type(error).__name__}\n")
        sys.exit(1)

"""Commands by `ssh host COMMAND`, against the programs of the same name on the same files."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.interop.commands import address, rclone, run, ssh_options
from tests.interop.service import Servers, Service
from tests.interop.trees import BYTE_NAMES, KIB, TEXT_NAMES, content, make_tree
from tests.programs import require_program

COREUTILS = ["md5sum", "sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum", "b2sum"]


@pytest.fixture
def service(servers: Servers) -> Service:
    return servers.start(commands=("*",))


def asked(service: Service, line: str, stdin: bytes = b"", status: int = 0) -> subprocess.CompletedProcess[bytes]:
    arguments = [require_program("ssh"), *ssh_options(service), address(service).rstrip(":"), line]
    return run(arguments, stdin=stdin, status=status)


@pytest.mark.parametrize("name", COREUTILS)
def test_checksums_are_those_of_coreutils(service: Service, name: str) -> None:
    make_tree(service.home / "tree", TEXT_NAMES + BYTE_NAMES)
    files = [path for path in sorted((service.home / "tree").iterdir()) if path.is_file()]
    words = shlex.join([name, "--", *(f"tree/{path.name}" for path in files)])
    expected = subprocess.run(["sh", "-c", words], cwd=service.home, capture_output=True, check=True).stdout
    assert asked(service, words).stdout == expected
    assert asked(service, f"{name} -c --quiet -", stdin=expected).stdout == b""


def test_standard_input_is_hashed_to_its_end(service: Service) -> None:
    data = content(3000 * KIB)
    expected = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout
    assert asked(service, "sha256sum", stdin=data).stdout == expected


def test_rclone_compares_hashes_without_a_download(service: Service, local: Path) -> None:
    tree = make_tree(local / "tree", (b"plain", b"with space", b"'quote\"", b"back\\slash"))
    rclone(service, "copy", tree, ":sftp:/up")
    unix = ("--sftp-shell-type", "unix")
    for kind, command in (("md5", "md5sum"), ("sha1", "sha1sum")):
        hashes = rclone(service, "hashsum", kind, ":sftp:/up/level 0", *unix)
        every = ["find", ".", "-type", "f", "-exec", command, "{}", "+"]
        printed = subprocess.run(every, cwd=tree / "level 0", capture_output=True, check=True).stdout
        expected = {line.replace(b"./", b"") for line in printed.splitlines() if b"\\" not in line}
        assert expected <= set(hashes.splitlines())
    (service.home / "up" / "plain").write_bytes(content(100, 99))
    assert b"1 differences found" in rclone(service, "check", tree, ":sftp:/up", *unix, status=1)


def test_what_is_not_there_and_what_makes_no_sense(service: Service) -> None:
    for line, status, text in (
        ("rm -rf /", 127, "rm: not enabled on this server"),
        ("md5sum 'unbalanced", 2, "cannot read the command line"),
        ("md5sum --nonsense", 2, "md5sum: unrecognized arguments: --nonsense"),
        ("conchgo-remove", 2, "conchgo-remove: 1 path is wanted"),
        ("sha256sum missing", 1, "sha256sum: missing: no such file or directory"),
    ):
        done = asked(service, line, status=status)
        assert done.stdout == b""
        (told,) = done.stderr.splitlines()
        assert text in told.decode()


def test_help_tells_of_every_command(service: Service) -> None:
    assert b"conchgo-copy SOURCE TARGET" in asked(service, "help").stdout
    assert asked(service, "pwd").stdout == b"/\n"
    assert asked(service, "cd /somewhere").stdout == b""


def test_trees_are_copied_and_removed_on_the_server(service: Service) -> None:
    make_tree(service.home / "tree", TEXT_NAMES + BYTE_NAMES)
    assert asked(service, "conchgo-copy tree copy").stdout == b"OK\n"
    run(["diff", "-r", service.home / "tree", service.home / "copy"])
    assert asked(service, "conchgo-remove tree/").stdout == b"OK\n"
    assert os.listdir(service.home) == ["copy"]


def test_each_command_line_is_in_the_audit_log(service: Service) -> None:
    (service.home / "f").write_bytes(b"x")
    asked(service, "md5sum f")
    asked(service, "md5sum 'g h'", status=1)
    first, second = service.audit("exec", 2)
    assert (first["status"], first["command"]) == ("ok", "md5sum f")
    assert (second["status"], second["command"]) == ("failed", "md5sum 'g h'")
    assert first["elapsed"] >= 0
    assert service.audit("close", 1)[0]["bytes_read"] == 1


def test_a_client_that_leaves_ends_its_command(service: Service) -> None:
    arguments = [require_program("ssh"), *ssh_options(service), address(service).rstrip(":"), "md5sum f -"]
    (service.home / "f").write_bytes(b"x")
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith(b"  f\n")
        process.kill()
    assert service.audit("exec", 1)[0]["reason"] == "cut off before it was done"

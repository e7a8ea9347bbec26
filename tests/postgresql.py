"""A PostgreSQL server of the tests' own: a temporary cluster on a Unix socket, gone at the end."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.programs import require_program


@pytest.fixture(scope="session")
def postgresql_cluster() -> Iterator[str]:
    """The directory of the server's socket; its superuser is `tests`, who needs no password."""
    initdb, control = require_program("initdb"), require_program("pg_ctl")
    directory = tempfile.mkdtemp(prefix="pg-", dir="/tmp")  # short: a socket's path has 107 bytes at most
    data, log = f"{directory}/data", f"{directory}/log"
    options = f"-c listen_addresses='' -c unix_socket_directories={directory} -c fsync=off"
    owner = _unprivileged()
    if owner:
        os.chown(directory, owner["user"], owner["group"])
    try:
        _run([initdb, "-D", data, "-U", "tests", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8"], owner)
        _run([control, "-D", data, "-l", log, "-o", options, "-w", "start"], owner)
        try:
            yield directory
        finally:
            _run([control, "-D", data, "-m", "immediate", "-w", "stop"], owner)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def _new_postgresql_url(postgresql_cluster: str) -> Callable[[], str]:
    numbers = itertools.count(1)

    def make() -> str:
        name = f"database{next(numbers)}"
        with psycopg.connect(host=postgresql_cluster, user="tests", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://tests@/{name}?host={postgresql_cluster}"

    return make


@pytest.fixture
def postgresql_url(_new_postgresql_url: Callable[[], str]) -> str:
    """An empty database of this test's own."""
    return _new_postgresql_url()


def _unprivileged() -> dict[str, Any]:
    """As whom to run the server: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    pytest.skip("running as root, without a user `postgres` or `nobody` to run PostgreSQL as")


def _run(command: list[str], owner: dict[str, Any]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", **owner
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")

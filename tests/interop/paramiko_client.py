"""paramiko as a client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import paramiko

from tests.interop.service import Target


@contextmanager
def connected(target: Target, **login: object) -> Iterator[paramiko.SFTPClient]:
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        login = login or {"password": target.password}
        client.connect(
            target.host,
            target.port,
            target.username,
            allow_agent=False,
            look_for_keys=False,
            **login,  # type: ignore[arg-type]
        )
        with client.open_sftp() as sftp:
            yield sftp

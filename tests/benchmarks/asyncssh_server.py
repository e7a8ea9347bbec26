"""asyncssh's own SFTP server: `python -m tests.benchmarks.asyncssh_server PORT HOST_KEY AUTHORIZED_KEYS`.

It serves the whole file system to whoever holds a key; relative names begin in its working directory.
"""

from __future__ import annotations

import asyncio
import sys

import asyncssh


async def _serve(port: str, host_key: str, authorized_keys: str) -> None:
    await asyncssh.listen(
        "127.0.0.1",
        int(port),
        server_host_keys=[host_key],
        authorized_client_keys=authorized_keys,
        sftp_factory=True,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))

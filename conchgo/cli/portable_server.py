"""The server of `conchgo portable`: in memory but for the files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from conchgo.cli.context import Refusal

if TYPE_CHECKING:
    from twisted.conch.ssh.keys import Key

    from conchgo.accounts.model import Folder, User
    from conchgo.cli.ready import Ready
    from conchgo.service.server import Server

#: Seconds that transfers may go on after the first SIGINT or SIGTERM.
_GRACE_TIME: Final = 10


@dataclass(frozen=True, slots=True)
class Served:
    """Who gets what, and where. `generated_password` is shown; it is empty where the user knows how to log in."""

    user: User
    folders: Sequence[Folder]
    address: str
    port: int
    upload_mode: str
    ssh_commands: Sequence[str] | None
    ready_file: str | None
    generated_password: str


def serve(served: Served) -> None:
    """Run until a signal ends it.

    Raises:
        Refusal: it can't listen there, or the ready file can't be written.
    """
    from twisted.internet import reactor

    from conchgo.cli.ready import describe, write_ready_file
    from conchgo.service import log
    from conchgo.service.errors import StartError
    from conchgo.service.limits import raise_file_limit
    from conchgo.ssh.hostkeys import generate_host_keys

    log.begin("-", "warn")
    raise_file_limit()
    host_keys = generate_host_keys()
    try:
        server = _assembled(reactor, served, host_keys)
        server.privilegedStartService()
        ready = describe(server.ports[0], host_keys)
        if served.ready_file is not None:
            write_ready_file(served.ready_file, ready)
    except StartError as error:
        raise Refusal(str(error)) from None
    except OSError as error:
        raise Refusal(f"--ready-file {served.ready_file}: {error.strerror}") from None
    _show(served, ready)
    reactor.addSystemEventTrigger("before", "shutdown", server.stopService)
    reactor.run()


def _assembled(reactor: Any, served: Served, host_keys: Sequence[Key]) -> Server:
    from conchgo.accounts.memory import MemoryAccountStore
    from conchgo.quota.memory import MemoryLedger
    from conchgo.service.commands import enabled_commands
    from conchgo.service.compose import assemble
    from conchgo.service.listeners import AddressEndpoint
    from conchgo.service.settings import SSHSection, ThreadsSection, TransfersSection
    from conchgo.sessions.counting import Counting
    from conchgo.sessions.directories import Directories
    from conchgo.sessions.quotas import Quotas
    from conchgo.sessions.roll import MemoryRoll

    umask = os.umask(0)
    os.umask(umask)
    where = f"--address {served.address} --sftpd-port {served.port}"
    store = MemoryAccountStore([served.user], served.folders)
    ledger = MemoryLedger()
    return assemble(
        reactor,
        store=store,
        quotas=Quotas(ledger, Counting(ledger, store, Directories(umask))),
        roll=MemoryRoll(),
        host_keys=host_keys,
        listen={where: AddressEndpoint(reactor, served.address, served.port)},
        ssh=SSHSection(),
        threads=ThreadsSection(),
        transfers=TransfersSection.model_validate({"upload_mode": served.upload_mode}),
        commands=enabled_commands(served.ssh_commands, "--ssh-commands"),
        umask=umask,
        grace_time=_GRACE_TIME,
    )


def _show(served: Served, ready: Ready) -> None:
    username = served.user.username
    click.echo(f"serving {served.user.home_dir} to {username}; Ctrl-C ends it\n")
    host = f"[{ready.address}]" if ":" in ready.address else ready.address
    click.echo(f"  sftp -P {ready.port} {username}@{host}\n")
    if served.generated_password:
        click.echo(f"password: {served.generated_password}")
    for key in ready.host_keys:
        click.echo(f"host key: {key['type']} {key['fingerprint']}")

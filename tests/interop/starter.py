"""The service in a process of its own, for what `conchgo portable` can't do: several users, and the generic path.

Processes are forked from one that has imported most of conchgo already, so that starting takes a tenth of a second.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from conchgo.accounts.model import Folder, User

FAST, GENERIC = "fast", "generic"

#: What a fork may share. Not what imports Twisted's reactor: its epoll descriptor must be each process' own.
_PRELOAD = [
    "conchgo.auth.passwords",
    "conchgo.events.audit",
    "conchgo.service.accounts",
    "conchgo.service.log",
    "conchgo.service.settings",
    "conchgo.sftp.subsystem",
    "conchgo.storage.local",
    "conchgo.vfs.compose",
]


@dataclass(frozen=True)
class Setup:
    """What to serve, and how. `ssh` and `transfers` hold keys of the configuration's sections.

    The logs are made in `state`. `commands` are those that are on (None: the usual ones), `host_keys` are private keys
    in PEM that the server has besides the one that all tests know. `tier` is how programs are kept in.
    """

    state: str
    users: tuple[User, ...]
    path: str = FAST
    ssh: Mapping[str, Any] = field(default_factory=dict)
    umask: int = 0o022
    grace_time: float = 3
    host_keys: tuple[bytes, ...] = ()
    folders: tuple[Folder, ...] = ()
    commands: tuple[str, ...] | None = None
    transfers: Mapping[str, Any] = field(default_factory=dict)
    git: Mapping[str, Any] = field(default_factory=dict)
    rsync: Mapping[str, Any] = field(default_factory=dict)
    tier: str = "auto"


def start(setup: Setup) -> tuple[BaseProcess, int, Connection]:
    """A server that listens, its port, and what it can be asked by (see `counters`)."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(setup, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        return process, ours.recv(), ours
    except EOFError:
        process.join()
        with open(os.path.join(setup.state, "log"), errors="replace") as log:
            raise RuntimeError(f"the server did not start: {log.read()}") from None


def _run(setup: Setup, pipe: Connection) -> None:
    output = os.open(os.path.join(setup.state, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    from twisted.conch.ssh.keys import Key
    from twisted.internet import reactor

    from conchgo.accounts.memory import MemoryAccountStore
    from conchgo.commands.settings import CommandSettings, GitSettings, RsyncSettings
    from conchgo.commands.table import enabled
    from conchgo.events.audit import AuditLog
    from conchgo.quota.memory import MemoryLedger
    from conchgo.service import log
    from conchgo.service.compose import assemble
    from conchgo.service.listeners import AddressEndpoint
    from conchgo.service.settings import SSHSection, ThreadsSection, TransfersSection
    from conchgo.sessions.counting import Counting
    from conchgo.sessions.directories import Directories
    from conchgo.sessions.quotas import Quotas
    from conchgo.sessions.roll import MemoryRoll
    from tests.interop.counters import Answerer
    from tests.interop.generic import PlainRealm
    from tests.ssh_server import HOST_KEY

    log.begin("-", "info")
    os.umask(setup.umask)
    store, ledger = MemoryAccountStore(setup.users, setup.folders), MemoryLedger()
    server = assemble(
        reactor,
        store=store,
        quotas=Quotas(ledger, Counting(ledger, store, Directories(setup.umask))),
        roll=MemoryRoll(),
        host_keys=[HOST_KEY, *map(Key.fromString, setup.host_keys)],
        listen={"tests": AddressEndpoint(reactor, "127.0.0.1", 0)},
        ssh=SSHSection(**{"failure_delay": 0, **setup.ssh}),
        threads=ThreadsSection(),
        transfers=TransfersSection(**setup.transfers),
        commands=enabled(setup.commands),
        boxes=None if setup.commands is None else _boxes(setup),
        settings_of_commands=CommandSettings(git=GitSettings(**setup.git), rsync=RsyncSettings(**setup.rsync)),
        umask=setup.umask,
        grace_time=setup.grace_time,
        audit=AuditLog(os.path.join(setup.state, "audit")),
    )
    if setup.path == GENERIC:
        portal = server._parts.factory.portal
        portal.realm = PlainRealm(portal.realm)
    server.privilegedStartService()
    server.startService()
    reactor.addSystemEventTrigger("before", "shutdown", server.stopService)
    Answerer(reactor, server, pipe)
    reactor.callWhenRunning(pipe.send, server.ports[0].getHost().port)
    reactor.run()


def _boxes(setup: Setup) -> Any:
    from conchgo.processes.launching import Limits
    from conchgo.processes.tiers import find_boxes

    return find_boxes(setup.tier, Limits(umask=setup.umask), os.path.join(setup.state, "boxes")).boxes

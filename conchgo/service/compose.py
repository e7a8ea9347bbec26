"""The composition root: the one place that knows every room, and puts a server together from the configuration."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from sqlalchemy import Engine
from twisted.conch.ssh.keys import Key
from twisted.cred.portal import Portal
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.logger import Logger

from conchgo.accounts.sql import SQLAccountStore
from conchgo.accounts.store import AccountStore
from conchgo.auth.checker import Checker
from conchgo.commands.command import Command
from conchgo.commands.settings import DEFAULTS, CommandSettings
from conchgo.database.owners import Owner
from conchgo.edge.pools import Pool
from conchgo.errors import Failure
from conchgo.events.audit import AuditLog
from conchgo.events.bus import Bus
from conchgo.events.lines import STANDARD_ERROR, LineFile
from conchgo.processes.boxes import Boxes
from conchgo.processes.launching import Limits
from conchgo.processes.running import Running
from conchgo.processes.session import Machinery
from conchgo.processes.tiers import find_boxes
from conchgo.quota.durable import DurableLedger
from conchgo.quota.throttles import Throttles
from conchgo.quota.tracking import Track
from conchgo.quota.transfers import MemoryTransferCounter, TransferCounter
from conchgo.quota.transfers_sql import SQLTransferCounter
from conchgo.service.accounts import make_directory, open_database
from conchgo.service.algorithms import algorithm_set
from conchgo.service.commands import command_settings, enabled_commands
from conchgo.service.errors import StartError
from conchgo.service.handover import private_texts
from conchgo.service.limits import file_limit
from conchgo.service.listeners import endpoints
from conchgo.service.quotas import counting, looking, owner
from conchgo.service.server import Parts, Server, Task
from conchgo.service.settings import Settings, SSHSection, ThreadsSection, TransfersSection
from conchgo.service.workers import Supervisor
from conchgo.sessions.attendance import Attendance
from conchgo.sessions.bookkeeping import Bookkeeping
from conchgo.sessions.directories import Directories
from conchgo.sessions.quotas import Quotas
from conchgo.sessions.realm import Realm
from conchgo.sessions.registry import Registry
from conchgo.sessions.rescans import Rescans
from conchgo.sessions.roll import Roll
from conchgo.sessions.sql import SQLRoll
from conchgo.sessions.storages import open_storages
from conchgo.sessions.views import Views
from conchgo.ssh.algorithms import HOST_SIGNATURES
from conchgo.ssh.factory import ServerFactory
from conchgo.ssh.hostkeys import HostKeyError, load_host_keys
from conchgo.ssh.settings import SSHSettings
from conchgo.vfs.setstat import SetstatMode
from conchgo.vfs.uploads.rules import UploadMode

_log: Final = Logger()

#: A banner is for reading.
_MAX_BANNER: Final = 64 * 1024


def compose(
    reactor: Any,
    settings: Settings,
    host_keys: Sequence[Key] | None = None,
    listen: Mapping[str, IStreamServerEndpoint] | None = None,
    counted: Callable[[int], None] = lambda count: None,
) -> Server:
    """The server that `settings` describe. Blocks: it reads keys, and brings the database up to date.

    A worker is given the host keys, and where to listen; it tells `counted` how many connections it has.

    Raises:
        StartError: something that it needs is not there.
    """
    os.umask(int(settings.users.umask, 8))
    listen = endpoints(reactor, settings) if listen is None else listen
    engine = open_database(settings)
    store = SQLAccountStore(engine)
    make_directory("users.base_directory", settings.users.base_directory)
    audit = _audit_log(settings.log.audit_file)
    with _as_start():
        this = owner(engine, settings)
        ledger = _ledger(engine, this, store, settings)
    quotas = Quotas(ledger, counting(engine, this, store, settings), Track(settings.quota.track))
    return assemble(
        reactor,
        store=store,
        roll=SQLRoll(engine, this),
        quotas=quotas,
        rescan_interval=settings.quota.rescan_interval,
        counter=SQLTransferCounter(engine),
        host_keys=_host_keys(settings.ssh.host_key_directory) if host_keys is None else host_keys,
        listen=listen,
        ssh=settings.ssh,
        banner=read_banner(settings.ssh.banner_file),
        threads=settings.threads,
        transfers=settings.transfers,
        commands=enabled_commands(settings.commands.enabled),
        boxes=_boxes(reactor, settings),
        program_time=settings.processes.time_limit,
        settings_of_commands=command_settings(settings),
        umask=int(settings.users.umask, 8),
        base_directory=settings.users.base_directory,
        audit=audit,
        grace_time=settings.service.grace_time,
        counted=counted,
        close=engine.dispose,
    )


def supervise(reactor: Any, settings: Settings, failed: Callable[[str], None]) -> Supervisor:
    """The main process of `service.workers` above 1. What would prevent their start is found here and now.

    `failed` is called with the reason where one can't start all the same.

    Raises:
        StartError: something that they need is not there.
    """
    os.umask(int(settings.users.umask, 8))
    listen = endpoints(reactor, settings)
    open_database(settings).dispose()
    make_directory("users.base_directory", settings.users.base_directory)
    with _as_audit_file(settings.log.audit_file):
        LineFile(settings.log.audit_file or STANDARD_ERROR).close()
    keys = _host_keys(settings.ssh.host_key_directory)
    _check_signatures(settings.ssh, keys)
    enabled_commands(settings.commands.enabled)
    read_banner(settings.ssh.banner_file)
    return Supervisor(reactor, settings, private_texts(keys), listen, failed)


def assemble(
    reactor: Any,
    *,
    store: AccountStore,
    roll: Roll,
    counter: TransferCounter | None = None,
    quotas: Quotas | None = None,
    host_keys: Sequence[Key],
    listen: Mapping[str, IStreamServerEndpoint],
    ssh: SSHSection,
    threads: ThreadsSection,
    transfers: TransfersSection,
    commands: Mapping[str, Command] | None = None,
    boxes: Boxes | None = None,
    program_time: float = 0,
    settings_of_commands: CommandSettings = DEFAULTS,
    umask: int,
    grace_time: float,
    base_directory: str = "/",
    banner: bytes = b"",
    audit: AuditLog | None = None,
    rescan_interval: float = 0,
    counted: Callable[[int], None] = lambda count: None,
    close: Callable[[], None] = lambda: None,
) -> Server:
    """A server from its parts, wherever they come from. Without a `counter` transfers count as long as it runs.

    Without `boxes` no program of the system is run; `program_time` is seconds that one has (0: any number).

    Raises:
        StartError: the algorithms that `ssh` lists are not known, or of no use with these host keys.
    """
    _check_signatures(ssh, host_keys)
    # Each channel bounds its own work; this is for hundreds of one user's channels, and no WRITE should be refused.
    disk = Pool(reactor, "disk", threads.disk, queue_limit=2**16)
    database = Pool(reactor, "database", threads.database)
    passwords = Pool(reactor, "passwords", threads.passwords)
    bus = Bus(*([] if audit is None else [audit]))
    registry = Registry(file_limit())
    attendance = Attendance(roll, database, reactor)
    running = Running()
    tasks: list[Task] = [running, attendance]
    if quotas is not None and isinstance(quotas.ledger, DurableLedger):
        bookkeeping = Bookkeeping(quotas.ledger, database, reactor)
        quotas.ledger.wake = bookkeeping.wake
        # What programs wrote is counted before the books are closed.
        rescans = Rescans(quotas.counting, quotas.places.check, rescan_interval, disk, reactor)
        tasks[1:1] = [rescans, bookkeeping]
    realm = Realm(
        folder=store.folder,
        open_storages=partial(open_storages, Directories(umask, base_directory)),
        database=database,
        disk=disk,
        views=Views(
            bus,
            Throttles(counter or MemoryTransferCounter(), attendance.workers_of),
            quotas=quotas,
            upload_mode=UploadMode(transfers.upload_mode),
            setstat_mode=SetstatMode(transfers.setstat_mode),
        ),
        registry=registry,
        attendance=attendance,
        reactor=reactor,
        commands=commands,
        machinery=None if boxes is None else Machinery(boxes, running, reactor, program_time or None),
        command_settings=settings_of_commands,
    )
    checker = Checker(store, database, passwords, time.time)
    factory = ServerFactory(
        Portal(realm, [checker]),
        host_keys,
        bus=bus,
        algorithms=algorithm_set(ssh),
        settings=SSHSettings(
            login_grace_time=ssh.login_grace_time,
            max_auth_tries=ssh.max_auth_tries,
            failure_delay=ssh.failure_delay,
            max_channels=ssh.max_channels,
            max_startups=ssh.max_startups,
            max_startups_per_host=ssh.max_startups_per_host,
            banner=banner,
            rekey_bytes=ssh.rekey_bytes,
            rekey_seconds=ssh.rekey_interval,
            client_alive_interval=ssh.client_alive_interval,
            client_alive_count_max=ssh.client_alive_count_max,
            idle_timeout=ssh.idle_timeout,
        ),
        clock=reactor,
        counted=counted,
    )
    factory.noisy = False
    pools = (disk, database, passwords)
    return Server(reactor, Parts(factory, registry, listen, pools, tasks, audit, grace_time, close))


def read_banner(path: str) -> bytes:
    """The text that clients see before they log in.

    Raises:
        StartError: it cannot be read.
    """
    if not path:
        return b""
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_BANNER)
    except OSError as error:
        raise StartError(f"ssh.banner_file: {path}: {error.strerror}") from None


def _boxes(reactor: Any, settings: Settings) -> Boxes | None:
    """For programs; the log tells what was found, once it is sure that the server starts."""
    section = settings.processes
    limits = Limits(section.memory_limit, section.process_limit, int(settings.users.umask, 8))
    found = find_boxes(section.tier, limits, os.path.join(settings.service.state_directory, "boxes"))
    reactor.callWhenRunning(_log.info, "{finding}", finding=str(found))
    return found.boxes


def _ledger(engine: Engine, this: Owner, store: AccountStore, settings: Settings) -> DurableLedger:
    """Settles what killed workers left."""
    directory = os.path.join(settings.service.state_directory, "ledger")
    return DurableLedger(engine, this, directory, looking(store, settings))


@contextmanager
def _as_start() -> Iterator[None]:
    try:
        yield
    except Failure as error:
        raise StartError(error.text) from None


def _check_signatures(ssh: SSHSection, keys: Sequence[Key]) -> None:
    kinds = {key.sshType() for key in keys}
    if not any(HOST_SIGNATURES[name] in kinds for name in algorithm_set(ssh).host_signatures):
        names = ", ".join(key.sshType().decode("ascii") for key in keys)
        raise StartError(f"ssh.host_key_algorithms: none of these is for a host key that is there ({names})")


def _host_keys(directory: str) -> list[Key]:
    try:
        return load_host_keys(directory)
    except HostKeyError as error:
        raise StartError(f"ssh.host_key_directory: {error}") from None
    except OSError as error:
        raise StartError(f"ssh.host_key_directory: {error.filename or directory}: {error.strerror}") from None


def _audit_log(path: str) -> AuditLog | None:
    with _as_audit_file(path):
        return AuditLog(path) if path else None


@contextmanager
def _as_audit_file(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StartError(f"log.audit_file: {path}: {error.strerror}") from None

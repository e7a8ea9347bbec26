"""The composition root: the one place that knows every room, and puts a server together from the configuration."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from twisted.conch.ssh.keys import Key
from twisted.cred.portal import Portal
from twisted.internet.interfaces import IStreamServerEndpoint

from conchgo.accounts.store import AccountStore
from conchgo.auth.checker import Checker
from conchgo.edge.pools import Pool
from conchgo.events.audit import AuditLog
from conchgo.events.bus import Bus
from conchgo.service.accounts import account_store, make_directory
from conchgo.service.algorithms import algorithm_set
from conchgo.service.errors import StartError
from conchgo.service.limits import file_limit
from conchgo.service.listeners import endpoint
from conchgo.service.server import Parts, Server
from conchgo.service.settings import Settings, SSHSection, ThreadsSection
from conchgo.sessions.directories import Directories
from conchgo.sessions.realm import Realm
from conchgo.sessions.registry import Registry
from conchgo.sessions.storages import open_storages
from conchgo.ssh.factory import ServerFactory
from conchgo.ssh.hostkeys import HostKeyError, load_host_keys
from conchgo.ssh.settings import SSHSettings

#: A banner is for reading.
_MAX_BANNER: Final = 64 * 1024


def compose(reactor: Any, settings: Settings) -> Server:
    """The server that `settings` describe. Blocks: it reads keys, and brings the database up to date.

    Raises:
        StartError: something that it needs is not there.
    """
    os.umask(int(settings.users.umask, 8))
    listen = {f"ssh.listen: {text}": endpoint(reactor, text) for text in settings.ssh.listen}
    store, close = account_store(settings)
    make_directory("users.base_directory", settings.users.base_directory)
    audit = _audit_log(settings.log.audit_file)
    return assemble(
        reactor,
        store=store,
        host_keys=_host_keys(settings.ssh.host_key_directory),
        listen=listen,
        ssh=settings.ssh,
        banner=read_banner(settings.ssh.banner_file),
        threads=settings.threads,
        umask=int(settings.users.umask, 8),
        base_directory=settings.users.base_directory,
        audit=audit,
        grace_time=settings.service.grace_time,
        close=close,
    )


def assemble(
    reactor: Any,
    *,
    store: AccountStore,
    host_keys: Sequence[Key],
    listen: Mapping[str, IStreamServerEndpoint],
    ssh: SSHSection,
    threads: ThreadsSection,
    umask: int,
    grace_time: float,
    base_directory: str = "/",
    banner: bytes = b"",
    audit: AuditLog | None = None,
    close: Callable[[], None] = lambda: None,
) -> Server:
    """A server from its parts, wherever they come from.

    Raises:
        StartError: the algorithms that `ssh` lists are not known, or of no use with these host keys.
    """
    # Each channel bounds its own work; this is for hundreds of one user's channels, and no WRITE should be refused.
    disk = Pool(reactor, "disk", threads.disk, queue_limit=2**16)
    database = Pool(reactor, "database", threads.database)
    passwords = Pool(reactor, "passwords", threads.passwords)
    bus = Bus(*([] if audit is None else [audit]))
    registry = Registry(file_limit())
    realm = Realm(
        folder=store.folder,
        open_storages=partial(open_storages, Directories(umask, base_directory)),
        database=database,
        disk=disk,
        bus=bus,
        registry=registry,
        reactor=reactor,
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
    )
    if not factory.host_signatures:
        kinds = ", ".join(kind.decode("ascii") for kind in factory.privateKeys)
        raise StartError(f"ssh.host_key_algorithms: none of these is for a host key that is there ({kinds})")
    factory.noisy = False
    return Server(reactor, Parts(factory, registry, listen, (disk, database, passwords), audit, grace_time, close))


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


def _host_keys(directory: str) -> list[Key]:
    try:
        return load_host_keys(directory)
    except HostKeyError as error:
        raise StartError(f"ssh.host_key_directory: {error}") from None
    except OSError as error:
        raise StartError(f"ssh.host_key_directory: {error.filename or directory}: {error.strerror}") from None


def _audit_log(path: str) -> AuditLog | None:
    try:
        return AuditLog(path) if path else None
    except OSError as error:
        raise StartError(f"log.audit_file: {path}: {error.strerror}") from None

"""The `sftp` subsystem: an engine over the best that the avatar offers."""

from __future__ import annotations

from typing import Final

from twisted.conch.interfaces import ISFTPServer
from twisted.internet.interfaces import IReactorTime

from conchgo.edge.pools import Runner
from conchgo.sftp import extensions
from conchgo.sftp.adapter import FilesystemAdapter
from conchgo.sftp.conch_server import ConchServer
from conchgo.sftp.engine import Engine
from conchgo.sftp.filesystem_server import FilesystemServer
from conchgo.sftp.handles import HandleBudget, HandleTable

#: One for all sessions.
_ROWS: Final = extensions.by_name(extensions.FILESYSTEM)


def sftp_engine(server: ISFTPServer, runner: Runner, owner: str, reactor: IReactorTime, budget: HandleBudget) -> Engine:
    """The fast path where `server` is a Filesystem's adapter, the generic path for every other ISFTPServer."""
    handles = HandleTable(budget=budget, owner=owner)
    if isinstance(server, FilesystemAdapter):
        return Engine(FilesystemServer(server.filesystem, runner, owner, _ROWS, reactor), reactor, handles)
    return Engine(ConchServer(server), reactor, handles)

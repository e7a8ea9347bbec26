"""An ISFTPServer that is not ours: everything is handed on, so the engine must take the generic path."""

from __future__ import annotations

from typing import Any

from twisted.conch.interfaces import ISFTPServer
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from zope.interface import implementer

_METHODS = tuple(ISFTPServer.names())


@implementer(ISFTPServer)
class PlainServer:
    """What somebody's own server for Conch looks like to the engine: it offers ISFTPServer and nothing else."""

    def __init__(self, server: Any) -> None:
        for name in _METHODS:
            setattr(self, name, getattr(server, name))


@implementer(IRealm)
class PlainRealm:
    """A realm whose avatars have a PlainServer."""

    def __init__(self, realm: IRealm) -> None:
        self._realm = realm

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Deferred[Any]:
        return self._realm.requestAvatar(avatarId, mind, *interfaces).addCallback(_with_plain_server)


def _with_plain_server(granted: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    avatar = granted[1]
    avatar.files = PlainServer(avatar.files)
    return granted

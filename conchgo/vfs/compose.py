"""Puts one session's filesystem together."""

from __future__ import annotations

from conchgo.accounts.permissions import Permissions
from conchgo.events.bus import Bus
from conchgo.events.records import Origin
from conchgo.paths import VirtualPath
from conchgo.storage.interface import Storage
from conchgo.vfs.audited import AuditedFilesystem
from conchgo.vfs.authorised import Authorised
from conchgo.vfs.interface import Filesystem, Identity
from conchgo.vfs.links import Links
from conchgo.vfs.session import SessionFilesystem


def compose(
    storage: Storage,
    permissions: Permissions,
    identity: Identity,
    start: VirtualPath,
    *,
    origin: Origin,
    bus: Bus,
) -> Filesystem:
    """From the outside in: audit, links, permissions, storage. Twice, if there is a storage that answers at once."""

    def composed(beneath: Storage, at_once: AuditedFilesystem | None) -> AuditedFilesystem:
        authorised = Authorised(beneath, permissions)
        session = SessionFilesystem(authorised, Links(authorised, beneath), identity, start)
        return AuditedFilesystem(session, origin, bus, at_once)

    at_once = storage.at_once
    return composed(storage, None if at_once is None else composed(at_once, None))

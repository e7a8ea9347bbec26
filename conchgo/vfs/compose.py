"""Puts one session's filesystem together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from conchgo.accounts.permissions import Permissions
from conchgo.errors import Unsupported
from conchgo.events.bus import Bus
from conchgo.events.records import Origin
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.charges import folder_domain
from conchgo.quota.interface import Charge, Ledger
from conchgo.quota.throttles import Throttle
from conchgo.storage.countable import Countable, CountableStorage
from conchgo.storage.interface import Storage
from conchgo.storage.refusing import Refusing
from conchgo.vfs.audited import Audit, AuditedFilesystem
from conchgo.vfs.authorised import Authorised
from conchgo.vfs.filtered import UNFILTERED, Filtered, Names
from conchgo.vfs.interface import Filesystem, Identity
from conchgo.vfs.links import Links
from conchgo.vfs.metering.metered import Metered
from conchgo.vfs.mount_table import ONLY_ROOT, MountTable
from conchgo.vfs.mounted import Mounted
from conchgo.vfs.session import SessionFilesystem
from conchgo.vfs.setstat import SetstatMode
from conchgo.vfs.throttled import throttled
from conchgo.vfs.uploads.rules import UploadRules
from conchgo.vfs.uploads.storage import Uploads

_NOBODY: Final = Charge("", ())


@dataclass(frozen=True, slots=True)
class Mount:
    """A storage of a view, and who pays for what lies in it (None: nobody counts)."""

    storage: Storage
    charge: Charge | None = None


@dataclass(frozen=True, slots=True)
class View:
    """All that one session's filesystem is made of.

    `mounts` has one at the root, and `table` is of the same; `names` says which names may be used where, `throttle` how
    fast and how much may be transferred; `ledger` counts for those who pay for the mounts (None: nobody does).
    """

    mounts: Mapping[VirtualPath, Mount]
    permissions: Permissions
    identity: Identity
    origin: Origin
    bus: Bus
    start: VirtualPath = ROOT
    table: MountTable = ONLY_ROOT
    names: Names = UNFILTERED
    throttle: Throttle | None = None
    uploads: UploadRules = field(default_factory=UploadRules)
    setstat: SetstatMode = SetstatMode.APPLY
    ledger: Ledger | None = None


def compose(view: View) -> Filesystem:
    """From the outside in: audit, throttle, links, permissions, names, uploads, mounts, quotas, storages.

    Twice, if there is a storage that answers at once.
    """
    uploads = Uploads(joined(view.mounts, view.table, view.ledger), view.uploads)

    def composed(beneath: Storage, at_once: AuditedFilesystem | None, *, waits: bool = True) -> AuditedFilesystem:
        filtered = Filtered(beneath, view.names)
        authorised = Authorised(filtered, view.permissions, view.setstat)
        links = Links(authorised, filtered, view.table.may_lead)
        session = SessionFilesystem(authorised, links, view.identity, view.start, view.names.hides)
        opens = None if view.throttle is None else throttled(session.open, view.throttle, at_once=not waits)
        return AuditedFilesystem(session, Audit(view.origin, view.bus.publish), at_once, opens)

    at_once = uploads.at_once
    return composed(uploads, None if at_once is None else composed(at_once, None, waits=False))


def joined(mounts: Mapping[VirtualPath, Mount], table: MountTable, ledger: Ledger | None = None) -> Storage:
    """The storages as one tree."""
    storages = {point: mount.storage for point, mount in mounts.items()}
    if ledger is not None and any(mount.charge and mount.charge.domains for mount in mounts.values()):
        storages = {point: _metered(mount, ledger, crossed=_is_crossed(mounts)) for point, mount in mounts.items()}
    return storages[ROOT] if len(storages) == 1 else Mounted(storages, table)


def _is_crossed(mounts: Mapping[VirtualPath, Mount]) -> bool:
    """Whether what lies there may move between charges: not in the home of a user who has no folders."""
    charge = mounts[ROOT].charge
    return len(mounts) > 1 or (charge is not None and charge.storage.startswith(folder_domain("")))


def _metered(mount: Mount, ledger: Ledger, *, crossed: bool) -> Storage:
    """Also where nobody pays, when others are counted: so that what moves between the two is.

    Raises:
        Unsupported: a quota can't be held there.
    """
    charge = mount.charge or _NOBODY
    storage = mount.storage
    if isinstance(storage, Countable):
        return Metered(cast(CountableStorage, storage), ledger, charge, crossed=crossed)
    if any(limits.hold for _, limits in charge.domains) and not isinstance(storage, Refusing):
        raise Unsupported("operation unsupported: no quota can be held on that storage")
    return storage

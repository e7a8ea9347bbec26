"""The `ls -l` line of a directory entry, which version 3 puts beside each name."""

from __future__ import annotations

import stat as stat_module
import time

from conchgo.sftp.codec import seconds
from conchgo.vfs.interface import FileStat, Identity

_HALF_A_YEAR = 182 * 24 * 3600


def longname(name: bytes, stat: FileStat | None, identity: Identity, now: float) -> bytes:
    """As OpenSSH's sftp-server writes it; owners are the session's own user or numbers. Times are UTC."""
    if stat is None:
        return b"?---------    ? ?        ?               ?            ? " + name
    owner = identity.user_name(stat.uid) or str(stat.uid)
    group = identity.group_name(stat.gid) or str(stat.gid)
    # The same time as in the attributes beside it; gmtime(3) can't tell every one that a file may have.
    changed = seconds(stat.mtime)
    recent = now - _HALF_A_YEAR < changed <= now
    when = time.strftime("%b %e %H:%M" if recent else "%b %e  %Y", time.gmtime(changed))
    columns = f"{stat_module.filemode(stat.mode)} {stat.nlink:4d} {owner:<8} {group:<8} {stat.size:8d} {when} "
    return columns.encode() + name

"""Whose use is counted: what is not counted costs nothing."""

from __future__ import annotations

import enum

from conchgo.quota.interface import Charge


class Track(enum.Enum):
    """As SFTPGo's `track_quota`: 0, 2 and 1."""

    #: Nobody's, and no limit holds.
    OFF = "off"
    #: Of users who have a limit, and of all folders, for others may have limits there.
    LIMITED = "limited"
    ALL = "all"

    def charge(self, charge: Charge | None) -> Charge | None:
        """What remains of it."""
        if charge is None or self is Track.ALL:
            return charge
        if self is Track.OFF:
            return None
        kept = tuple(row for row in charge.domains if row[1].hold or row[0].startswith("folder:"))
        return Charge(charge.storage, kept)

"""What quotas mean for a session: who pays for its storages, and that what is there was counted before it begins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from conchgo.quota.interface import Charge, Ledger
from conchgo.quota.tracking import Track
from conchgo.sessions.counting import Counting
from conchgo.sessions.places import Places
from conchgo.sessions.storages import Storages


class Quotas:
    """`ledger` counts what changes, `counting` what is there, both as far as `track` says; `places` hear of the end of
    sessions."""

    def __init__(self, ledger: Ledger, counting: Counting, track: Track = Track.LIMITED) -> None:
        self.ledger = ledger
        self.counting = counting
        self.track = track
        self.places = Places(counting)

    def tracked(self, storages: Storages) -> Storages:
        """The same, with nobody to pay for what is not counted."""
        mounts = {
            point: replace(mount, charge=self.track.charge(mount.charge)) for point, mount in storages.mounts.items()
        }
        return replace(storages, mounts=mounts)

    def prepare(self, storages: Storages) -> Storages:
        """`tracked`, when all of it was counted. Blocks.

        Raises:
            NotBefore: that takes longer; ask again then.
            NotFound, PermissionDenied, Failure: it can't be counted.
        """
        tracked = self.tracked(storages)
        before = _domains(mount.charge for mount in storages.mounts.values())
        now = _domains(mount.charge for mount in tracked.mounts.values())
        broken = _domains(tracked.mounts[point].charge for point in tracked.broken)
        for domain in sorted(now):
            if domain not in broken or not domain.startswith("folder:"):
                self.counting.ensure(domain)
        for domain in before - now:
            # A limit may be set later: what happens till then is not counted.
            self.counting.forget(domain)
        return tracked


def _domains(charges: Iterable[Charge | None]) -> set[str]:
    return {domain for charge in charges if charge is not None for domain, _ in charge.domains}

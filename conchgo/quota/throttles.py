"""What all transfers of one user share in this worker: bandwidth, and what is left of his transfer quota."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from conchgo.accounts.bandwidth import bandwidth_of
from conchgo.accounts.model import User
from conchgo.quota.bandwidth import Bucket
from conchgo.quota.outage import Outage
from conchgo.quota.transfers import Allowance, Direction, TransferCounter, TransferLimits, Transferred

_KB: Final = 1024
_MB: Final = 1024 * 1024
#: So many are kept without a look at them.
_SWEEP: Final = 64

#: A user, and which of his networks a session comes from.
Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Way:
    """One direction."""

    bucket: Bucket
    allowance: Allowance


@dataclass(frozen=True, slots=True)
class Throttle:
    """Of a user, as he comes from one network. `key` is for `Throttles`."""

    key: Key
    upload: Way
    download: Way


class _Shared:
    """A throttle, and how many sessions have it."""

    __slots__ = ("sessions", "throttle")

    def __init__(self, throttle: Throttle) -> None:
        self.throttle = throttle
        self.sessions = 0

    @property
    def is_as_new(self) -> bool:
        throttle = self.throttle
        owes = throttle.upload.bucket.owes or throttle.download.bucket.owes
        return not (self.sessions or owes or throttle.upload.allowance.left or throttle.download.allowance.left)


class Throttles:
    """Of all users that are connected to this worker. For any thread.

    `workers_of` tells in how many workers a user is active: they share his bandwidth. It may learn that only after the
    first question.
    """

    def __init__(
        self,
        counter: TransferCounter,
        workers_of: Callable[[str], int] = lambda username: 1,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counter = counter
        self._workers_of = workers_of
        self._now = now
        self._lock = threading.Lock()
        self._shared: dict[Key, _Shared] = {}
        self._outage = Outage(now)
        self._sweep_at = _SWEEP

    def join(self, user: User, ip: str) -> Throttle | None:
        """For one session; None where nothing limits its transfers.

        Sessions of one user from one network share it, and the limits that the last one came with hold for all.
        """
        bandwidth, limits = bandwidth_of(user, ip), transfer_limits(user)
        if not (bandwidth.upload_bandwidth or bandwidth.download_bandwidth or any(limits)):
            return None
        key = user.username, bandwidth.sources
        with self._lock:
            self._sweep()
            if key not in self._shared:
                self._shared[key] = _Shared(Throttle(key, *(self._way(user.username, way) for way in Direction)))
            shared = self._shared[key]
            shared.sessions += 1
        if bandwidth.upload_bandwidth or bandwidth.download_bandwidth:
            # The answer takes a moment: it shall be there when the first transfer begins.
            self._workers_of(user.username)
        throttle = shared.throttle
        throttle.upload.bucket.rate = bandwidth.upload_bandwidth * _KB
        throttle.download.bucket.rate = bandwidth.download_bandwidth * _KB
        throttle.upload.allowance.limit(limits)
        throttle.download.allowance.limit(limits)
        return throttle

    def leave(self, throttle: Throttle) -> None:
        """The session has ended. May block.

        Raises:
            Failure: the database did not answer; what the user's sessions have left is given back by the next ones.
        """
        with self._lock:
            shared = self._shared[throttle.key]
            shared.sessions -= 1
            if shared.sessions:
                return
            gone = [one.throttle for one in self._shared.values() if not one.sessions]
        for one in gone:
            self._give_back(one.key[0], [one.upload.allowance], [one.download.allowance])

    def _way(self, username: str, direction: Direction) -> Way:
        divisor = partial(self._workers_of, username)
        reclaim = partial(self._reclaim, username)
        return Way(
            Bucket(divisor=divisor, now=self._now),
            Allowance(username, direction, self._counter, now=self._now, reclaim=reclaim, outage=self._outage),
        )

    def _reclaim(self, username: str, but: Allowance) -> bool:
        """Give back what the user's allowances have left, but for one, which needs it; whether that is anything."""
        with self._lock:
            throttles = [shared.throttle for (name, _), shared in self._shared.items() if name == username]
        uploads = [one.upload.allowance for one in throttles if one.upload.allowance is not but]
        return self._give_back(
            username, uploads, [one.download.allowance for one in throttles if one.download.allowance is not but]
        )

    def _give_back(self, username: str, uploads: Sequence[Allowance], downloads: Sequence[Allowance]) -> bool:
        """Whether they had anything left. Raises Failure: they have it still."""
        left = [[(one, one.leave()) for one in several] for several in (uploads, downloads)]
        unused = Transferred(*(sum(count for _, count in several) for several in left))
        try:
            if any(unused):
                self._counter.give_back(username, unused)
        except BaseException:
            for one, count in (*left[0], *left[1]):
                one.give_back(count)
            raise
        return any(unused)

    def _sweep(self) -> None:
        """Forget those that a new one would be like, when there are twice as many as were left the last time."""
        if len(self._shared) >= self._sweep_at:
            self._shared = {key: shared for key, shared in self._shared.items() if not shared.is_as_new}
            self._sweep_at = max(_SWEEP, 2 * len(self._shared))


def transfer_limits(user: User) -> TransferLimits:
    """Where there is a limit for both directions together, those for each of them say nothing, as in SFTPGo."""
    if user.total_data_transfer:
        return TransferLimits(total=user.total_data_transfer * _MB)
    upload, download = user.upload_data_transfer * _MB, user.download_data_transfer * _MB
    return TransferLimits(upload or None, download or None)

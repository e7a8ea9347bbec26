"""What sessions share: one throttle for a user from one network, as long as one has it or something is owed."""

from __future__ import annotations

import pytest

from conchgo.accounts.model import BandwidthLimit, Filters, User
from conchgo.errors import NotBefore, QuotaExceeded
from conchgo.quota.bandwidth import Turn
from conchgo.quota.throttles import Throttles, transfer_limits
from conchgo.quota.transfers import Direction, MemoryTransferCounter, TransferLimits, Transferred

MB = 1024 * 1024
OFFICE = Filters(bandwidth_limits=(BandwidthLimit(("192.0.2.0/24",), 0, 7),))


def user(name: str = "ada", **fields: object) -> User:
    return User(name, f"/srv/{name}", **fields)  # type: ignore[arg-type]


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def counter() -> MemoryTransferCounter:
    return MemoryTransferCounter()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def throttles(counter: MemoryTransferCounter, time: Time) -> Throttles:
    return Throttles(counter, lambda username: 2 if username == "everywhere" else 1, time)


def test_who_has_no_limit_has_no_throttle(throttles: Throttles) -> None:
    assert throttles.join(user(), "192.0.2.1") is None
    assert throttles.join(user(filters=OFFICE), "198.51.100.1") is None


def test_a_user_has_one_for_each_network_and_nobody_elses(throttles: Throttles) -> None:
    ada = user(upload_bandwidth=3, download_bandwidth=5, filters=OFFICE)
    one, other = throttles.join(ada, "198.51.100.1"), throttles.join(ada, "198.51.100.2")
    office = throttles.join(ada, "192.0.2.1")
    assert one is not None
    assert one is other
    assert one is not office
    assert (one.upload.bucket.rate, one.download.bucket.rate) == (3 * 1024, 5 * 1024)
    assert office is not None
    assert (office.upload.bucket.rate, office.download.bucket.rate) == (0, 7 * 1024)
    assert throttles.join(user("bob", upload_bandwidth=3), "198.51.100.1") not in (None, one)


def test_the_limits_of_the_last_login_hold_for_all_sessions(throttles: Throttles) -> None:
    one = throttles.join(user(upload_bandwidth=3), "::1")
    throttles.join(user(upload_bandwidth=4), "::1")
    assert one is not None
    assert one.upload.bucket.rate == 4 * 1024


def test_what_is_owed_is_owed_after_the_last_session_too(throttles: Throttles, time: Time) -> None:
    ada = user(download_bandwidth=1)
    throttle = throttles.join(ada, "::1")
    assert throttle is not None
    throttle.download.bucket.take(100 * 1024, Turn())
    throttles.leave(throttle)
    for number in range(200):
        other = throttles.join(user(f"user{number}", download_bandwidth=1), "::1")
        assert other is not None
        throttles.leave(other)

    again = throttles.join(ada, "::1")
    assert again is not None
    with pytest.raises(NotBefore):
        again.download.bucket.take(1, Turn())


def test_who_has_gone_and_owes_nothing_is_forgotten(throttles: Throttles, time: Time) -> None:
    stays = throttles.join(user(upload_bandwidth=1), "::1")
    for number in range(10_000):
        throttle = throttles.join(user(f"user{number}", upload_bandwidth=1), "::1")
        assert throttle is not None
        throttles.leave(throttle)
    assert len(throttles._shared) < 100
    assert throttles.join(user(upload_bandwidth=1), "::1") is stays


def test_the_workers_where_a_user_is_share_his_bandwidth(throttles: Throttles, time: Time) -> None:
    throttle = throttles.join(user("everywhere", upload_bandwidth=1), "::1")
    assert throttle is not None
    throttle.upload.bucket.take(1024, Turn())
    with pytest.raises(NotBefore) as wait:
        throttle.upload.bucket.take(1, Turn())
    assert 1.8 < wait.value.at - time.now < 2


@pytest.mark.parametrize(
    ("fields", "limits"),
    [
        ({}, TransferLimits()),
        ({"upload_data_transfer": 1}, TransferLimits(upload=MB)),
        ({"download_data_transfer": 2}, TransferLimits(download=2 * MB)),
        ({"upload_data_transfer": 1, "total_data_transfer": 3}, TransferLimits(total=3 * MB)),
    ],
)
def test_the_limits_of_a_user(fields: dict[str, int], limits: TransferLimits) -> None:
    assert transfer_limits(user(**fields)) == limits


def test_in_how_many_workers_a_user_is_is_asked_before_his_first_transfer(counter: MemoryTransferCounter) -> None:
    asked: list[str] = []

    def workers_of(username: str) -> int:
        asked.append(username)
        return 1

    throttles = Throttles(counter, workers_of)
    throttles.join(user("bob", upload_data_transfer=1), "192.0.2.1")
    assert asked == []
    throttles.join(user(upload_bandwidth=3), "192.0.2.1")
    assert asked == ["ada"]


def test_what_was_counted_and_not_transferred_is_given_back_by_the_last_session(
    throttles: Throttles, counter: MemoryTransferCounter
) -> None:
    ada = user(upload_data_transfer=500)
    throttle, other = throttles.join(ada, "::1"), throttles.join(ada, "::1")
    assert throttle is not None
    assert throttle is other
    throttle.upload.allowance.spend(1000)
    assert counter.transferred("ada").upload > 1000
    throttles.leave(throttle)
    assert counter.transferred("ada").upload > 1000
    throttles.leave(throttle)
    assert counter.transferred("ada") == Transferred(1000, 0)
    assert list(Direction) == [Direction.UPLOAD, Direction.DOWNLOAD]


def test_what_another_transfer_of_the_user_has_left_is_had_where_it_is_needed(
    throttles: Throttles, counter: MemoryTransferCounter
) -> None:
    ada = user(total_data_transfer=1, upload_bandwidth=1000, filters=OFFICE)
    home, office = throttles.join(ada, "198.51.100.1"), throttles.join(ada, "192.0.2.1")
    assert home is not None
    assert office is not None
    home.upload.allowance.spend(1)
    office.upload.allowance.spend(1)
    office.download.allowance.spend(1)
    assert counter.transferred("ada").upload > 2
    home.download.allowance.spend(MB - 3)
    assert counter.transferred("ada") == Transferred(2, MB - 2)
    with pytest.raises(QuotaExceeded):
        home.upload.allowance.spend(1)

"""Rate and time left, by a clock that is turned by hand."""

from __future__ import annotations

import pytest

from rag.pace import Pace
from rag.types import Progress


class Clock:
    """Shows what it was set to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_rate_and_time_left(clock: Clock) -> None:
    told: list[Progress] = []
    pace = Pace(told.append, clock=clock)
    pace.expect(3_000)
    pace.begin("가")
    clock.now += 4  # 20 passages of 1,000 characters in 4 seconds: 5 a second, and 2,000 characters take 8 more
    pace.advance(20, 1_000, "가")
    clock.now += 100  # reading files is no part of it
    pace.begin("나")
    clock.now += 4
    pace.advance(10, 1_500, "나")
    assert told == [
        Progress("embed", 0, 3_000, "가"),
        Progress("embed", 1_000, 3_000, "가", 20 / 4, 8.0),
        Progress("embed", 1_000, 3_000, "나", 20 / 4, 8.0),
        Progress("embed", 2_500, 3_000, "나", 30 / 8, 8 * 500 / 2_500),
    ]
    assert [(p.percent, p.left) for p in told] == [(0, None), (33, "0:08"), (33, "0:08"), (83, "0:02")]


def test_what_is_expected_may_change_and_be_too_little(clock: Clock) -> None:
    told: list[Progress] = []
    pace = Pace(told.append, clock=clock)
    pace.expect(500)
    pace.expect(-300)
    pace.begin("가")
    clock.now += 1
    pace.advance(1, 900, "가")
    assert told[-1] == Progress("embed", 900, 900, "가", 1.0, 0.0)


def test_what_is_told_never_goes_back(clock: Clock) -> None:
    told: list[Progress] = []
    pace = Pace(told.append, clock=clock)
    pace.expect(1_000)
    for step in range(12):
        pace.begin("가")
        clock.now += 1
        pace.advance(1, 100, "가")
        pace.expect(500 if step % 3 == 0 else -150)
    shares = [progress.done / progress.total for progress in told]
    assert shares == sorted(shares) and shares[-1] <= 1
    assert len({round(share, 2) for share in shares}) > 4  # and it does go on


def test_time_left_is_told_in_minutes_and_whole_seconds() -> None:
    assert [Progress("embed", 1, 2, left_s=left).left for left in (0.0, 0.2, 59.9, 60.0, 3_725.0, None)] == [
        "0:00", "0:01", "1:00", "1:00", "62:05", None,
    ]  # fmt: skip


def test_nobody_need_listen() -> None:
    pace = Pace()
    pace.begin("가")
    pace.advance(1, 10, "가")

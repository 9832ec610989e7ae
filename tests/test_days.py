"""Days as doubles and back in microseconds, by whole numbers of Python."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.kernels.days import MICROSECONDS_A_DAY, microseconds_of

laws = settings(max_examples=1000, deadline=None, derandomize=True)
FINE = 2**16 * MICROSECONDS_A_DAY
FAR = 10**8 * 86_400


def days_of(microseconds):
    """As columns of dates are read: the count as a double, divided."""
    return np.array(microseconds, dtype=float) / MICROSECONDS_A_DAY


@laws
@given(st.lists(st.integers(1 - FINE, FINE - 1), min_size=1))
@example([-1, 0, 1, MICROSECONDS_A_DAY - 1, -MICROSECONDS_A_DAY])
def test_microseconds_come_back(moments):
    assert microseconds_of(days_of(moments)).tolist() == moments


@laws
@given(st.lists(st.integers(-FAR, FAR) | st.integers(-(10**10), 10**10), min_size=1))
@example([5_680_281_600 + 36 * 60])  # 2150-01-01 00:36
def test_seconds_come_back_from_any_year(seconds):
    moments = [second * 1_000_000 for second in seconds]
    near = [moment for moment in moments if abs(moment) < 2**18 * MICROSECONDS_A_DAY]
    assert microseconds_of(days_of(near)).tolist() == near
    # Far from here doubles tell no seconds, but days.
    whole = [moment // MICROSECONDS_A_DAY * MICROSECONDS_A_DAY for moment in moments]
    assert microseconds_of(days_of(whole)).tolist() == whole


def test_the_year_9999_is_right_to_the_second():
    last = np.datetime64("9999-12-31T23:59:59", "us").astype(np.int64)
    assert microseconds_of(days_of([last - 59_000_000 * k for k in range(5000)])).tolist() == [
        last - 59_000_000 * k for k in range(5000)
    ]

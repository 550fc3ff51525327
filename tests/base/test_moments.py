"""Seconds as dates and times of the day: as Python's own calendar has them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protoplane.base.moments import second_of, second_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEAST, MOST = -62_135_596_800, 253_402_300_799
"""0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z."""


@given(st.integers(LEAST, MOST) | st.sampled_from([LEAST, -1, 0, 951_782_399, 951_782_400, MOST]))
def test_a_second_is_written_as_the_calendar_has_it_and_read_back(seconds: int) -> None:
    text = second_text(seconds, "T")
    assert f"{text}+00:00" == (EPOCH + timedelta(seconds=seconds)).isoformat()
    assert second_text(seconds, " ") == text.replace("T", " ")
    assert second_of(f"{text}Z") == seconds


@pytest.mark.parametrize("seconds", [LEAST - 1, MOST + 1, -(10**12), 10**12])
def test_a_second_of_no_year_is_refused(seconds: int) -> None:
    with pytest.raises(OverflowError):
        second_text(seconds, "T")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2013-02-29T00:00:00Z",
        "2013-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2013-W01-1T00:00:00Z",
        "2013-01-01T24:00:00Z",
        "2013-01-01T00:60:00Z",
        "2013-01-01T00:00:60Z",
        "2013-01-01T0\u0660:00:00Z",
        "201\u0663-01-01T00:00:00Z",
        "2013-01-01t00:00:00Z",
        "2013-01-01T00:00:00z",
        "2013-01-01T00:00:00 ",
        "2013-01-01T00:00:0Z",
        "2013-01-01T00:00:00ZZ",
    ],
)
def test_any_other_text_is_none(text: str) -> None:
    assert second_of(text) is None

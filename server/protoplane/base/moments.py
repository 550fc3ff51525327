"""Seconds since 1970 as the date and the time of day in UTC, and back: quick for the many of a table, whichever days they are of."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Final

DAY_SECONDS: Final = 86_400
_EPOCH: Final = date(1970, 1, 1).toordinal()
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DAYS_KEPT: Final = 4_096
_MINUTES: Final = tuple(f"{hour:02d}:{minute:02d}:" for hour in range(24) for minute in range(60))
_SECONDS: Final = tuple(f"{second:02d}" for second in range(60))
_MINUTE_OF: Final = {text: 60 * minute for minute, text in enumerate(_MINUTES)}
_SECOND_OF: Final = {text: second for second, text in enumerate(_SECONDS)}


def second_text(seconds: int, between: str) -> str:
    """`2013-01-31T12:00:00`, with what stands between date and time. Raises OverflowError outside of the years 0001 to 9999."""
    minute, second = divmod(seconds, 60)
    day, minute = divmod(minute, 1_440)
    return f"{_date_text(day)}{between}{_MINUTES[minute]}{_SECONDS[second]}"


def second_of(text: str) -> int | None:
    """The seconds of exactly `2013-01-31T12:00:00Z`; None for any other text, a time in another form or none."""
    if len(text) != 20 or text[10] != "T" or text[19] != "Z":  # noqa: PLR2004 - its length.
        return None
    day, minute, second = _day_of(text[:10]), _MINUTE_OF.get(text[11:17]), _SECOND_OF.get(text[17:19])
    return None if day is None or minute is None or second is None else day + minute + second


@lru_cache(_DAYS_KEPT)
def _date_text(day: int) -> str:
    try:
        return date.fromordinal(_EPOCH + day).isoformat()
    except ValueError as problem:
        raise OverflowError("not within the years 0001 to 9999") from problem


@lru_cache(_DAYS_KEPT)
def _day_of(text: str) -> int | None:
    """Seconds at which a day begins; None for no day."""
    try:
        return (date.fromisoformat(text).toordinal() - _EPOCH) * DAY_SECONDS if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def moment_text(micros: int) -> str:
    """`2013-01-31T12:00:00.000001Z`. Raises OverflowError outside of the years 0001 to 9999."""
    seconds, rest = divmod(micros, 1_000_000)
    return f"{second_text(seconds, 'T')}.{rest:06}Z"

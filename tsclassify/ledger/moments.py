"""Moments and spans of time: aware datetimes in, microseconds of UTC inside, ISO 8601 out."""

from __future__ import annotations

import datetime as dt
from typing import Final

from tsclassify.errors import InputError

__all__ = ["DAY", "HOUR", "aware", "iso", "micros", "moment", "span_words"]

HOUR: Final = 3_600_000_000
"""Microseconds."""
DAY: Final = 24 * HOUR
"""Microseconds of an absolute day: windows count elapsed time, so a change of clocks neither adds nor takes an hour."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_FIRST: Final = (dt.datetime.min.replace(tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND
_LAST: Final = (dt.datetime.max.replace(tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND


def moment(value: dt.datetime | str, place: str) -> dt.datetime:
    """An aware datetime from a datetime or an ISO 8601 string.

    Parameters
    ----------
    value
        Must carry an offset (``Z`` counts); a moment without one names no instant.
    place
        Whom to name in the error.

    Raises
    ------
    InputError
        When the value is no moment, has no offset, or lies outside the years 1 to 9999 in UTC.
    """
    if isinstance(value, str):
        length = len(value)
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            raise InputError(
                f"{place}: time must be ISO 8601, got a string of {length} characters",
                hint="write it like 2021-01-08T10:00:00Z",
            ) from None
    if not isinstance(value, dt.datetime):
        raise InputError(f"{place}: time must be a datetime or an ISO 8601 string, got {type(value).__name__}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InputError(
            f"{place}: time must carry an offset, got a naive one", hint="add Z or an offset such as +01:00"
        )
    if not dt.MINYEAR < value.year < dt.MAXYEAR:
        try:
            value.astimezone(dt.UTC)
        except OverflowError:
            raise InputError(f"{place}: time must lie in the years 1 to 9999 of UTC, got one outside") from None
    return value


def micros(value: dt.datetime) -> int:
    """Microseconds since 1970 in UTC; exact, because no float is involved."""
    return (value - _EPOCH) // _MICROSECOND


def aware(value: int) -> dt.datetime:
    """The aware datetime in UTC of a count of microseconds; an end beyond the year 9999 is its end."""
    return _EPOCH + dt.timedelta(microseconds=max(_FIRST, min(value, _LAST)))


def iso(value: int | None) -> str | None:
    """ISO 8601 in UTC with a ``Z``, or None."""
    return None if value is None else aware(value).isoformat().replace("+00:00", "Z")


def span_words(span: int) -> str:
    """A span of microseconds in words, in the largest unit that reads well."""
    if abs(span) >= 2 * DAY:
        return f"{span / DAY:.3g} days"
    if abs(span) >= 2 * HOUR:
        return f"{span / HOUR:.3g} hours"
    return f"{span / 60_000_000:.3g} minutes"

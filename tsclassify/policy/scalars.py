"""Small values of the policy language: names, durations, dates, shares."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

__all__ = [
    "Date",
    "Duration",
    "Name",
    "Names",
    "Probability",
    "Text",
    "Url",
    "duration_text",
    "number_or_word",
]

_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([smhdw])", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_NAME: Final = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"


def _parse_duration(value: Any) -> Any:
    if isinstance(value, dt.timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError("duration", "must be a duration such as 90s, 15m, 24h, 30d or 4w")
    return dt.timedelta(seconds=int(match[1]) * _UNIT_S[match[2]])


def _parse_date(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass
    raise PydanticCustomError("date", "must be a date such as 2021-07-01")


def number_or_word(words: tuple[str, ...]) -> Any:
    """An annotation for a number in [0, 1] or one of `words`."""
    choices = ", ".join(words)

    def parse(value: Any) -> Any:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if (is_number and 0.0 <= value <= 1.0) or (isinstance(value, str) and value in words):
            return value
        raise PydanticCustomError(
            "number_or_word", "must be a number from 0 to 1 or one of {choices}", {"choices": choices}
        )

    schema = {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"enum": list(words)}]}
    return Annotated[float | str, PlainValidator(parse), WithJsonSchema(schema)]


def duration_text(value: dt.timedelta) -> str:
    """A duration in the largest unit that divides it.

    Examples
    --------
    >>> duration_text(dt.timedelta(hours=48)), duration_text(dt.timedelta(minutes=90))
    ('2d', '90m')
    """
    seconds = int(value.total_seconds())
    for unit in ("w", "d", "h", "m"):
        if seconds % _UNIT_S[unit] == 0 and (unit != "w" or seconds >= 4 * _UNIT_S["w"]):
            return f"{seconds // _UNIT_S[unit]}{unit}"
    return f"{seconds}s"


Name = Annotated[str, Field(pattern=_NAME)]
"""A name: a letter, then letters, digits, ``_``, ``-`` or ``.``, at most 64."""

Names = Annotated[
    tuple[Name, ...],
    Field(min_length=1),
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _NAME},
                {"type": "array", "items": {"type": "string", "pattern": _NAME}, "minItems": 1},
            ]
        }
    ),
]
"""One name or a list of names."""

Text = Annotated[str, Field(min_length=1, max_length=2000)]
"""A sentence or a short paragraph."""

Url = Annotated[str, Field(pattern=r"^https://[^\s]{3,500}$")]
"""A web address."""

Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
"""A number in [0, 1]."""

Duration = Annotated[
    dt.timedelta,
    BeforeValidator(_parse_duration),
    PlainSerializer(duration_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,5}[smhdw]$", "examples": ["24h", "180d"]}),
]
"""A length of time: ``90s``, ``15m``, ``24h``, ``30d``, ``4w``."""

Date = Annotated[
    dt.date,
    BeforeValidator(_parse_date),
    PlainSerializer(dt.date.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "format": "date"}),
]
"""A calendar date."""

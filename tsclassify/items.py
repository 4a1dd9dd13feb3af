"""What a caller may pass as an item, checked before anything is computed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final

from tsclassify.errors import InputError
from tsclassify.taxonomy import SIGNALS

__all__ = ["act_time", "check_item", "label_of", "parse_at", "time_of"]

_MILLISECONDS_FROM: Final = 1e11
_EPOCH: Final = re.compile(r"-?[0-9]{5,17}(?:\.[0-9]{1,9})?")


def check_item(position: int, item: Mapping[str, Any]) -> None:
    """Refuse an item without a text, or with a field of the wrong type.

    Raises
    ------
    InputError
        Naming the item's position and the field, never what it holds.
    """
    where = f"items: item {position}"
    if not isinstance(item, Mapping):
        raise InputError(f"{where} must be a mapping, got {type(item).__name__}")
    if not isinstance(item.get("text"), str):
        raise InputError(f"{where} must have text of type str, got {type(item.get('text')).__name__}")
    for name in ("actor", "tenant"):
        value = item.get(name)
        if not isinstance(value, str | int | float | None) or isinstance(value, bool):
            raise InputError(f"{where}: {name} must be a string or a number, got {type(value).__name__}")
    signals = item.get("signals")
    if not isinstance(signals, Mapping | None):
        raise InputError(f"{where}: signals must be a mapping, got {type(signals).__name__}")
    for name, value in (signals or {}).items():
        if name not in SIGNALS:
            raise InputError(f"{where}: signal must be one of {', '.join(SIGNALS)}, got {name!r}")
        if not (value is None or isinstance(value, bool)):
            raise InputError(f"{where}: signal {name} must be true, false or null, got {type(value).__name__}")


def time_of(value: object) -> dt.datetime | None:
    """A time from ISO 8601 or a datetime, in UTC where it states no offset; None when it is neither."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, dt.datetime):
        return None
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value


def act_time(at: object) -> dt.datetime | None:
    """The time of an act as items state it; None when it is no time.

    One rule for all readers: ISO 8601, in UTC where it states no offset; or a number, also as digits, of seconds
    since 1970, of milliseconds from 100,000,000,000 on.

    Examples
    --------
    >>> act_time("2021-01-08T10:00:00") == act_time(1610100000) == act_time("1610100000000")
    True
    """
    if isinstance(at, str) and _EPOCH.fullmatch(at):
        at = float(at)
    if isinstance(at, int | float) and not isinstance(at, bool):
        try:
            return dt.datetime.fromtimestamp(at / 1000 if abs(at) >= _MILLISECONDS_FROM else at, dt.UTC)
        except (ValueError, OverflowError, OSError):
            return None
    return time_of(at)


def parse_at(position: int, at: object) -> dt.datetime | None:
    """Time of an item, by the rule of ``act_time``; None stays None.

    Raises
    ------
    InputError
        When it is no time.
    """
    if at is None:
        return None
    found = act_time(at)
    if found is None:
        got = f"{len(at)} other characters" if isinstance(at, str) else type(at).__name__
        raise InputError(f"items: item {position}: at must be a time in ISO 8601 or seconds since 1970, got {got}")
    return found


def label_of(value: str | int | float | None) -> str | None:
    """An id, an actor or a tenant as a string; a number as it is written."""
    return value if value is None else str(value)

"""What a caller may pass as an item, checked before anything is computed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from tsclassify.errors import InputError
from tsclassify.taxonomy import SIGNALS

__all__ = ["check_item", "parse_at", "time_of"]


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
        if not isinstance(item.get(name), str | None):
            raise InputError(f"{where}: {name} must be str, got {type(item[name]).__name__}")
    signals = item.get("signals")
    if not isinstance(signals, Mapping | None):
        raise InputError(f"{where}: signals must be a mapping, got {type(signals).__name__}")
    for name, value in (signals or {}).items():
        if name not in SIGNALS:
            raise InputError(f"{where}: signal must be one of {', '.join(SIGNALS)}, got {name!r}")
        if not (value is None or isinstance(value, bool)):
            raise InputError(f"{where}: signal {name} must be true, false or null, got {type(value).__name__}")


def time_of(value: object) -> dt.datetime | None:
    """A time with an offset, from ISO 8601 or an aware datetime; None when it is neither."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, dt.datetime) and value.tzinfo is not None else None


def parse_at(position: int, at: object) -> dt.datetime | None:
    """Time of an item: ISO 8601 with an offset, or an aware datetime.

    Raises
    ------
    InputError
        When it is neither.
    """
    if at is None:
        return None
    if isinstance(at, str):
        length = len(at)
        try:
            at = dt.datetime.fromisoformat(at)
        except ValueError:
            raise InputError(f"items: item {position}: at must be ISO 8601, got {length} other characters") from None
    if not isinstance(at, dt.datetime) or at.tzinfo is None:
        raise InputError(f"items: item {position}: at must be a time with an offset, got {type(at).__name__} without")
    return at

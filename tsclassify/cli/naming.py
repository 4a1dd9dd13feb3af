"""``--fields``: names in the input, by the part that is meant."""

from __future__ import annotations

from tsclassify.errors import InputError

__all__ = ["parse_fields"]


def parse_fields(given: str) -> dict[str, str]:
    """``"text=body,id=user.id"`` as a mapping of part to name.

    Raises
    ------
    InputError
        When a pair lacks its sign or its name.
    """
    renamed: dict[str, str] = {}
    for pair in filter(None, given.split(",")):
        part, mark, name = pair.partition("=")
        if not mark or not name:
            raise InputError(f"fields: must read PART=NAME, got {pair!r}")
        renamed[part.strip()] = name
    return renamed

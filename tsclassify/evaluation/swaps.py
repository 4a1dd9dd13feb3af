"""Counterfactuals: the same post about another side, name, group or company.

A swap list (``seeds/swaps/*.toml``) holds sets of aligned terms and templates. Counterfactuals come from the
templates, and from real rows that hold a term; all counterfactuals of one post should score alike.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tsclassify.errors import InputError
from tsclassify.resources import shipped

__all__ = ["SWAP_LISTS", "Counterfactuals", "SwapList", "load_swaps", "row_counterfactuals", "template_counterfactuals"]

SWAP_LISTS = ("politics", "names", "identity", "facilities")
"""The shipped lists."""

_SLOT = "{term}"
_ARTICLE = "the "


@dataclass(frozen=True, slots=True)
class SwapSet:
    """Aligned terms: the i-th of each group takes the place of the i-th of any other.

    ``in_rows`` is false for words with other meanings ("black car"), which are swapped in templates only.
    """

    id: str
    groups: Mapping[str, tuple[str, ...]]
    in_rows: bool = True


@dataclass(frozen=True, slots=True)
class SwapList:
    """One file of sets and templates; a template is (set id, text with ``{term}``)."""

    name: str
    title: str
    sets: tuple[SwapSet, ...]
    templates: tuple[tuple[str, str], ...]

    def terms(self) -> dict[str, tuple[str, ...]]:
        """Group to all its terms, over all sets."""
        out: dict[str, list[str]] = {}
        for swap_set in self.sets:
            for group, terms in swap_set.groups.items():
                out.setdefault(group, []).extend(terms)
        return {group: tuple(dict.fromkeys(terms)) for group, terms in out.items()}


@dataclass(frozen=True, slots=True)
class Counterfactuals:
    """Texts that differ in the swapped terms alone.

    Attributes
    ----------
    key
        The template's text, or the id of the row.
    groups, terms, texts
        One entry per twin: the group it speaks of, the term, and the text.
    from_template
        Whether the texts are the project's own.
    """

    key: str
    groups: tuple[str, ...]
    terms: tuple[str, ...]
    texts: tuple[str, ...]
    from_template: bool


def load_swaps(name_or_path: str | Path) -> SwapList:
    """Read a shipped list by name, or any file in the same form.

    Raises
    ------
    InputError
        When the file is missing or has a fault; the message names the set or template.
    """
    name = str(name_or_path)
    path = shipped("seeds", "swaps", f"{name}.toml") if name in SWAP_LISTS else Path(name_or_path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"swaps: list must be one of {', '.join(SWAP_LISTS)} or a file, got {name!r}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f"{path.name}: file must be TOML, got a fault: {str(error)[:1].lower()}{str(error)[1:]}"
        ) from None
    stray = sorted(set(raw) - {"title", "note", "sets", "templates"})
    if stray:
        raise InputError(f"{path.name}: list must have keys title, note, templates and sets, got {stray[0]!r}")
    sets = []
    for entry in raw.get("sets", []):
        stray = sorted(set(entry) - {"id", "rows", "groups"})
        if stray or "id" not in entry:
            got = repr(stray[0]) if stray else "no id"
            raise InputError(
                f"{path.name}: set {entry.get('id', '?')!r} must have keys id, rows and groups, got {got}",
                hint="in TOML, templates must stand above the first [[sets]]" if "templates" in stray else "",
            )
        groups = {group: tuple(terms) for group, terms in entry.get("groups", {}).items()}
        if len(groups) < 2 or len({len(terms) for terms in groups.values()}) != 1:
            raise InputError(
                f"{path.name}: set {entry.get('id', '?')!r} must have two or more groups of equally many terms"
            )
        sets.append(SwapSet(str(entry["id"]), groups, bool(entry.get("rows", True))))
    known = {swap_set.id for swap_set in sets}
    templates = []
    for number, entry in enumerate(raw.get("templates", [])):
        if entry.get("set") not in known or _SLOT not in entry.get("text", ""):
            raise InputError(f"{path.name}: template {number} must name a set and hold {_SLOT}")
        templates.append((entry["set"], entry["text"]))
    if not sets:
        raise InputError(f"{path.name}: list must have at least one set, got none")
    return SwapList(path.stem, str(raw.get("title", path.stem)), tuple(sets), tuple(templates))


def template_counterfactuals(swaps: SwapList) -> list[Counterfactuals]:
    """Fill every template with every aligned row of its set's terms."""
    sets = {swap_set.id: swap_set for swap_set in swaps.sets}
    counterfactuals = []
    for set_id, text in swaps.templates:
        groups = sets[set_id].groups
        for terms in zip(*groups.values(), strict=True):
            before = text.partition(_SLOT)[0]
            filled = tuple(_capital(text.replace(_SLOT, _after(before, term)), text) for term in terms)
            counterfactuals.append(Counterfactuals(text, tuple(groups), terms, filled, from_template=True))
    return counterfactuals


def _after(before: str, term: str) -> str:
    """The term as it follows some text: an article that stands there already is not said twice."""
    is_double = before.lower().endswith(_ARTICLE) and term.lower().startswith(_ARTICLE)
    return term[len(_ARTICLE) :] if is_double else term


def _capital(filled: str, template: str) -> str:
    return filled[:1].upper() + filled[1:] if template.startswith(_SLOT) else filled


def row_counterfactuals(
    swaps: SwapList, ids: Sequence[str], texts: Sequence[str], *, limit: int = 2000
) -> list[Counterfactuals]:
    """Swap terms in real rows: the row's first group changes places with every other group.

    Parameters
    ----------
    swaps
        The list.
    ids, texts
        The rows.
    limit
        Most rows taken per set, in the given order.

    Returns
    -------
    list
        One entry per row and set; a row that names two groups gets them exchanged, both ways at once, so
        that no twin speaks of one group twice.
    """
    counterfactuals = []
    for swap_set in (one for one in swaps.sets if one.in_rows):
        place = {term.lower(): (group, i) for group, terms in swap_set.groups.items() for i, term in enumerate(terms)}
        longest_first = sorted(place, key=len, reverse=True)
        pattern = re.compile(
            r"(?<!\w)(?:" + "|".join(re.escape(term) for term in longest_first) + r")(?!\w)", re.IGNORECASE
        )
        taken = 0
        for key, text in zip(ids, texts, strict=True):
            match = pattern.search(text)
            if match is None:
                continue
            own, index = place[match.group().lower()]
            others = [group for group in swap_set.groups if group != own]
            versions = [_exchange(pattern, text, place, swap_set.groups, own, other) for other in others]
            terms = [swap_set.groups[group][index] for group in (own, *others)]
            counterfactuals.append(
                Counterfactuals(str(key), (own, *others), tuple(terms), (text, *versions), from_template=False)
            )
            taken += 1
            if taken == limit:
                break
    return counterfactuals


def _exchange(
    pattern: re.Pattern[str],
    text: str,
    place: Mapping[str, tuple[str, int]],
    groups: Mapping[str, tuple[str, ...]],
    own: str,
    other: str,
) -> str:
    def swap(match: re.Match[str]) -> str:
        group, index = place[match.group().lower()]
        if group not in (own, other):
            return match.group()
        term = _after(text[: match.start()], groups[other if group == own else own][index])
        written = match.group()
        if written.isupper() and len(written) > 1:
            return term.upper()
        if written.islower():
            return term.lower()
        return term[:1].upper() + term[1:]

    return pattern.sub(swap, text)

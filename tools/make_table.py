"""Build ``charmap.npz``, the per-code-point table of normalization. Run once per Unicode version, by hand.

``python tools/make_table.py`` needs ``confusable-homoglyphs`` (Unicode confusables) and ``emoji``
(CLDR short names); the table it writes is shipped, so that scores never depend on the user's Python.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from pathlib import Path
from typing import Any, Final

import numpy as np

__all__ = ["build", "main"]

LETTER: Final = 1
DIGIT: Final = 2
APOSTROPHE: Final = 3
EMOJI: Final = 4
SPACE: Final = 5

EXPANDS: Final = 8
DROPPED: Final = 16
DISGUISED: Final = 32

_APOSTROPHES: Final = frozenset("'`´‘’‛ʼʻʹ′＇ʾʿ")
_QUOTES: Final = frozenset('"“”„‟«»″＂〝〞❝❞')
_NEVER_EMOJI: Final = frozenset("©®™#*0123456789")
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_OVERLAYS: Final = range(0x0334, 0x0339)
_HANGUL: Final = range(0xAC00, 0xD7A4)
_STYLED: Final = (
    range(0x1D400, 0x1D800),  # mathematical alphanumerics
    range(0xFF21, 0xFF5B),  # full width
    range(0x2460, 0x24EA),  # enclosed
    range(0x1F110, 0x1F18A),  # squared and negative
)
_LATIN_VARIANT: Final = re.compile(
    r"LATIN (?:SMALL LETTER|CAPITAL LETTER|LETTER SMALL CAPITAL|SMALL LETTER DOTLESS|SMALL LETTER SCRIPT)"
    r" ([A-Z])(?: WITH .+)?$"
)
_ENCLOSED: Final = re.compile(r"(?:NEGATIVE|CROSSED NEGATIVE) (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER ([A-Z])$")


def _read_confusables() -> dict[str, list[str]]:
    import confusable_homoglyphs  # type: ignore[import-not-found]

    path = Path(confusable_homoglyphs.__file__).with_name("confusables.json")
    raw: dict[str, list[dict[str, str]]] = json.loads(path.read_text(encoding="utf-8"))
    return {char: [twin["c"] for twin in twins] for char, twins in raw.items()}


def _latin_twin(char: str, confusables: dict[str, list[str]]) -> str:
    """The ASCII letter that `char` looks like, in lower case, or empty; the lower-case form is asked first."""
    for form in (char, char.upper()):
        if len(form) != 1:
            continue
        twins = [twin for twin in confusables.get(form, []) if len(twin) == 1 and twin.isascii() and twin.isalpha()]
        if twins:
            # Unicode lists l, I and 1 as one shape; of several letters take the one in the case that was asked.
            same_case = [twin for twin in twins if twin.islower() == (form == char)]
            return sorted(same_case or twins)[0].lower()
    return ""


def _compatible(char: str, confusables: dict[str, list[str]]) -> str:
    """Decompose, fold case, drop marks and fold Latin variants of one code point, to a fixed point."""
    if ord(char) in _HANGUL or char in _APOSTROPHES or char in _QUOTES:
        return "'" if char in _APOSTROPHES else '"' if char in _QUOTES else char
    text = char
    for _ in range(4):
        enclosed = _ENCLOSED.match(unicodedata.name(text, "")) if len(text) == 1 else None
        text = enclosed[1] if enclosed else text
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        kept = []
        for part in text:
            category = unicodedata.category(part)
            if category in ("Mn", "Me", "Cf"):
                continue
            if part in _APOSTROPHES or part in _QUOTES:
                kept.append("'" if part in _APOSTROPHES else '"')
            elif category == "Nd":
                kept.append(str(unicodedata.digit(part)))
            elif not part.isascii() and unicodedata.name(part, "").startswith("LATIN"):
                variant = _LATIN_VARIANT.match(unicodedata.name(part))
                kept.append(variant[1].lower() if variant else _latin_twin(part, confusables) or part)
            else:
                kept.append(part)
        if "".join(kept) == text:
            break
        text = "".join(kept)
    return text


def _kind(char: str, emoji_names: dict[str, str]) -> int:
    category = unicodedata.category(char)
    if char == "'":
        return APOSTROPHE
    if char.isascii() and char.isdigit():
        return DIGIT
    if category in ("Zs", "Zl", "Zp"):
        return SPACE
    if category in ("Ll", "Lu", "Lt", "Lm", "Lo", "Mc", "Nl"):
        return LETTER
    if char in emoji_names and char not in _NEVER_EMOJI:
        return EMOJI
    return 0


def build() -> dict[str, Any]:
    """The arrays of the table: a two-stage index, expansions, look-alikes and emoji names."""
    import emoji  # type: ignore[import-not-found]

    confusables = _read_confusables()
    names = {char: entry["en"].strip(":") for char, entry in emoji.EMOJI_DATA.items() if len(char) == 1}
    for number in range(26):
        names[chr(0x1F1E6 + number)] = f"regional_indicator_{chr(97 + number)}"
    entries = np.zeros(0x110000, dtype=np.uint32)
    expansions: list[int] = []
    known: dict[str, int] = {}
    twins: dict[int, int] = {}
    for code in range(0x110000):
        char = chr(code)
        category = unicodedata.category(char)
        if category in ("Mn", "Me", "Cf") or code in _SKIN_TONES:
            is_disguise = category == "Cf" or code in _OVERLAYS
            entries[code] = DROPPED | (DISGUISED if is_disguise else 0)
            continue
        target = char if category in ("Cc", "Cs", "Cn", "Co") else _compatible(char, confusables)
        if char in names and not target.isascii():
            target = char
        if not target:
            entries[code] = DROPPED
            continue
        disguised = DISGUISED if target.isascii() and any(code in block for block in _STYLED) else 0
        if len(target) == 1:
            # Payload 0 says "itself", so that blocks of equal kind are stored once.
            payload = 0 if target == char else ord(target)
            entries[code] = _kind(target, names) | disguised | payload << 8
            if target == char and entries[code] & 7 == LETTER and not char.isascii():
                twin = "l" if char == "ӏ" else _latin_twin(char, confusables)
                if twin and not unicodedata.name(char, "").startswith("LATIN"):
                    twins[code] = ord(twin)
            continue
        if target not in known:
            known[target] = len(expansions)
            expansions += [len(target), *map(ord, target)]
        entries[code] = EXPANDS | disguised | known[target] << 8
    blocks, index = np.unique(entries.reshape(-1, 256), axis=0, return_inverse=True)
    return {
        "index": index.reshape(-1).astype(np.uint16),
        "entries": blocks.reshape(-1).astype(np.uint32),
        "expansions": np.array(expansions, dtype=np.uint32),
        "twin_codes": np.array(sorted(twins), dtype=np.uint32),
        "twin_letters": np.array([twins[code] for code in sorted(twins)], dtype=np.uint32),
        "versions": np.array(
            [f"unicode {unicodedata.unidata_version}", "confusable-homoglyphs 3.3.1", f"emoji {emoji.__version__}"]
        ),
    }


def main() -> int:
    """Write the table into the package."""
    arrays = build()
    path = Path(__file__).resolve().parents[1] / "tsclassify" / "text" / "charmap.npz"
    np.savez_compressed(path, **arrays)
    sys.stdout.write(f"{path.name}: {', '.join(arrays['versions'])}, {path.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

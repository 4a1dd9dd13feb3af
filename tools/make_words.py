"""Build ``words.npz``, the frequencies of the word model. Run by hand when the sources change.

``python tools/make_words.py`` counts the words of the training texts and writes hashes of single words with their
frequency, and nothing of the texts.
"""

from __future__ import annotations

import html
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from tsclassify.data.raw import exclusion_key, exclusions, raw_rows
from tsclassify.data.registry import registered_files
from tsclassify.text import words

__all__ = ["costs_of", "main"]

_SHORT: Final = frozenset(
    re.findall(r"\w+", "a i am an as at be by do go he hi if im in is it me my no of oh ok on or so to up us we ya yo")
)
"""Words of one and two letters: what else is as short is no word of its own in words run together."""

_OTHER_LANGUAGES: Final = "tatoeba"
_LEAST_TEXTS: Final = {3: 60}
_LEAST_SOURCES: Final = {3: 6}
_NO_WORDS: Final = re.compile(r"https?://\S+|www\.\S+|[@#]\w+|\S+@\S+")
_WORDS: Final = re.compile(r"(?<!\w)[A-Za-z][A-Za-z']*(?!\w)")
_REPEATED: Final = re.compile(r"(.)\1\1")
_VOWELS: Final = re.compile(r"[aeiouy]")


def _words_of(text: str) -> list[str]:
    plain = _NO_WORDS.sub(" ", html.unescape(text)).replace("\u2019", "'")
    return [word.replace("'", "").lower() for word in _WORDS.findall(plain)]


def _is_word(word: str, n_texts: int, n_sources: int) -> bool:
    if len(word) <= 2:
        return word in _SHORT
    if len(word) > words.LONGEST or _REPEATED.search(word) or (len(word) > 3 and not _VOWELS.search(word)):
        return False
    return n_texts >= _LEAST_TEXTS.get(len(word), 5) and n_sources >= _LEAST_SOURCES.get(len(word), 3)


def costs_of(sources: Iterable[Iterable[str]]) -> dict[str, int]:
    """Cost of each word that several sources use.

    Parameters
    ----------
    sources
        The texts of each source.

    Returns
    -------
    dict
        Word of letters a to z to eight times the negative logarithm of its share of all words, 1 to 255.
    """
    counts: Counter[str] = Counter()
    n_texts: Counter[str] = Counter()
    n_sources: Counter[str] = Counter()
    for texts in sources:
        own: Counter[str] = Counter()
        for text in texts:
            found = _words_of(text)
            counts.update(found)
            own.update(set(found))
        n_texts.update(own)
        n_sources.update(own.keys())
    total = counts.total()
    return {
        word: max(1, min(255, round(-8 * math.log(counts[word] / total))))
        for word in counts
        if _is_word(word, n_texts[word], n_sources[word])
    }


def _texts_of(source: str) -> Iterable[str]:
    kept_out = exclusions()
    return (row.text for row in raw_rows(source) if exclusion_key(row.text) not in kept_out)


def main() -> int:
    """Write the table beside the module that reads it."""
    names = dict.fromkeys(file.name for file in registered_files() if file.use == "train")
    costs = costs_of(_texts_of(name) for name in names if name != _OTHER_LANGUAGES)
    path = Path(words.__file__).with_name("words.npz")
    np.savez_compressed(path, table=words.make_table(costs))
    sys.stdout.write(f"{path.name}: {len(costs)} words, {path.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

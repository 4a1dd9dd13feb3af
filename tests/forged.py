"""Words made to share a hash with others: the hash of a token can be run backwards, and met in the middle.

With two code points forward from the seed and two or three backward from the hash wanted, some 10**8 states on each
side, a word is found in seconds; the tests compute the hash of every one.
"""

from __future__ import annotations

from itertools import product
from typing import Final

from tsclassify.features import hashing
from tsclassify.features.hashing import mix, text_hash

__all__ = ["AS_OTHER_FEATURE", "LISTED", "SAME", "one_hash"]

LISTED: Final = {
    "trigger": "\u7427\u8dfa\u6741\u8cd6",
    "cocktail": "\u7144\u7b5b\u5cfa\u8529",
    "refused": "\u9758\u51bd\u914b\u855c",
    "italian": "\u6a43\u6da0\u721a\u5757",
    "traditionalist": "\u609a\u6712\u6bd5\u59a7",
    "schools": "\u5940\u6722\u933c\u9080",
}
"""Words of the shipped lexicon, of groups that mask, back off and negate, to a word with the same hash."""

SAME: Final = {"zorp": ("\u4f3d\u912c\u7f5b\u84d9\u6c5c", "\u53f3\u5058\u8dad\u9b0e\u67e5")}
"""A word of no group to two words with the same hash."""

AS_OTHER_FEATURE: Final = {
    "\u92cd\u9656\u6653\u7d97\u522d": text_hash("zorp") ^ hashing.SEED_NEGATED ^ hashing.SEED_WORD,
    "\u8562\u6afd\u8c07\u9eab\u5290": text_hash("zorp") ^ hashing.SEED_NEGATED ^ hashing.SEED_WORD,
    "\u753e\u73bd\u8212\u5bbd\u84fd": mix(hashing.SEED_WORD, text_hash("zorp"))
    ^ mix(mix(hashing.SEED_SKIP, 2), text_hash("zorp"))
    ^ text_hash("blick"),
    "\u9944\u8afa\u6c96\u7df4\u5290": hashing.MARK_END,
}
"""Words whose hash makes a feature equal to one of another kind: alone to a negated "zorp", after "zorp" to the pair of
"zorp" and "blick", and to the mark of the end."""

_STEPS: Final = (
    ("\u51c0\u8f13\u79c9\u6eb7", "\u9f44\u9c79\u83c5\u9d49"),
    ("\u8c47\u90d2\u877e\u4e4f", "\u5153\u5e60\u7049\u9f68"),
    ("\u9e3f\u8489\u9d00\u8d1c", "\u731b\u5248\u4e68\u5f69"),
    ("\u6dc3\u7872\u948e\u85c1", "\u8a06\u9d92\u8fc3\u5134"),
    ("\u891d\u9837\u5575\u531c", "\u98ed\u8fe6\u9984\u8cb6"),
    ("\u7215\u979c\u5728\u5f93", "\u9b19\u8f89\u538a\u695e"),
    ("\u57a6\u78df\u719e\u6703", "\u7cab\u9d00\u8f2b\u9577"),
    ("\u894b\u82e2\u83d4\u5b99", "\u566a\u9e40\u533d\u608d"),
    ("\u9ccc\u521e\u6d9b\u70d7", "\u7609\u55c4\u5059\u7756"),
    ("\u8e38\u9baa\u6152\u674c", "\u5021\u97cf\u91d6\u87c2"),
    ("\u8250\u8ad5\u8f31\u5117", "\u9de8\u7d48\u6788\u9b69"),
)


def one_hash(n: int) -> list[str]:
    """Words that all share one hash, up to 2,048: each step leads to the same state in two ways."""
    return ["".join(steps) for steps, _ in zip(product(*_STEPS), range(n), strict=False)]

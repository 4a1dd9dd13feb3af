"""What is fuzzed. A target returns a function from bytes to nothing; it raises when a promise is broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzz.loaders import bundle, ledger, policy
from tests.fuzz.target import Target, Unavailable
from tsclassify.errors import BundleError

__all__ = ["TARGETS", "Target", "Unavailable"]


POSTS = [
    b'{"id":"1","text":"the zorp said \\"hi\\" \\u00e9 \\ud83d\\ude00","n":-1.5e+10,"d":[1,{"x":null}],"t":true}',
    '{"text":"naïve 😀 z0rp z o r p https://example.org @blick #tag 142,460","signals":{"specific":true}}'.encode(),
    b'{"tsclassify":{"tier":"none"},"text":""}\n\n{"text":"a"}\r\n',
]
TEXTS = [
    b"the zorp went to the river at 12:30",
    "Z0RP z-o-r-p z o r p ｚｏｒｐ zоrp 😀👨‍👩‍👧 https://example.org @blick a@example.org 142,460".encode(),
    "i̇ﬁ\u200bx\u0301\u0301 \u202ereversed\u202c ARABIC عربى 漢字 ".encode(),
]


def scanner() -> Target:
    """The compiled scanner answers as the strict parser, row by row."""
    from tsclassify.io.blocks import Block
    from tsclassify.io.lines import LineScanner, reject_record
    from tsclassify.io.strict import Fields

    fields, signals = Fields(meta=("surface",)), frozenset(["specific"])
    fast = LineScanner(fields, signals, small_bytes=0)
    strict = LineScanner(fields, signals, small_bytes=1 << 40)

    def check(case: bytes) -> None:
        data = case + b"\n"
        block = Block(data, 0, len(data), 1, data.count(b"\n"))
        one, other = fast.scan(block), strict.scan(block)
        for name in ("lines", "spans", "offsets", "data"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        records = [[reject_record("f", block, refused) for refused in scan.refused] for scan in (one, other)]
        if records[0] != records[1] or one.signals != other.signals:
            raise AssertionError("the scanner and the strict parser differ")

    return Target(POSTS, check, together=lambda cases: check(b"\n".join(cases)), group=32)


def splice() -> Target:
    """Every line that comes out is JSON, and holds the line that went in."""
    import json
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from batch_fakes import QuickClassifier, fake_policy
    from tsclassify.batch.block import process_block
    from tsclassify.batch.plan import make_plan
    from tsclassify.io.blocks import Block

    plan = make_plan(QuickClassifier(), fake_policy())
    plan.scanner.small_bytes = 0

    def check(case: bytes) -> None:
        data = case + b"\n"
        done = process_block(Block(data, 0, len(data), 1, data.count(b"\n")), plan, "f")
        scored = bytes(done.output).split(b"\n")[:-1]
        rejected = done.rejected.splitlines()
        if len(scored) + len(rejected) + done.counts.blank != done.counts.lines:
            raise AssertionError("a line was lost")
        for line in scored:
            if "tsclassify" not in json.loads(line):
                raise AssertionError("a line has no result")

    return Target(POSTS, check, together=lambda cases: check(b"\n".join(cases)), group=32)


def normalizer() -> Target:
    """Normalization never fails, is idempotent, and its spans lie in the text."""
    try:
        from tsclassify.text.normalize import normalize
    except ImportError as error:
        raise Unavailable(str(error)) from None

    def check(case: bytes) -> None:
        text = case.decode("utf-8", "replace")
        once = normalize(text)
        if normalize(once.text).text != once.text:
            raise AssertionError("normalizing twice differs from once")
        if not all(0 <= token.start < token.end <= len(text) for token in once.tokens):
            raise AssertionError("a token lies outside the text")

    return Target(TEXTS, check, group=16)


def kernel() -> Target:
    """Any bytes can be scored, and a text's scores do not depend on its neighbours."""
    import tsclassify

    try:
        classifier = tsclassify.load()
    except (BundleError, ImportError) as error:
        raise Unavailable(str(error).splitlines()[0]) from None
    first = np.frombuffer(b"the river", np.uint8)

    def check(case: bytes) -> None:
        raw = np.frombuffer(case, np.uint8)
        alone = classifier.score_utf8(raw, np.array([0, len(raw)], np.int64))
        ends = np.array([0, len(first), len(first) + len(raw), 2 * len(first) + len(raw)], np.int64)
        among = classifier.score_utf8(np.concatenate([first, raw, first]), ends)
        if not np.array_equal(alone[0], among[1]) or not np.array_equal(among[0], among[2]):
            raise AssertionError("a score depends on its neighbours")
        if not ((alone >= 0) & (alone <= 1)).all():
            raise AssertionError("a score is outside [0, 1]")

    return Target(TEXTS, check, group=16)


TARGETS: dict[str, Callable[[], Target]] = {
    function.__name__: function for function in (scanner, splice, normalizer, kernel, policy, bundle, ledger)
}

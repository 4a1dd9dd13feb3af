"""Keep the figures in tsclassify/kernel/README.md equal to the code: the memory map, and one post worked through.

``python docs/kernel.py`` rewrites what stands between ``<!-- name -->`` and ``<!-- /name -->``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tsclassify.features.reading import PostReading
from tsclassify.features.scorer import PassageMix, Scorer
from tsclassify.features.spec import FAMILIES, FeatureSpec
from tsclassify.kernel import layout
from tsclassify.kernel.intrinsics import Buffer, Struct
from tsclassify.kernel.layout import FIELDS, LOOK_AHEAD, PASSAGE, STATE, TOKEN, WORD_SUMS, State, items_of
from tsclassify.text import rules
from tsclassify.text.lexicon import Lexicon
from tsclassify.text.passages import n_doublings

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "tsclassify" / "kernel" / "README.md"

POST = "The zorp w1ll blick us all tonight. We went home, and then we slept."
FLAGS = ("CAPS", "DISGUISED", "STRETCHED", "STARTS", "GAP_ONE", "GAP_WIDE", "HASHTAG", "QUOTED", "ODD", "LINE")


def table(head: str, rows: list[tuple[Any, ...]]) -> str:
    """Rows as a Markdown table under the titles in `head`, split at blanks."""
    titles = head.split()
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def size_of(n_bytes: int) -> str:
    """Bytes in words."""
    for unit, size in (("MB", 1 << 20), ("kB", 1 << 10)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes} B"


def map_rows(names: set[str]) -> Iterator[tuple[str, ...]]:
    """Rows of the memory map for these fields."""
    for field in FIELDS:
        if field.name in names:
            items = items_of(field, 1)
            size = size_of(items * field.kind.size) if items else ""
            kind = field.kind.title if isinstance(field.kind, Struct) else ""
            if isinstance(field.kind, Buffer):
                item = field.kind.item
                kind = item.title if isinstance(item, Struct) else f"{8 * field.kind.size} bits"
            yield (
                str(STATE.offsets[field.name]),
                f"`{field.name}`",
                f"{items:,}" if items else "",
                kind,
                size,
                field.says,
            )


def memory_map() -> str:
    """All fields of the state, and all other structs."""
    numbers = {field.name for field in FIELDS if field.kind is layout.INT}
    own = {field.name for field in FIELDS if field.items}
    shared = {field.name for field in FIELDS} - numbers - own
    head = "at field items each bytes holds"
    parts = [f"`State` has {STATE.size} bytes. Of buffers it holds addresses.\n\n**Numbers**\n\n"]
    parts += [table("at field holds", [(row[0], row[1], row[5]) for row in map_rows(numbers)])]
    parts += ["\n**Buffers of one thread**\n\n", table(head, list(map_rows(own)))]
    parts += ["\n**Shared by all threads, and only read**\n\n"]
    parts += [table("at field each holds", [(row[0], row[1], row[3], row[5]) for row in map_rows(shared)])]
    parts += ["\n**Other structs**\n\n"]
    structs = (TOKEN, WORD_SUMS, LOOK_AHEAD, PASSAGE, layout.GROUP, layout.MEMBER)
    rows = [
        (f"`{one.title}`", one.size, ", ".join(f"{at} `{name}`" for name, at in one.offsets.items())) for one in structs
    ]
    return "".join(parts) + table("struct bytes fields", rows)


def small_scorer() -> Scorer:
    """A scorer of one head with small weights that anybody can work out again."""
    spec = FeatureSpec(bits=10, char_min=3, char_max=3, flags=True)
    weights = (np.arange(spec.n_buckets) * 7 % 11 - 5).astype(np.int8).reshape(-1, 1)
    lexicon = Lexicon({"us": "we", "we": "we"}, {"we": "mask"})
    mix = PassageMix.from_rows(np.array([[0.5], [0.5], [-0.25], [0.0], [0.0]]))
    return Scorer(spec, lexicon, weights, np.array([0.1]), np.array([-1.0]), passages=mix)


def word_of(token: int, state: State) -> str:
    """The code points of a token as text."""
    begin = int(state.buffers["begins"][token])
    codes = state.buffers["codes"]
    return "".join(map(chr, codes[begin : begin + int(codes[begin - 1])].tolist()))


def look_ahead(state: State) -> str:
    """The pre-tokens of the first look-ahead window."""
    window = state.buffers["aheads"][: LOOK_AHEAD.size // 8]
    n = int(window[LOOK_AHEAD.offsets["n"] // 8])
    edges = window.view(np.int32)[LOOK_AHEAD.offsets["edges"] // 4 :][: 2 * n + 2].tolist()
    encoded = POST.encode()
    spans = list(zip(edges[1::2], edges[2::2], strict=False))[:n]
    shown = ", ".join(f"`{encoded[a:b].decode()}` {a}-{b}" for a, b in spans)
    return f"**1. Look-ahead.** The edges are {', '.join(map(str, edges))}, so there are {n} pre-tokens: {shown}.\n"


def sequence(state: State, n: int) -> str:
    """The tokens of the block with their numbers in the token cache and their flags."""
    rows = []
    for k, ref in enumerate(state.buffers["seq"][:n].tolist()):
        token, flags = ref & 0xFFFFFFFF, ref >> 32
        info = int(state.buffers["tokens"][TOKEN.size // 8 * token + TOKEN.offsets["info"] // 8])
        names = " ".join(name for name in FLAGS if flags & getattr(rules, name)) or "none"
        rows.append((k, f"`{word_of(token, state)}`", token, info & 15, info >> 40, names))
    return table("place token number kind n-grams flags", rows)


def worked_post() -> str:
    """The post from its bytes to its logit."""
    scorer = small_scorer()
    scorer.warm_up()
    logit = float(scorer.logits_one(POST.encode())[0])
    state = scorer._states[0][0]
    reading = PostReading(POST, scorer.spec, scorer.lexicon)
    counts = [segment.marks.n_tokens for segment in reading.segments]
    misses = state["n_pre_tokens"]
    parts = [f"The post is `{POST}`. Its head has the weight `7 * bucket % 11 - 5`, scale 0.1 and bias -1.\n\n"]
    parts += [look_ahead(state)]
    parts += [
        f"\n**2. Cache misses.** All {misses} distinct pre-tokens are new. Most are plain words; the rules read the "
    ]
    parts += [f"others, as `w1ll`. The token cache has {state['n_tokens']} tokens then: `We` and `we` are one.\n"]
    parts += [f"\n**3. Scan.** The sequence has {sum(counts)} tokens:\n\n", sequence(state, sum(counts))]
    parts += [
        f"\n**4. Segments.** They have {' and '.join(map(str, counts))} tokens. A window is a segment or a pair. "
    ]
    parts += ["Number of features by family, and the logit of each passage:\n\n"]
    parts += [passages_table(scorer, reading)]
    whole, best = reading_logits(scorer, reading)
    doublings = n_doublings(len(counts))
    parts += [
        "\n**5. Mix.** Half of the whole post and half of the strongest window, less 0.25 for each doubling of the "
    ]
    parts += [f"number of segments: 0.5 * {whole:.4f} + 0.5 * {best:.4f} - 0.25 * {doublings} = {logit:.4f}.\n"]
    if np.float32(logit) != reading.logits(scorer.parts[0])[0]:
        raise ValueError("kernel: logit must be that of the plain path, got another one")
    return "".join(parts)


def reading_logits(scorer: Scorer, reading: PostReading) -> tuple[float, float]:
    """Logit of the whole post and of its strongest window."""
    logits = reading._passage_logits(scorer.parts[0])[:, 0].tolist()
    return logits[0], max(logits[1:])


def passages_table(scorer: Scorer, reading: PostReading) -> str:
    """Counts of features and logits of every passage."""
    logits = reading._passage_logits(scorer.parts[0])[:, 0].tolist()
    rows = []
    for number, ((first, last), logit) in enumerate(zip(reading.spans, logits, strict=True)):
        name = "post" if number == 0 else "pair" if first != last else f"segment {first}"
        parts = reading._counts[first : last + 1].sum(axis=0).tolist()
        rows.append((name, *parts, len(reading._flags[number]), f"{logit:.4f}"))
    return table("passage " + " ".join(FAMILIES) + " logit", rows)


def rendered(page: str) -> str:
    """The page with its figures made anew."""
    for name, make in (("map", memory_map), ("post", worked_post)):
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        body = make()
        page = block.sub(lambda match, body=body: f"{match[1]}{body}{match[2]}", page)  # type: ignore[misc]
    return page


def main() -> int:
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

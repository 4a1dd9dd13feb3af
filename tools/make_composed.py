"""Compose everyday posts in which a violent-looking verb has a harmless object, beside posts in which it has people.

Writes ``seeds/composed.jsonl``: for training only. A linear model learns from them that the object decides. Run from
the repository root: ``python tools/make_composed.py``.
"""

from __future__ import annotations

import json
import random
import tomllib
from pathlib import Path

_OWN = ("We will ", "I will ", "I'll ", "Tonight we ")
_ONE = ("him", "you", "that mayor", "that teacher", "her and her family")
_MINOR = ("beat", "smash", "whip", "choke", "attack", "torch", "strike")
_TIMES = ("tonight", "tomorrow", "Monday", "midnight", "6pm", "At 9")


def main() -> None:
    words = tomllib.loads(Path("tools/composed.toml").read_text(encoding="utf-8"))
    rng = random.Random(11)  # noqa: S311 (a seeded choice of words)
    rows: dict[str, tuple[str, str]] = {}

    def add(kind: str, code: str, text: str) -> None:
        rows.setdefault(text[:1].upper() + text[1:] if rng.random() < 0.6 else text, (kind, code))

    for verb, objects in words["harmless_objects"].items():
        for thing in objects * 4:
            add(
                "harmless object",
                "N/-/-",
                f"{rng.choice(words['openings'])}{verb} {thing}{rng.choice(words['closings'])}",
            )
    for verb in words["violent_verbs"]:
        for person in words["people"] * 2:
            opening = rng.choice(words["calls"])
            category = "T" if opening in _OWN or person in ("you", "her and her family") else "I"
            code = f"{category}/{'p' if person in _ONE else 'g'}{2 if verb in _MINOR else 3}/-"
            add("people as object", code, f"{opening}{verb} {person}{rng.choice(words['call_ends'])}")
    for place in words["places"]:
        for event in rng.sample(words["events"], 16):
            context = "r" if "Police" in event else "d" if "harm" in event else "-"
            add("place without harm", f"N/-/{context}", event.format(p=place))
        for attack in rng.sample(words["attacks"], 8):
            category = "T" if attack.startswith(("We will", "I am", "{p}", "At 9", "Next week")) else "I"
            severity = 2 if "Smash" in attack or "Burn" in attack else 3
            imminent = "i" if any(word in attack for word in _TIMES) else ""
            veiled = "v" if attack.startswith(("{p}", "Next")) else ""
            add("place with harm", f"{category}/f{severity}s{imminent}{veiled}/-", attack.format(p=place))
    with Path("seeds/composed.jsonl").open("w", encoding="utf-8") as out:
        for number, (text, (kind, code)) in enumerate(rows.items()):
            post = {"id": f"m{number:04d}", "kind": kind, "code": code, "text": text}
            out.write(
                json.dumps(post | {"source": "composed", "use": "train", "split": "train"}, ensure_ascii=False) + "\n"
            )
    print(len(rows), "posts")


if __name__ == "__main__":
    main()

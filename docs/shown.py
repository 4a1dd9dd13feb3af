"""Write what the shipped model makes of three posts into README, between ``<!-- shown -->`` and its end."""

from __future__ import annotations

import re
from pathlib import Path

import tsclassify as ts

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"(<!-- shown -->\n).*?(<!-- /shown -->)", re.DOTALL)
POSTS = (
    "See you at the picnic on Sunday.",
    "Police arrested a man who had threatened to burn down the depot.",
    "We will burn the depot down tonight with all of you inside.",
)


def rows() -> list[str]:
    """A line of the table for each post: its highest score, and what the policy makes of it."""
    clf = ts.load()
    scores = clf.score(list(POSTS))
    lines = ["| post | highest score | `hosting-provider` says |", "| --- | --- | --- |"]
    for post, row in zip(POSTS, scores, strict=True):
        decision = clf.decide({"text": post}, "hosting-provider")
        name = max(row, key=row.__getitem__)
        says = decision.tier + (", and a person has to look" if decision.review and decision.tier != "review" else "")
        lines.append(f"| {post} | {name} {row[name]:.2f} | {says} |")
    return lines


if __name__ == "__main__":
    body = "\n".join(rows()) + "\n"
    text = README.read_text(encoding="utf-8")
    README.write_text(BLOCK.sub(lambda match: f"{match.group(1)}{body}{match.group(2)}", text), encoding="utf-8")

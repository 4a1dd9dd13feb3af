"""Write the figures in README and docs from stored runs, so that no figure is typed by hand.

``python docs/generate.py`` rewrites what stands between ``<!-- figures:NAME -->`` and ``<!-- /figures -->`` in every
Markdown file of the repository; ``--check`` changes nothing and exits 1 when something would change.
Each block is rendered by the function of that name in ``docs/blocks.py``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- figures:([a-z-]+) -->\n).*?(<!-- /figures -->)", re.DOTALL)


def rendered(text: str, blocks: dict[str, object]) -> str:
    """The same Markdown with every figures block rendered anew."""

    def fill(match: re.Match[str]) -> str:
        name = match.group(2)
        if name not in blocks:
            raise SystemExit(f"docs: block must have a renderer, got {name!r}")
        body = blocks[name]()  # type: ignore[operator]
        return f"{match.group(1)}{body.rstrip()}\n{match.group(3)}"

    return BLOCK.sub(fill, text)


def main(argv: list[str]) -> int:
    sys.path.insert(0, str(ROOT / "docs"))
    import blocks as module

    blocks = {name.replace("_", "-"): value for name, value in vars(module).items() if callable(value)}
    stale = []
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]:
        before = path.read_text(encoding="utf-8")
        after = rendered(before, blocks)
        if after != before:
            stale.append(path.relative_to(ROOT).as_posix())
            if "--check" not in argv:
                path.write_text(after, encoding="utf-8")
    if stale:
        sys.stdout.write(f"{'stale' if '--check' in argv else 'written'}: {', '.join(stale)}\n")
    return 1 if stale and "--check" in argv else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

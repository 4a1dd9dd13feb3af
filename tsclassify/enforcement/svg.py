"""Small plots as inline SVG: no script, no font, no file besides the page."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Chart", "bars_of_time"]

_WIDTH: Final = 680
_HEIGHT: Final = 190
_LEFT: Final = 64
_RIGHT: Final = 12
_TOP: Final = 14
_BOTTOM: Final = 30


def _nice(top: float) -> list[float]:
    """A few round numbers from 0 to at least `top`."""
    if not top > 0 or not math.isfinite(top):
        return [0.0, 1.0]
    step = 10 ** math.floor(math.log10(top))
    step = next((step * part for part in (0.2, 0.5, 1, 2, 5, 10) if top / (step * part) <= 4), step * 10)
    return [step * index for index in range(math.ceil(top / step - 1e-9) + 1)]


@dataclass(slots=True)
class Chart:
    """One plot over a common horizontal axis.

    Attributes
    ----------
    title
        Heading, also the accessible name.
    start, end
        Ends of the horizontal axis.
    label_x, label_y
        Texts for a position on either axis.
    ticks_x
        Positions to label.
    """

    title: str
    start: float
    end: float
    label_x: Callable[[float], str]
    label_y: Callable[[float], str]
    ticks_x: Sequence[float]
    top: float = 0.0
    _parts: list[Callable[[], str]] = field(default_factory=list)

    def x(self, value: float) -> float:
        share = (value - self.start) / ((self.end - self.start) or 1.0)
        return _LEFT + min(1.0, max(0.0, share)) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        top = _nice(self.top)[-1]
        return _TOP + (1 - min(value, top) / top) * (_HEIGHT - _TOP - _BOTTOM)

    def band(self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], colour: str) -> None:
        """Fill between two curves."""
        self.top = max([self.top, *(value for value in highs if math.isfinite(value))])

        def draw() -> str:
            there = [f"{self.x(x):.1f},{self.y(high):.1f}" for x, high in zip(xs, highs, strict=True)]
            back = [f"{self.x(x):.1f},{self.y(low):.1f}" for x, low in zip(xs, lows, strict=True)]
            points = " ".join([*there, *reversed(back)])
            return f'<polygon points="{points}" fill="{colour}" opacity="0.18"/>' if xs else ""

        self._parts.append(draw)

    def line(self, xs: Sequence[float], ys: Sequence[float], colour: str, *, dots: bool = False) -> None:
        """A curve."""
        self.top = max([self.top, *(value for value in ys if math.isfinite(value))])

        def draw() -> str:
            pairs = [(self.x(x), self.y(y)) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)
            marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>' for x, y in pairs)
            path = f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
            return path + (marks if dots else "")

        self._parts.append(draw)

    def level(self, value: float, says: str) -> None:
        """A dashed horizontal line with its words."""
        self.top = max(self.top, value)

        def draw() -> str:
            y = self.y(value)
            return (
                f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="limit"/>'
                f'<text x="{_WIDTH - _RIGHT}" y="{y - 4:.1f}" text-anchor="end">{html.escape(says)}</text>'
            )

        self._parts.append(draw)

    def mark(self, value: float, says: str) -> None:
        """A vertical line with its words."""

        def draw() -> str:
            x = self.x(value)
            return (
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" class="mark"/>'
                f'<text x="{x - 4:.1f}" y="{_TOP + 8}" text-anchor="end">{html.escape(says)}</text>'
            )

        self._parts.append(draw)

    def render(self) -> str:
        """The figure."""
        grid = []
        for value in _nice(self.top):
            y = self.y(value)
            grid.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
            label = html.escape(self.label_y(value))
            grid.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
        for value in self.ticks_x:
            label = html.escape(self.label_x(value))
            # near the edge a centred label would be cut
            at, anchor = (self.x(value), "middle")
            if at > _WIDTH - _RIGHT - 24:
                at, anchor = (_WIDTH - _RIGHT, "end")
            grid.append(f'<text x="{at:.1f}" y="{_HEIGHT - 10}" text-anchor="{anchor}">{label}</text>')
        inner = "".join(grid) + "".join(part() for part in self._parts)
        name = html.escape(self.title)
        return (
            f"<figure><figcaption>{name}</figcaption>"
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name}">{inner}</svg></figure>'
        )


def bars_of_time(
    title: str,
    rows: Sequence[tuple[str, Sequence[tuple[float, float, str]], Sequence[tuple[float, str]]]],
    start: float,
    end: float,
    ticks: Sequence[tuple[float, str]],
) -> str:
    """Bars on a time line.

    Parameters
    ----------
    title
        Heading.
    rows
        Name, bars (start, end, colour) and marks (position, words) of each row.
    start, end
        Ends of the axis.
    ticks
        Positions with their words.
    """
    left, height = 120, 28 * len(rows) + 44

    def x(value: float) -> float:
        share = (value - start) / ((end - start) or 1.0)
        return left + min(1.0, max(0.0, share)) * (_WIDTH - left - _RIGHT)

    parts = []
    for position, says in ticks:
        parts.append(f'<line x1="{x(position):.1f}" x2="{x(position):.1f}" y1="8" y2="{height - 26}" class="grid"/>')
        label = html.escape(says)
        parts.append(f'<text x="{x(position):.1f}" y="{height - 8}" text-anchor="middle">{label}</text>')
    for index, (name, bars, marks) in enumerate(rows):
        y = 12 + 28 * index
        parts.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{html.escape(name)}</text>')
        for a, b, colour in bars:
            width = max(1.5, x(b) - x(a))
            parts.append(f'<rect x="{x(a):.1f}" y="{y}" width="{width:.1f}" height="18" rx="2" fill="{colour}"/>')
        for position, says in marks:
            words = f"<title>{html.escape(says)}</title>"
            parts.append(f'<circle cx="{x(position):.1f}" cy="{y + 9}" r="5" class="taken">{words}</circle>')
    name = html.escape(title)
    return (
        f"<figure><figcaption>{name}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{name}">{"".join(parts)}</svg></figure>'
    )

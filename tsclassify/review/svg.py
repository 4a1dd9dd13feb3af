"""Small plots as inline SVG: no script, no font, no file besides the page."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Chart", "bars_of_time", "empty", "nice"]

_WIDTH: Final = 680
_HEIGHT: Final = 190
_LEFT: Final = 64
_RIGHT: Final = 12
_TOP: Final = 14
_BOTTOM: Final = 30
_LETTER: Final = 6.2
"""Width of a letter of a label, in the units of the picture; letters of system fonts are narrower, on average."""
_MARK: Final = 5.0
"""Radius of the circle of a mark."""


def empty(title: str, says: str) -> str:
    """In place of a plot that nothing is on record for."""
    return f'<figure><figcaption>{html.escape(title)}</figcaption><p class="muted">{html.escape(says)}</p></figure>'


def _labels(places: Sequence[tuple[float, str]], y: float) -> str:
    """Words below an axis, centred on their places but inside the picture; one that would meet the last is left out."""
    drawn, taken = [], -math.inf
    for place, says in places:
        half = len(says) * _LETTER / 2
        at = min(max(place, half), _WIDTH - half)
        if at - half < taken:
            continue
        taken = at + half + 4
        drawn.append(f'<text x="{at:.1f}" y="{y:.1f}" text-anchor="middle">{html.escape(says)}</text>')
    return "".join(drawn)


def nice(top: float) -> list[float]:
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
        top = nice(self.top)[-1]
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
        for value in nice(self.top):
            y = self.y(value)
            grid.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
            label = html.escape(self.label_y(value))
            grid.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
        grid.append(_labels([(self.x(value), self.label_x(value)) for value in self.ticks_x], _HEIGHT - 10))
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
        Name, bars (start, end, colour) and marks (position, words) of each row; marks too close to tell apart are
        drawn as one, with their number.
    start, end
        Ends of the axis.
    ticks
        Positions with their words.
    """
    longest = max((len(name) for name, _, _ in rows), default=0)
    left, height = min(_WIDTH / 3, max(120, longest * _LETTER + 12)), 28 * len(rows) + 44

    def x(value: float) -> float:
        share = (value - start) / ((end - start) or 1.0)
        return left + min(1.0, max(0.0, share)) * (_WIDTH - left - _RIGHT)

    parts = [
        f'<line x1="{x(position):.1f}" x2="{x(position):.1f}" y1="8" y2="{height - 26}" class="grid"/>'
        for position, _ in ticks
    ]
    parts.append(_labels([(x(position), says) for position, says in ticks], height - 8))
    for index, (name, bars, marks) in enumerate(rows):
        y = 12 + 28 * index
        parts.append(f'<text x="{left - 8:.1f}" y="{y + 14}" text-anchor="end">{html.escape(name)}</text>')
        for a, b, colour in bars:
            width = max(1.5, x(b) - x(a))
            parts.append(f'<rect x="{x(a):.1f}" y="{y}" width="{width:.1f}" height="18" rx="2" fill="{colour}"/>')
        parts += [_mark(some, y + 9) for some in _close([(x(position), says) for position, says in marks])]
    name = html.escape(title)
    return (
        f"<figure><figcaption>{name}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{name}">{"".join(parts)}</svg></figure>'
    )


def _close(marks: Sequence[tuple[float, str]]) -> list[list[tuple[float, str]]]:
    """Marks from left to right, those together whose circles would touch."""
    together: list[list[tuple[float, str]]] = []
    for mark in sorted(marks):
        if together and mark[0] - together[-1][-1][0] < 2 * _MARK + 3:
            together[-1].append(mark)
        else:
            together.append([mark])
    return together


def _mark(marks: Sequence[tuple[float, str]], y: float) -> str:
    """One mark as a circle, several as one shape from the first to the last with their number."""
    (first, says), (last, until) = marks[0], marks[-1]
    if len(marks) == 1:
        return (
            f'<circle cx="{first:.1f}" cy="{y}" r="{_MARK:g}" class="taken"><title>{html.escape(says)}</title></circle>'
        )
    number = str(len(marks))
    middle, half = (first + last) / 2, max((last - first) / 2 + _MARK, len(number) * 3 + 4)
    title = f"<title>{html.escape(f'{number} times, {says} to {until}')}</title>"
    return (
        f'<rect x="{middle - half:.1f}" y="{y - 6:g}" width="{2 * half:.1f}" height="12" rx="6" class="taken">{title}'
        f'</rect><text x="{middle:.1f}" y="{y + 3.2:.1f}" text-anchor="middle" class="many">{number}</text>'
    )

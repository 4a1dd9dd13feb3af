"""Charts as inline SVG that follow the light or dark of the page: no script, no font, no file besides the page."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

__all__ = ["FAINT", "FIRST", "INK", "SECOND", "Chart", "DotRow", "bars_of_time", "dot_rows", "empty", "grid", "nice"]

# Blue and vermilion are told apart with every common colour blindness. Source: Okabe and Ito 2008.
INK: Final = "var(--ink, #1b1f24)"
FAINT: Final = "var(--faint, #c9ced6)"
FIRST: Final = "var(--first, #0065a3)"
SECOND: Final = "var(--second, #b84800)"
_PAGE: Final = "var(--page, #fff)"

_LETTER: Final = 6.2
"""Width of a letter of a label, in the units of the picture; letters of system fonts are narrower, on average."""
_RIGHT: Final = 12
_TOP: Final = 14
_MARK: Final = 5.0
"""Radius of the circle of a mark."""
_ROW: Final = 28
"""Height of a row of bars or dots."""
_DASHED: Final = 'stroke-dasharray="5 4"'
_DOTTED: Final = 'stroke-dasharray="2 3"'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, style: str = "") -> str:
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} style="stroke:{colour}" {style}/>'


def _text(x: float, y: float, says: str, anchor: str = "start", more: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} style="fill:{INK}"{more}>{html.escape(says)}</text>'


def _dot(x: float, y: float, size: float, colour: str, shape: str, inner: str = "") -> str:
    """A full or hollow circle, a diamond or an upright stroke."""
    if shape == "stroke":
        return _line(x, y - size, x, y + size, colour, 'stroke-width="2.2"')
    if shape == "diamond":
        points = f"{x:.1f},{y - size:.1f} {x + size:.1f},{y:.1f} {x:.1f},{y + size:.1f} {x - size:.1f},{y:.1f}"
        return f'<polygon points="{points}" style="fill:{colour}">{inner}</polygon>'
    fill = f"fill:{_PAGE};stroke:{colour};stroke-width:1.8" if shape == "hollow" else f"fill:{colour}"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" style="{fill}">{inner}</circle>'


def _picture(width: float, height: float, name: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{html.escape(name)}" style="font:11px system-ui, sans-serif">{"".join(parts)}</svg>'
    )


def _figure(title: str, picture: str) -> str:
    return f"<figure><figcaption>{html.escape(title)}</figcaption>{picture}</figure>"


def empty(title: str, says: str) -> str:
    """In place of a chart that nothing is on record for."""
    return _figure(title, f'<p class="muted">{html.escape(says)}</p>')


def _labels(places: Sequence[tuple[float, str]], y: float, width: float) -> str:
    """Words below an axis, centred on their places but inside the picture; one that would meet the last is left out."""
    drawn, taken = [], -math.inf
    for place, says in places:
        half = len(says) * _LETTER / 2
        at = min(max(place, half), width - half)
        if at - half < taken:
            continue
        taken = at + half + 4
        drawn.append(_text(at, y, says, "middle"))
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
    """Curves and points over two axes; the upright one begins at 0.

    Attributes
    ----------
    title
        Heading, also the accessible name where there is no ``alt``.
    start, end
        Ends of the horizontal axis.
    label_x, label_y
        Texts for a position on either axis.
    ticks_x
        Positions to label.
    top
        Least value at the top; curves raise it.
    width, height
        Of the picture.
    axis_x, axis_y
        What the axes measure, in words, or empty.
    alt
        What the chart shows, for those who do not see it.
    """

    title: str
    start: float
    end: float
    label_x: Callable[[float], str]
    label_y: Callable[[float], str]
    ticks_x: Sequence[float]
    top: float = 0.0
    width: float = 680
    height: float = 190
    axis_x: str = ""
    axis_y: str = ""
    alt: str = ""
    _parts: list[Callable[[], str]] = field(default_factory=list)

    @property
    def _left(self) -> float:
        return 64 if self.width > 400 else 46 if self.axis_y else 34

    @property
    def _bottom(self) -> float:
        return self.height - (30 if not self.axis_x else 42)

    def x(self, value: float) -> float:
        share = (value - self.start) / ((self.end - self.start) or 1.0)
        return self._left + min(1.0, max(0.0, share)) * (self.width - self._left - _RIGHT)

    def y(self, value: float) -> float:
        top = nice(self.top)[-1]
        return _TOP + (1 - min(value, top) / top) * (self._bottom - _TOP)

    def _raise_to(self, values: Sequence[float]) -> None:
        self.top = max([self.top, *(value for value in values if math.isfinite(value))])

    def band(self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], colour: str) -> None:
        """Fill between two curves."""
        self._raise_to(highs)

        def draw() -> str:
            there = [f"{self.x(x):.1f},{self.y(high):.1f}" for x, high in zip(xs, highs, strict=True)]
            back = [f"{self.x(x):.1f},{self.y(low):.1f}" for x, low in zip(xs, lows, strict=True)]
            points = " ".join([*there, *reversed(back)])
            return f'<polygon points="{points}" style="fill:{colour}" opacity="0.18"/>' if xs else ""

        self._parts.append(draw)

    def line(self, xs: Sequence[float], ys: Sequence[float], colour: str, *, dots: bool = False) -> None:
        """A curve."""
        self._raise_to(ys)

        def draw() -> str:
            pairs = [(self.x(x), self.y(y)) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)
            marks = "".join(_dot(x, y, 2.6, colour, "circle") for x, y in pairs)
            path = f'<polyline points="{points}" style="fill:none;stroke:{colour};stroke-width:1.8"/>'
            return path + (marks if dots else "")

        self._parts.append(draw)

    def steps(self, xs: Sequence[float], ys: Sequence[float], colour: str) -> None:
        """A curve that keeps each value up to the next place."""
        places = [x for x in xs for _ in range(2)][1:]
        self.line(places, [y for y in ys for _ in range(2)][: len(places)], colour)

    def dashes(self, first: tuple[float, float], last: tuple[float, float], colour: str) -> None:
        """A dashed line between two points."""
        ends = (*first, *last)
        self._parts.append(
            lambda: _line(self.x(ends[0]), self.y(ends[1]), self.x(ends[2]), self.y(ends[3]), colour, _DASHED)
        )

    def dot(self, x: float, y: float, colour: str, *, size: float = 4.0, shape: str = "circle", says: str = "") -> None:
        """A point, with words beside it."""

        def draw() -> str:
            place = self.x(x), self.y(y)
            return _dot(*place, size, colour, shape) + (_text(place[0] + 6, place[1] - 5, says) if says else "")

        self._parts.append(draw)

    def level(self, value: float, says: str) -> None:
        """A dashed horizontal line with its words."""
        self.top = max(self.top, value)

        def draw() -> str:
            y, right = self.y(value), self.width - _RIGHT
            return _line(self._left, y, right, y, FAINT, _DASHED) + _text(right, y - 4, says, "end")

        self._parts.append(draw)

    def mark(self, value: float, says: str) -> None:
        """A vertical line with its words."""

        def draw() -> str:
            x = self.x(value)
            return _line(x, _TOP, x, self._bottom, FAINT, _DOTTED) + _text(x - 4, _TOP + 8, says, "end")

        self._parts.append(draw)

    def parts(self) -> list[str]:
        """What stands in the picture."""
        parts = []
        for value in nice(self.top):
            y = self.y(value)
            parts.append(_line(self._left, y, self.width - _RIGHT, y, FAINT, 'stroke-width="0.5"'))
            parts.append(_text(self._left - 6, y + 4, self.label_y(value), "end"))
        ticks = [(self.x(value), self.label_x(value)) for value in self.ticks_x]
        parts.append(_labels(ticks, self._bottom + 18, self.width))
        if self.axis_x:
            parts.append(_text((self._left + self.width - _RIGHT) / 2, self.height - 6, self.axis_x, "middle"))
        if self.axis_y:
            middle = (_TOP + self._bottom) / 2
            parts.append(_text(10, middle, self.axis_y, "middle", f' transform="rotate(-90 10 {middle:.1f})"'))
        return [*parts, *(part() for part in self._parts)]

    def svg(self) -> str:
        """The picture alone."""
        return _picture(self.width, self.height, self.alt or self.title, self.parts())

    def render(self) -> str:
        """The picture under its heading."""
        return _figure(self.title, self.svg())


def grid(alt: str, charts: Sequence[Chart], n_columns: int) -> str:
    """Charts of one size beside and below each other, each under its title, as one picture."""
    width, height = charts[0].width, charts[0].height + 22
    parts = []
    for number, chart in enumerate(charts):
        x, y = width * (number % n_columns), height * (number // n_columns)
        parts.append(_text(x + width / 2, y + 16, chart.title, "middle", ' font-weight="600"'))
        parts.append(f'<g transform="translate({x:g} {y + 22:g})">{"".join(chart.parts())}</g>')
    n_rows = -(-len(charts) // n_columns)
    return _picture(width * min(n_columns, len(charts)), height * n_rows, alt, parts)


@dataclass(frozen=True, slots=True)
class DotRow:
    """A name with what is drawn beside it.

    Attributes
    ----------
    name
        In words.
    spans
        Lines from one place to another, each in a colour.
    dots
        Places, each with a colour and a shape: ``circle``, ``hollow``, ``diamond`` or ``stroke``.
    """

    name: str
    spans: tuple[tuple[float, float, str], ...] = ()
    dots: tuple[tuple[float, str, str], ...] = ()


def dot_rows(
    alt: str,
    rows: Sequence[DotRow],
    *,
    end: float,
    axis: str,
    legend: Sequence[tuple[str, str, str]] = (),
    limits: Sequence[tuple[float, str]] = (),
) -> str:
    """Dots on one axis from 0, a row for each name.

    Parameters
    ----------
    alt
        What the chart shows, for those who do not see it.
    rows
        From top to bottom.
    end
        Least end of the axis.
    axis
        What the axis measures, in words.
    legend
        Words, colour and shape of each kind of dot.
    limits
        Places of dotted lines with their colours.
    """
    width, top, step = 620.0, 30.0 if legend else 10.0, 22 if len(rows) > 12 else _ROW
    left = min(width / 2, max((len(row.name) for row in rows), default=0) * _LETTER + 14)
    bottom = top + step * len(rows)
    ticks = nice(end)

    def x(value: float) -> float:
        return left + min(1.0, max(0.0, value / ticks[-1])) * (width - left - _RIGHT)

    parts = [_line(x(value), top, x(value), bottom, FAINT, 'stroke-width="0.5"') for value in ticks]
    parts += [_line(x(value), top, x(value), bottom, colour, _DOTTED) for value, colour in limits]
    place = left
    for says, colour, shape in legend:
        parts += [_dot(place + 6, 14, 4.5, colour, shape), _text(place + 16, 18, says)]
        place += 34 + len(says) * _LETTER
    for number, row in enumerate(rows):
        y = top + step * (number + 0.5)
        parts.append(_text(left - 8, y + 4, row.name, "end"))
        parts += [_line(x(low), y, x(high), y, colour, 'stroke-width="2"') for low, high, colour in row.spans]
        parts += [_dot(x(value), y, _MARK, colour, shape) for value, colour, shape in row.dots]
    parts.append(_labels([(x(value), f"{value:g}") for value in ticks], bottom + 16, width))
    parts.append(_text((left + width - _RIGHT) / 2, bottom + 32, axis, "middle"))
    return _picture(width, bottom + 40, alt, parts)


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
    width = 680.0
    longest = max((len(name) for name, _, _ in rows), default=0)
    left, height = min(width / 3, max(120, longest * _LETTER + 12)), _ROW * len(rows) + 44

    def x(value: float) -> float:
        share = (value - start) / ((end - start) or 1.0)
        return left + min(1.0, max(0.0, share)) * (width - left - _RIGHT)

    parts = [_line(x(at), 8, x(at), height - 26, FAINT, 'stroke-width="0.5"') for at, _ in ticks]
    parts.append(_labels([(x(at), says) for at, says in ticks], height - 8, width))
    for index, (name, bars, marks) in enumerate(rows):
        y = 12 + _ROW * index
        parts.append(_text(left - 8, y + 14, name, "end"))
        for a, b, colour in bars:
            size = f'width="{max(1.5, x(b) - x(a)):.1f}" height="18" rx="2"'
            parts.append(f'<rect x="{x(a):.1f}" y="{y}" {size} style="fill:{colour}"/>')
        parts += [_mark(some, y + 9) for some in _close([(x(at), says) for at, says in marks])]
    return _figure(title, _picture(width, height, title, parts))


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
        return _dot(first, y, _MARK, INK, "hollow", f"<title>{html.escape(says)}</title>")
    number = str(len(marks))
    middle, half = (first + last) / 2, max((last - first) / 2 + _MARK, len(number) * 3 + 4)
    title = f"<title>{html.escape(f'{number} times, {says} to {until}')}</title>"
    box = f'x="{middle - half:.1f}" y="{y - 6:g}" width="{2 * half:.1f}" height="12" rx="6"'
    shape = f'<rect {box} style="fill:{_PAGE};stroke:{INK};stroke-width:2">{title}</rect>'
    return shape + _text(middle, y + 3.2, number, "middle", ' font-size="9" font-weight="600"')

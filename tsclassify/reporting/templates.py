"""The template engine of all pages: every value from data is escaped, and a missing one is an error."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

__all__ = ["drawn", "render"]


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("tsclassify.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def drawn(svg: str) -> Markup:
    """A picture of our own, in which all words are escaped, as a template may show it."""
    return Markup(svg)  # noqa: S704


def render(template: str, **values: Any) -> str:
    """A template of this package with its values."""
    return _environment().get_template(template).render(**values)

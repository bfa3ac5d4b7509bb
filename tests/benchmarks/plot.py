"""Draws bars as an SVG, in groups with a scale of their own."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import NamedTuple

LINE = 22  # pixels from one bar to the next
LABEL, LONGEST = 140, 420


class Bar(NamedTuple):
    """One bar."""

    group: str
    name: str
    value: float


def bars(title: str, drawn: Sequence[Bar]) -> str:
    """Give the SVG of some bars, those of a group standing together."""
    parts = [text(10, 20, title, "font-weight='bold'")]
    top = 30
    for group, members in groupby(drawn, lambda bar: bar.group):
        top += LINE
        parts.append(text(10, top, group, "font-weight='bold'"))
        own = list(members)
        most = max(bar.value for bar in own)
        for bar in own:
            top += LINE
            length = LONGEST * bar.value / most
            parts.append(text(LABEL - 8, top, bar.name, "text-anchor='end'"))
            parts.append(
                f"<rect x='{LABEL}' y='{top - 13}' width='{length:.1f}' height='16'"
                " fill='#4078c0'/>"
            )
            parts.append(text(LABEL + length + 6, top, f"{bar.value:,.1f}"))
    width, height = LABEL + LONGEST + 100, top + LINE
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'"
        " font-family='sans-serif' font-size='13'>"
        f"<rect width='{width}' height='{height}' fill='white'/>"
        f"{''.join(parts)}</svg>\n"
    )


def text(x: float, y: float, words: str, style: str = "") -> str:
    """Write words at a place."""
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(words)}</text>"

"""Small charts of facts as SVG that stands within a page. Pure.

Rules:
1. A chart has a title and a description, and never stands without its table: it adds no figure.
2. It takes the colour of the text around it, and bars whose contrast holds on light and dark (3:1,
   WCAG 1.4.11); it needs no style of the page, since what prints PDF gives it none.
3. It is as wide as a phone, so that its letters are never smaller than the page's.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from registry.cards.fact_kinds import NOT_RECORDED
from registry.cards.tables_read import number, records
from registry.cards.values import Fact, Scalar, State
from registry.cards.wording import percent
from registry.render import day, visible

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH = 340
_ROW = 36
_MOST = 8
_FONT = 'font-family="system-ui, DejaVu Sans, sans-serif"'
_BAR = "#3a87a8"
_PALE = "#8a949c"
_SHARED: Mapping[str, str] = {
    "origin.kinds": "Share of each kind of source",
    "rights.licenses": "Share of each licence",
    "rights.legal_bases": "Share of each legal basis",
    "quantity.by_language": "Share of each language",
    "quantity.by_modality": "Share of each modality",
    "quantity.by_split": "Share of each split",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """`part`: of the whole width, 0 to 1; `figure`: what stands at its end."""

    label: str
    part: float
    figure: str
    is_pale: bool = False


def chart_of(fact: Fact) -> Markup | None:
    """The chart of a fact, or None for one that has none or nothing to show."""
    if fact.state is not State.KNOWN:
        return None
    rows = list(records(fact))
    if fact.name in _SHARED:
        bars, kind = shares(rows), "examples"
    elif fact.name == "preparation.steps":
        bars, kind = funnel(rows), "rows after each step"
    else:
        return None
    if len(bars) < 2:
        return None
    title = _SHARED.get(fact.name, "Rows left after each step")
    said = "; ".join(f"{bar.label}: {bar.figure}" for bar in bars)
    return _bars(f"chart-{fact.name.replace('.', '-')}", title, f"Bars of {kind}. {said}.", bars)


def shares(rows: Sequence[Mapping[str, Scalar | None]]) -> list[Bar]:
    """One bar for each value by its examples, largest first; the smallest together."""
    counted = [(str(row["value"]), number(row["examples"]) or 0) for row in rows]
    whole = sum(count for _, count in counted)
    if not whole:
        return []
    counted.sort(key=lambda each: (-each[1], each[0]))
    shown, rest = counted[:_MOST], counted[_MOST:]
    bars = [
        Bar(name, size / whole, percent(size / whole), name == NOT_RECORDED) for name, size in shown
    ]
    if rest:
        left = sum(size for _, size in rest) / whole
        bars.append(Bar(f"{len(rest)} others", left, percent(left), True))
    return bars


def funnel(rows: Sequence[Mapping[str, Scalar | None]]) -> list[Bar]:
    """What goes into the first step and what each leaves; nothing where a step was not counted."""
    counts = [(str(row["job"]), number(row["rows_in"]), number(row["rows_out"])) for row in rows]
    if not counts or any(size is None for _, *both in counts for size in both):
        return []
    most = max(max(before or 0, after or 0) for _, before, after in counts)
    if not most or len(counts) > 2 * _MOST:
        return []
    first = counts[0][1] or 0
    bars = [Bar("Before the first step", first / most, f"{first:,}", True)]
    bars += [Bar(job, (after or 0) / most, f"{after:,}") for job, _, after in counts]
    return bars


def timeline(days: Sequence[tuple[str, date]], name: str) -> Markup | None:
    """Days on a line, first to last; None for fewer than two. `name`: of its ids."""
    if len(days) < 2:
        return None
    ordered = sorted(((_day(when), label) for label, when in days))
    first, last = ordered[0][0].toordinal(), ordered[-1][0].toordinal()
    span = max(last - first, 1)
    height = 16 + _ROW * len(ordered)
    parts = [f'<path d="M10 8V{height - 8}" stroke="{_PALE}" stroke-width="2"/>']
    for at, (when, label) in enumerate(ordered):
        y = 20 + at * _ROW
        x = 10 + (when.toordinal() - first) / span * (WIDTH - 30)
        parts.append(_text(24, y, f"{day(when)}: {label}", most=48))
        parts.append(f'<path d="M10 {y + 10}H{x:.1f}" stroke="{_PALE}" stroke-width="2"/>')
        parts.append(f'<circle cx="{x:.1f}" cy="{y + 10}" r="5" fill="{_BAR}"/>')
    said = "; ".join(f"{day(when)}: {label}" for when, label in ordered)
    return _svg(f"chart-{name}", "Timeline", f"Days in order. {said}.", height, parts)


def _bars(name: str, title: str, said: str, bars: Sequence[Bar]) -> Markup:
    parts = []
    for at, bar in enumerate(bars):
        y = 14 + at * _ROW
        width = max(bar.part * WIDTH, 2)
        parts.append(_text(0, y, bar.label))
        parts.append(_text(WIDTH, y, bar.figure, is_end=True))
        colour = _PALE if bar.is_pale else _BAR
        parts.append(
            f'<rect x="0" y="{y + 5}" width="{width:.1f}" height="10" rx="2" fill="{colour}"/>'
        )
    return _svg(name, title, said, _ROW * len(bars), parts)


def _svg(name: str, title: str, said: str, height: int, parts: Sequence[str]) -> Markup:
    from markupsafe import Markup

    head = (
        f'<svg class="chart" role="img" aria-labelledby="{name}-title {name}-said" '
        f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" {_FONT} '
        f'font-size="13" xmlns="http://www.w3.org/2000/svg">'
    )
    named = f'<title id="{name}-title">{_safe(title)}</title><desc id="{name}-said">'
    # Everything recorded in it went through `_safe`.
    return Markup(f"{head}{named}{_safe(said)}</desc>{''.join(parts)}</svg>")  # noqa: S704


def _text(x: int, y: int, words: str, *, is_end: bool = False, most: int = 36) -> str:
    anchor = ' text-anchor="end"' if is_end else ""
    return f'<text x="{x}" y="{y}" fill="currentColor"{anchor}>{_safe(_short(words, most))}</text>'


def _short(words: str, most: int) -> str:
    """The words cut to a width in narrow letters, of which a wide one counts two."""
    width = 0
    for at, letter in enumerate(words):
        width += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if width > most:
            return words[:at].rstrip() + "…"
    return words


def _safe(words: str) -> str:
    return escape(visible(words).replace("\n", " "))


def _day(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value

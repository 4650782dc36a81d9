"""In which size band of the Commission's template each modality falls. Pure.

Rules (template, section 1.3): under the first edge; from it up to and with the second; over it.
Sound inside video counts as video. A modality without a band gives its size in a unit of its own.
Text may be given in another unit than tokens. Hours are recorded for all of a version: where both
sound and video are in it, each is at most all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from registry.cards.fact_kinds import NOT_RECORDED
from registry.cards.questions.forms import BandForm, SizeUnit
from registry.cards.questions.summary_names import COMPUTED
from registry.cards.tables_read import number, records
from registry.cards.values import Fact, Scalar, State, Table

_COLUMNS = COMPUTED["summary.size_bands"].columns
_Row = tuple[str, str | None, float | None, str]


def band_of(size: float, form: BandForm) -> str:
    """The label of the band of a size."""
    low, high = form.edges
    below, between, above = form.labels
    return below if size < low else between if size <= high else above


def size_bands(by_modality: Fact, hours: Fact, bands: Mapping[str, BandForm]) -> Fact:
    """`summary.size_bands`; not recorded while a modality that is present has no size."""
    present = list(records(by_modality))
    timed = {
        name
        for row in present
        for name, form in bands.items()
        if form.unit is SizeUnit.HOURS and row["value"] in form.names
    }
    total = number(hours.value) if not isinstance(hours.value, (tuple, Table)) else None
    made = [_row(row, total, len(timed), bands) for row in present]
    rows = [each for each in made if isinstance(each, tuple)]
    lacking = [each for each in made if isinstance(each, str)]
    if lacking or not rows:
        known = "; ".join(f"{name}: {band or unit}" for name, band, _, unit in rows)
        why = " ".join(lacking) or "No modality was counted."
        note = f"{why} Known: {known}." if known else why
        return Fact("", State.NOT_RECORDED, note=note)
    return Fact("", State.KNOWN, Table(_COLUMNS, tuple(rows)))


def _row(
    row: Mapping[str, Scalar | None],
    hours: float | None,
    timed: int,
    bands: Mapping[str, BandForm],
) -> _Row | str:
    """The row of a modality, or a sentence about what it lacks."""
    modality = str(row["value"])
    if modality == NOT_RECORDED:
        return f"Of {number(row['examples']) or 0:,} examples the modality is not recorded."
    form = next((each for each in bands.values() if modality in each.names), None)
    if form is None:
        return _other(modality, row)
    size = _size(form.unit, row, hours)
    if form.unit is SizeUnit.HOURS and timed > 1 and size is not None and size >= form.edges[0]:
        return f"Of {modality} the hours are recorded only together with others."
    if size is not None:
        return modality, band_of(size, form), size, form.unit.value
    if form.other_unit:
        return _other(modality, row)
    return f"Of {modality} the {form.unit.value} are not recorded."


def _size(unit: SizeUnit, row: Mapping[str, Scalar | None], hours: float | None) -> float | None:
    match unit:
        case SizeUnit.HOURS:
            return hours
        case SizeUnit.TOKENS:
            return number(row["tokens"])
        case SizeUnit.EXAMPLES:
            return number(row["examples"])


def _other(modality: str, row: Mapping[str, Scalar | None]) -> _Row | str:
    """A size in a unit of its own: bytes, else examples."""
    for unit in ("bytes", "examples"):
        size = number(row[unit])
        if size is not None:
            return modality, "no band: other unit", size, unit
    return f"Of {modality} no size is recorded."

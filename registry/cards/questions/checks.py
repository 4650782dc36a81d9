"""What a form cannot say of the files of questions is checked here. Pure.

Rules:
1. Whatever a file names exists: facts, columns, dates, conditions, questions.
2. Every question is asked somewhere; none twice in one card, none is written down twice.
3. A question that can never be a gap is marked optional; every fact is asked or listed as unasked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from registry.cards.card import Kind
from registry.cards.fact_kinds import Form
from registry.cards.questions.forms import Asking, FactTest, FieldForm, SheetForm, TemplateForm
from registry.cards.questions.summary_names import kind_of
from registry.errors import PolicyError
from registry.policy.yaml_file import refuse

_FORM = "docs/card-questions.md has the form of the file."


def check_sheet(kind: Kind, form: SheetForm, file: str) -> None:
    """Raise PolicyError for what one file says wrongly by itself (rules 1 to 3)."""
    for name, condition in form.conditions.items():
        for test in condition.any:
            _check_test(f"The condition {name!r}", test, file)
    for name, question in form.questions.items():
        if question.applies_from not in form.dates:
            _refuse(file, f"{name} applies from {question.applies_from!r}", form.dates, "dates")
        _check_asking(name, question, form, file)
    for section in form.sections:
        if bool(section.ask) == bool(section.fields):
            detail = f"Section {section.number} has to have either `ask` or `fields`."
            raise refuse(file, detail, _FORM)
        for place, field in enumerate(section.fields, start=1):
            where = f"Field {place} of section {section.number}"
            _check_asking(where, field, form, file)
            _check_answerable(where, field, file)
    for name in form.unasked:
        _check_fact("unasked", name, file)
    _check_twice(file, "section", (section.number for section in form.sections))
    _check_twice(file, "question", (name for section in form.sections for name in section.ask))
    if (form.template is not None) != (kind is Kind.TRAINING_SUMMARY):
        raise refuse(file, "Only training-summary.yaml has a `template`, and it needs one.", _FORM)


def check_sheets(forms: Mapping[Kind, SheetForm], files: Mapping[Kind, str]) -> TemplateForm:
    """Raise PolicyError for what the files say wrongly together; gives the template's rules."""
    homes: dict[str, Kind] = {}
    for kind, form in forms.items():
        for name in form.questions:
            if name in homes:
                detail = f"{name} is written down in {files[homes[name]]} too."
                raise refuse(files[kind], detail, "Keep one, and name it by its id.")
            homes[name] = kind
    asked: set[str] = set()
    for kind, form in forms.items():
        for section in form.sections:
            named = (*section.ask, *(name for field in section.fields for name in field.asks))
            for name in named:
                if name not in homes:
                    _refuse(files[kind], f"Section {section.number} asks {name!r}", homes, "files")
            asked.update(named)
            for name in section.ask:
                _check_answerable(name, forms[homes[name]].questions[name], files[homes[name]])
    for name, kind in homes.items():
        if name not in asked:
            detail = f"{name} is asked in no section of any card."
            raise refuse(files[kind], detail, "Add it to the `ask` of a section, or take it out.")
    template = forms[Kind.TRAINING_SUMMARY].template
    assert template is not None, "`check_sheet` saw to it."
    _check_template(template, files[Kind.TRAINING_SUMMARY])
    return template


def _check_asking(where: str, asking: Asking, form: SheetForm, file: str) -> None:
    for name in (*asking.needs, *asking.one_of, *asking.also):
        _check_fact(where, name, file)
    _check_twice(file, f"fact of {where}", (*asking.needs, *asking.one_of, *asking.also))
    for named in (asking.when, asking.block):
        if isinstance(named, str) and named not in form.conditions:
            _refuse(file, f"{where} names the condition {named!r}", form.conditions, "conditions")


def _check_answerable(where: str, asking: Asking, file: str) -> None:
    if not (asking.needs or asking.one_of or asking.optional):
        detail = f"{where} needs no fact, so that it could never be a gap."
        raise refuse(file, detail, "Name a fact in `needs` or `one_of`, or say optional: true.")
    if isinstance(asking, FieldForm) and asking.optional and asking.block is not False:
        raise refuse(file, f"{where} is optional, and blocks.", "Choose one of the two.")


def _check_test(where: str, test: FactTest, file: str) -> None:
    _check_fact(where, test.fact, file)
    said = [test.among, test.has_rows, test.is_value, test.before]
    if sum(each is not None for each in said) != 1:
        detail = f"{where} tests {test.fact} by none, or by several, of its ways."
        raise refuse(file, detail, "Write one of: among, has_rows, is, before.")
    kind = kind_of(test.fact)
    assert kind is not None, "`_check_fact` saw to it."
    fits = {
        "among": kind.form in (Form.TABLE, Form.LIST, Form.TEXT),
        "has_rows": kind.form in (Form.TABLE, Form.LIST),
        "is": kind.form is Form.FLAG,
        "before": kind.form is Form.DAY,
    }
    way = ("among", "has_rows", "is", "before")[[each is not None for each in said].index(True)]
    if not fits[way]:
        detail = f"{where} tests {test.fact} by `{way}`, and it is a {kind.form.value}."
        raise refuse(file, detail, _FORM)
    needs_column = way == "among" and kind.form is Form.TABLE
    if needs_column != (test.column is not None) or test.column not in (None, *kind.columns):
        detail = f"{where} tests {test.fact} by the column {test.column!r}."
        columns = ", ".join(kind.columns) or "none: leave `column` out"
        raise refuse(file, detail, f"Its columns: {columns}.")


def _check_template(template: TemplateForm, file: str) -> None:
    for modality, band in template.bands.items():
        low, high = band.edges
        if not 0 < low < high:
            detail = f"The edges of {modality}, {low:,} and {high:,}, do not rise."
            raise refuse(file, detail, "Write the lower edge first.")
    _check_twice(file, "modality", (one for band in template.bands.values() for one in band.names))
    groups = template.categories
    kinds = (kind for name in groups.__struct_fields__ for kind in getattr(groups, name))
    _check_twice(file, "kind of origin", kinds)


def _check_fact(where: str, name: str, file: str) -> None:
    if kind_of(name) is None:
        detail = f"{where} names {name!r}, which is no fact."
        raise refuse(file, detail, "Choose a name of registry/cards/catalogue.py.")


def _check_twice(file: str, what: str, names: Iterable[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise refuse(file, f"The {what} {name} is there {times} times.", "Keep one.")


def _refuse(file: str, detail: str, known: Iterable[str], where: str) -> PolicyError:
    raise refuse(file, f"{detail}, and {where} has none.", f"Choose of: {', '.join(known)}.")
